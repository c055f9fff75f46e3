/** The strip under an open row: equation, parameters, evidence and disputes. */

import { el, put, setText } from "./dom.js";
import { button, choose, problemText, table } from "./widgets.js";
import { citeLink, gradeChip } from "./citation.js";
import { activeScenario, splitQuantity, withValue, words } from "./scenariodata.js";

const MATHML = "http://www.w3.org/1998/Math/MathML";
const TAGS = new Set(["math", "mrow", "mi", "mo", "mn", "mtext", "mfrac", "msup", "msub", "msubsup", "msqrt", "mroot",
  "mfenced", "mtable", "mtr", "mtd", "mover", "munder", "munderover", "mspace", "mstyle", "mpadded", "semantics"]);
const ATTRIBUTES = new Set(["display", "mathvariant", "stretchy", "fence", "separator", "width", "linethickness",
  "columnalign", "displaystyle", "scriptlevel", "form", "lspace", "rspace"]);
const FIRST = 6;
const AT_ONCE = 4;
const FEW_NAMES = 12;

/** MathML from text, rebuilt element by element from a list of allowed names; null if it is not MathML. */
export function mathFrom(text) {
  const parsed = new DOMParser().parseFromString(text, "application/xml");
  const source = parsed.documentElement;
  if (!source || source.localName !== "math" || parsed.querySelector("parsererror")) return null;
  const build = (node) => {
    if (node.nodeType === Node.TEXT_NODE) return document.createTextNode(node.nodeValue);
    if (node.nodeType !== Node.ELEMENT_NODE || !TAGS.has(node.localName)) return null;
    const made = document.createElementNS(MATHML, node.localName);
    for (const a of node.attributes) if (ATTRIBUTES.has(a.localName)) made.setAttribute(a.localName, a.value);
    for (const child of node.childNodes) {
      const copy = build(child);
      if (copy) made.append(copy);
    }
    return made;
  };
  return build(source);
}

const cache = new Map();

/** What `/stages/{id}` says, asked once. */
export async function stageOf(app, id) {
  if (!cache.has(id)) cache.set(id, await app.api.get(`/stages/${encodeURIComponent(id)}`));
  return cache.get(id);
}

/**
 * Fill a strip.
 * @param {Element} slot the strip under the open row
 * @returns {() => void} call it when the row closes
 */
export function mount(slot, app, rowId) {
  const row = app.meta.rows.find((r) => r.id === rowId) || { id: rowId, stage: rowId, name: rowId };
  let open = true;
  let sync = () => {};
  const offs = [app.store.subscribe((now, before) => now.scenarios !== before.scenarios && sync()), app.on("problem", () => sync())];
  slot.classList.add("stage-strip");
  put(slot, el("p", { class: "muted" }, "Opening…"));
  stageOf(app, row.stage).then((stage) => {
    if (!open) return;
    const params = parameters(app, stage);
    const proof = evidence(app, stage, row);
    put(slot, equation(app, stage, row), params.root, proof.root);
    sync = () => {
      params.sync();
      proof.sync();
    };
    sync();
  }).catch((problem) => open && put(slot, el("p", { class: "field-error" }, problemText(problem))));
  return () => {
    open = false;
    offs.forEach((off) => off());
    slot.classList.remove("stage-strip");
    put(slot);
  };
}

/** Equations in a box that scrolls. Some stages have hundreds of terms: each is built when it comes near. */
function equations(stage, row) {
  const box = el("div", { class: "equations", tabindex: 0, role: "region", "aria-label": `Equations of ${row.name}` });
  const build = (node, e) => {
    const math = e.mathml && mathFrom(e.mathml);
    if (math) math.setAttribute("display", "block");
    node.append(math || el("code", {}, e.text || e.latex || ""));
  };
  const list = (stage.equations || []).map((e) => {
    const label = e.label || words(e.name || "");
    return { e, node: el("div", { class: "equation" }, label && el("p", { class: "muted" }, label)) };
  });
  const later = new Map(list.slice(AT_ONCE).map(({ e, node }) => [node, e]));
  const watch = new IntersectionObserver((seen) => seen.filter((one) => one.isIntersecting).forEach(({ target }) => {
    watch.unobserve(target);
    build(target, later.get(target));
  }), { root: box, rootMargin: "200px" });
  list.slice(0, AT_ONCE).forEach(({ e, node }) => build(node, e));
  for (const node of later.keys()) watch.observe(node);
  return put(box, list.length ? list.map(({ node }) => node) : el("p", { class: "muted" }, "This stage has no equation of its own."));
}

