/** Scenarios as data: reading, changing and describing them. Pure: nothing here reads the page. */

const isText = (v) => typeof v === "string";

/** The scenario of the active letter. */
export const activeScenario = (state) =>
  (state.scenarios.find((s) => s.letter === state.active) || state.scenarios[0]).scenario;

/** A copy of `object` with `value` at `path`; `undefined` removes the key. */
export function withValue(object, path, value) {
  const [key, ...rest] = path;
  const copy = { ...(object || {}) };
  const inner = rest.length ? withValue(copy[key], rest, value) : value;
  if (inner === undefined) delete copy[key];
  else copy[key] = inner;
  return copy;
}

export const words = (id) => String(id).replace(/_/g, " ");

/** Splits "0.5 mg/kg" into its number and unit. */
export function splitQuantity(text) {
  const found = /^\s*([-−+]?[\d.]+(?:e[-+]?\d+)?)\s*(.*)$/i.exec(String(text ?? ""));
  return found ? { value: Number(found[1].replace("−", "-")), unit: found[2].trim() } : { value: NaN, unit: "" };
}

/** The wiring that is used when none is named. */
export const defaultWiring = ({ wirings = [] }) => (wirings.find((w) => w.id === "default") || wirings[0] || {}).id;

/** Everything of the mechanism that is not the default, as sentences with the path that resets each. */
export function changesOf(mechanism, meta) {
  const found = [];
  const usual = defaultWiring(meta);
  if (mechanism.wiring && mechanism.wiring !== usual) {
    const now = (meta.wirings || []).find((w) => w.id === mechanism.wiring);
    found.push({ path: ["wiring"], value: usual, text: `Wiring: ${now ? now.name : mechanism.wiring}` });
  }
  for (const [id, share] of Object.entries(mechanism.switches || {})) {
    if (share === 1) continue;
    const s = (meta.switches || []).find((x) => x.id === id);
    const how = share === 0 ? "off" : `${Math.round(share * 100)} % on`;
    found.push({ path: ["switches", id], text: `${s ? s.name : id}: ${how}` });
  }
  for (const [id, choice] of Object.entries(mechanism.options || {})) {
    const o = (meta.options || []).find((x) => x.id === id);
    if (o && choice === o.default) continue;
    found.push({ path: ["options", id], text: `${o ? o.label : id}: ${words(choice)}` });
  }
  for (const [id, value] of Object.entries(mechanism.parameters || {})) {
    found.push({ path: ["parameters", id], text: `${words(id)}: ${value}` });
  }
  return found;
}

/** The person in a sentence: sex, age, weight, severity and failed treatments, and whatever else is not usual. */
export function personText(person, fields) {
  const of = (f) => (person[f.id] === undefined ? f.default : person[f.id]);
  const get = (id) => {
    const f = fields.find((x) => x.id === id);
    return f && of(f);
  };
  const who = { female: "Woman", male: "Man" }[get("sex")] || "Person";
  const failed = get("failed_treatments");
  const parts = [`${who}${get("age") ? ` of ${get("age")}` : ""}`, get("illness") === "healthy" ? "healthy" : null, get("weight"),
    get("illness") === "healthy" || get("severity") === undefined ? null : `MADRS ${get("severity")}`,
    failed ? `${failed} failed ${failed === 1 ? "treatment" : "treatments"}` : null];
  const said = new Set(["sex", "age", "weight", "severity", "failed_treatments", "illness"]);
  for (const f of fields) {
    const value = of(f);
    if (said.has(f.id) || value === f.default || value === null || value === undefined) continue;
    parts.push(`${f.label} ${isText(value) || !f.unit ? words(value) : `${value} ${f.unit}`}`);
  }
  return `${parts.filter(Boolean).join(", ")}.`;
}