function equation(app, stage, row) {
  const names = (items) => (items || []).map((x) => (typeof x === "string" ? words(x) : x.name || words(x.id))).join(", ");
  const flow = [["States", stage.states], ["Reads", stage.reads], ["Provides", stage.provides]]
    .filter(([, v]) => v && v.length);
  return el("section", { class: "maths" }, el("h3", {}, "Equation"),
    equations(stage, row),
    el("dl", { class: "flow" }, flow.map(([k, v]) => [el("dt", {}, k), el("dd", {}, v.length > FEW_NAMES
      ? folded(`${v.length} quantities`, () => el("p", {}, names(v))) : names(v))])),
    el("p", { class: "row-end" }, (stage.equations || []).length ? button("Copy LaTeX", () => copyLatex(app, stage), { class: "btn quiet" }) : ""));
}

async function copyLatex(app, stage) {
  const text = stage.equations.map((e) => e.latex).filter(Boolean).join("\n");
  try {
    await navigator.clipboard.writeText(text);
    app.announce("Equations copied as LaTeX");
  } catch {
    app.announce("The browser did not allow copying");
  }
}

const edit = (app, path, value) => app.edit((scenario) => withValue(scenario, ["mechanism", ...path], value));

/** The first parameters; the others are made when they are asked for. */
function parameters(app, stage) {
  const all = stage.parameters || [];
  const rows = all.slice(0, FIRST).map((p) => parameter(app, p));
  const grid = el("div", { class: "param-grid" }, rows.map((r) => r.root));
  const rest = all.length - rows.length;
  let extra = null;
  const more = button(`Show ${rest} more`, () => {
    if (extra) extra.forEach((r) => { r.root.hidden = !r.root.hidden; });
    else {
      extra = all.slice(FIRST).map((p) => parameter(app, p));
      rows.push(...extra);
      extra.forEach((r) => r.sync());
      grid.append(...extra.map((r) => r.root));
    }
    setText(more, extra[0].root.hidden ? `Show ${rest} more` : "Show fewer");
  }, { class: "btn quiet" });
  const root = el("section", { class: "params" }, el("h3", {}, "Parameters"),
    all.length ? grid : el("p", { class: "muted" }, "None of its own."), rest ? more : "");
  return { root, sync: () => rows.forEach((r) => r.sync()) };
}

function parameter(app, p) {
  const { number } = app.format;
  const unit = app.format.unitText(p.unit);
  const name = p.name && p.name !== p.id ? p.name : words(p.id);
  const input = el("input", { type: "number", step: "any", inputmode: "decimal",
    "aria-label": `${name}${unit ? `, ${unit}` : ""}` });
  const message = el("p", { class: "field-error", hidden: true });
  const reset = button("Reset", () => edit(app, ["parameters", p.id], undefined), { class: "btn link", "aria-label": `Reset ${name}` });
  const bounds = Number.isFinite(p.low) && Number.isFinite(p.high);
  const fail = (text) => {
    message.hidden = !text;
    setText(message, text);
    if (text) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
  };
  input.addEventListener("change", () => {
    const value = Number(input.value);
    if (input.value === "" || !Number.isFinite(value)) return fail(`${name} must be a number.`);
    fail("");
    return edit(app, ["parameters", p.id], value === p.value ? undefined : `${input.value}${p.unit ? ` ${p.unit}` : ""}`);
  });
  const outside = el("p", { class: "muted", hidden: true }, "Outside the published range: allowed, but nobody measured it.");
  const sync = () => {
    const own = ((activeScenario(app.store.get()).mechanism || {}).parameters || {})[p.id];
    const now = own === undefined ? p.value : splitQuantity(own).value;
    if (document.activeElement !== input) input.value = own === undefined ? Number(Number(p.value).toPrecision(5)) : now;
    reset.hidden = own === undefined;
    outside.hidden = own === undefined || !bounds || (now >= p.low && now <= p.high);
    const errors = app.errorsFor(`mechanism.parameters.${p.id}`);
    fail(errors.length ? problemText(errors[0]) : "");
  };
  const root = el("div", { class: "param" },
    el("span", { class: "param-name", title: p.note || "" }, name), el("span", { class: "param-value" }, input,
      el("span", { class: "unit" }, unit)), gradeChip(p.grade),
    el("p", { class: "muted param-source" }, bounds ? `${number(p.low)} to ${number(p.high)}, ${words(p.distribution || "range")}. ` : "",
      citeLink(app, p.citation || p.source) || "No source.", " ", reset), outside, message);
  return { root, sync };
}

const countText = (x) => (Array.isArray(x) ? x.length : x || 0);

function evidence(app, stage, row) {
  const seen = stage.observations || {};
  const used = countText(seen.used);
  const held = countText(seen.held_out);
  const lists = [["Used to set the numbers", seen.used], ["Held out", seen.held_out]]
    .filter(([, v]) => Array.isArray(v) && v.length)
    .map(([title, list]) => folded(`${title}, ${list.length}`, () => observationTable(app, title, list)));
  const disputes = (stage.disputes || []).map((d) => el("p", {}, typeof d === "string" ? d : d.text || d.summary, " ",
    [].concat(d.citations || d.citation || []).map((c, i) => [i ? ", " : "", citeLink(app, c)])));
  const options = (stage.options || []).map((o) => {
    const box = choose(o.label || words(o.id), o.choices, (id) =>
      edit(app, ["options", o.id], id === o.default ? undefined : id));
    const note = el("p", { class: "muted" });
    const sync = () => {
      const now = ((activeScenario(app.store.get()).mechanism || {}).options || {})[o.id] || o.default;
      box.set(now);
      const choice = (o.choices || []).find((c) => (c.id || c) === now);
      setText(note, `${(choice && choice.summary) || ""}${now === o.default ? " Default." : ""}`);
    };
    return { root: el("div", {}, box.root, note), sync };
  });
  const root = el("section", {}, el("h3", {}, "Evidence and disputes"),
    el("p", {}, used || held ? `${used} published ${used === 1 ? "observation" : "observations"} used, ${held} held out.`
      : "No published observation of this stage in the tables."),
    lists, disputes, options.map((o) => o.root),
    button("Open in Evidence", () => app.store.set({ view: "evidence",
      evidence: { ...app.store.get().evidence, query: row.id } }, { history: true }), { class: "btn quiet" }));
  return { root, sync: () => options.forEach((o) => o.sync()) };
}

/** What is made only when it is unfolded. */
function folded(title, make) {
  const root = el("details", {}, el("summary", {}, title));
  root.addEventListener("toggle", () => root.append(make()), { once: true });
  return root;
}

function observationTable(app, title, list) {
  const { number, quantity } = app.format;
  const value = (o) => (Number.isFinite(o.value) ? quantity(o.value, o.unit) : String(o.value ?? o.observed ?? "not given"));
  const when = (o) => (Number.isFinite(o.time_h) ? `${number(o.time_h)} h` : "");
  return table(`${title}: published observations`, ["Study", "What", "When", "Value", "Source"], list.slice(0, 40).map((o) =>
    [o.study || o.population || o.id, words(o.variable || o.quantity || ""), when(o), value(o), citeLink(app, o.citation) || "none"]));
}
