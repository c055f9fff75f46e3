/** The reading panel: the value at the cursor, of 100 people, what a switch changed, supervision rules. */

import { finite } from "./format.js";
import { el, put, setAttr, setText, svg } from "./dom.js";
import { citeLink } from "./citation.js";
import { button } from "./widgets.js";
import { activeScenario, changesOf } from "./scenariodata.js";

const MOOD = "madrs";


/** Value, change from rest and difference to the control of one row at the cursor. */
export function atCursor(app, letter, row = MOOD) {
  const here = app.at(letter, row);
  if (!here) return null;
  const { value } = here;
  const control = app.controlAt(letter, row);
  const rest = app.restOf(letter, row);
  const gap = app.differenceAt(letter, row) || {};
  const other = control ? control.value : null;
  return { value, rest, control: other, band: here, change: finite(rest) ? value - rest : null,
    against: finite(gap.value) ? gap.value : finite(other) ? value - other : null,
    low: finite(gap.q05) ? gap.q05 : null, high: finite(gap.q95) ? gap.q95 : null };
}

/** A difference as it is said: no finer than the value beside it. */
const gap = (format, difference, value) => format.signed(Number(difference.toFixed(Math.abs(value) < 10 ? 2 : 1)));

const countOf = (rules, state) => rules.filter((r) => r.state === state).length;

/** The name of the control in a sentence. */
const controlName = (result) => {
  const c = result && result.control;
  return !c || c.id === "none" ? null : c.name;
};

/** The reading in one line, for the phone and for the live region. */
export function summary(app) {
  const letter = app.store.get().active;
  const result = app.resultOf(letter);
  const at = atCursor(app, letter);
  if (!result || !at) return { value: "", change: "", rules: "", fails: 0, warns: 0, sentence: "" };
  const { number } = app.format;
  const fails = countOf(result.rules || [], "fail");
  const warns = countOf(result.rules || [], "warn");
  const name = controlName(result);
  const change = name && at.against !== null ? `${gap(app.format, at.against, at.value)} against ${name}`
    : at.change !== null ? `${gap(app.format, at.change, at.value)} from baseline` : "";
  const rules = fails ? `${fails} ${fails === 1 ? "rule fails" : "rules fail"}`
    : warns ? `${warns} ${warns === 1 ? "rule warns" : "rules warn"}` : "no rule fails";
  const value = `${number(at.value)} MADRS`;
  return { value, change, rules, fails, warns, sentence: [value, change, rules].filter(Boolean).join(", ") };
}

/** The rows that a switch changed most: distance from rest with and without, biggest share of the row first. */
export function largestChanges(now, before, rows, count = 3) {
  const reach = (result, id) => {
    const s = result.series[id];
    const rest = result.rest && result.rest[id];
    if (!s || !finite(rest)) return null;
    let best = 0;
    for (const list of [s.lo || [], s.hi || [], s.mid || []]) {
      for (const v of list) if (finite(v) && Math.abs(v - rest) > Math.abs(best)) best = v - rest;
    }
    return best;
  };
  const found = rows.map((row) => {
    const a = reach(before, row.id);
    const b = reach(now, row.id);
    const span = row.range ? Math.abs(row.range[1] - row.range[0]) : 1;
    return a === null || b === null ? null : { row, before: a, now: b, size: Math.abs(a - b) / (span || 1) };
  });
  return found.filter((x) => x && x.size > 0.005).sort((a, b) => b.size - a.size).slice(0, count);
}

/** `draw` of what `read` gives, only when that is not the same as before: most moves of a slider leave most of it. */
function whenNew(read, draw) {
  let before = null;
  return () => {
    const now = read();
    const key = JSON.stringify(now);
    if (key !== before) draw(now);
    before = key;
  };
}

export function mount(root, app) {
  const parts = [head(app), switched(app), hundred(app), rules(app), notes(app)];
  put(root, parts.map((p) => p.root));
  const all = () => parts.forEach((p) => p.draw());
  app.on("results", all);
  app.store.subscribe((now, before) => {
    if (now.active !== before.active || now.scenarios !== before.scenarios) all();
    else if (now.tau_h !== before.tau_h || now.axis !== before.axis) parts[0].draw();
  });
  all();
}

function head(app) {
  const time = el("p", { class: "muted" });
  const value = el("span", { class: "headline" });
  const unit = el("span", { class: "unit" });
  const change = el("p", { class: "change" });
  const others = el("p", { class: "muted others" });
  const scale = moodScale();
  const root = el("section", { class: "panel read-head" }, time, el("p", { class: "big" }, value, " ", unit), change,
    scale.root, others);
  const read = () => {
    const { active, scenarios, tau_h: tau } = app.store.get();
    const dose = app.dose();
    const others = scenarios.filter((s) => s.letter !== active).map((s) => [s.letter, atCursor(app, s.letter)?.value]);
    return { words: app.format.timeWords(tau, (dose && dose.index) || 1), at: atCursor(app, active), others,
      name: controlName(app.resultOf(active)) };
  };
  const draw = ({ words, at, others: rest, name }) => {
    const { number, range, sentence } = app.format;
    setText(time, words.startsWith("at ") ? sentence(words) : `At ${words}`);
    if (!at) {
      setText(value, "…");
      setText(unit, "MADRS");
      return;
    }
    setText(value, number(at.value));
    setText(unit, "MADRS");
    const bits = [];
    if (at.change !== null) bits.push(el("b", {}, gap(app.format, at.change, at.value)), " from baseline");
    if (name && at.against !== null) {
      bits.push(bits.length ? " and " : "", el("b", {}, gap(app.format, at.against, at.value)), ` against ${name}`);
      if (finite(at.low) && finite(at.high)) bits.push(` (90 % range ${range(at.low, at.high)})`);
    }
    put(change, bits, bits.length ? "." : "");
    scale.draw(at);
    const told = rest.filter(([, v]) => finite(v)).map(([letter, v]) => `${letter} ${number(v)}`);
    setText(others, told.length ? `At the same time: ${told.join(", ")}.` : "");
    others.hidden = !told.length;
  };
  return { root, draw: whenNew(read, draw) };
}

/** MADRS 0 to 60 as a line with the value, the control and the baseline. */
function moodScale() {
  const x = (v) => 6 + (Math.max(0, Math.min(60, v)) / 60) * 240;
  const dot = svg("circle", { r: 5, cy: 22, class: "mood-dot" });
  const other = svg("circle", { r: 4.5, cy: 22, class: "mood-control" });
  const base = svg("line", { y1: 14, y2: 30, class: "mood-base" });
  const baseText = svg("text", { y: 10, "text-anchor": "middle" }, "baseline");
  const band = svg("rect", { y: 19, height: 6, class: "mood-band" });
  const drawing = svg("svg", { viewBox: "0 0 252 46", class: "mood-scale", role: "img" },
    svg("rect", { x: x(0), y: 19, width: x(60) - x(0), height: 6, rx: 3, class: "track" }),
    svg("rect", { x: x(0), y: 19, width: x(10) - x(0), height: 6, rx: 3, class: "mood-remission" }),
    band, base, baseText, other, dot,
    [0, 10, 20, 40, 60].map((v) => svg("text", { x: x(v), y: 42, "text-anchor": "middle" }, String(v))));
  const draw = (at) => {
    setAttr(dot, "cx", x(at.value));
    setAttr(other, "visibility", at.control === null ? "hidden" : "visible");
    if (at.control !== null) setAttr(other, "cx", x(at.control));
    const has = finite(at.rest);
    for (const n of [base, baseText]) setAttr(n, "visibility", has ? "visible" : "hidden");
    if (has) {
      setAttr(base, "x1", x(at.rest));
      setAttr(base, "x2", x(at.rest));
      setAttr(baseText, "x", Math.min(222, Math.max(26, x(at.rest))));
    }
    const b = at.band || {};
    const wide = finite(b.q05) && finite(b.q95);
    setAttr(band, "visibility", wide ? "visible" : "hidden");
    if (wide) {
      setAttr(band, "x", x(b.q05));
      setAttr(band, "width", Math.max(0, x(b.q95) - x(b.q05)));
    }
    const control = at.control === null ? "" : `, control ${Math.round(at.control)}`;
    setAttr(drawing, "aria-label", `MADRS ${Math.round(at.value)} of 60${control}` +
      `${has ? `, baseline ${Math.round(at.rest)}` : ""}. Remission is 10 or less.`);
  };
  return { root: drawing, draw };
}

function switched(app) {
  const list = el("ul", { class: "plain" });
  const lead = el("p", {});
  const seen = el("div", { class: "probe" });
  const root = el("section", { class: "panel", hidden: true }, el("h2", {}, "What the switch changed"), lead, list, seen);
  let asked = "";
  const draw = () => {
    const scenario = activeScenario(app.store.get());
    const m = scenario.mechanism || {};
    const off = changesOf(m, app.meta);
    root.hidden = !off.length;
    if (!off.length) return;
    setText(lead, `${off.map((c) => c.text).join("; ")}. The dotted lines show the chain before.`);
    const now = app.resultOf(app.store.get().active);
    const before = app.ghost && app.ghost();
    const { signed, unitText } = app.format;
    const found = now && before ? largestChanges(now, before, app.meta.rows) : [];
    put(list, found.map((f) => {
      const unit = unitText ? unitText(f.row.unit) : f.row.unit;
      const far = (v) => `${signed(v)}${unit ? ` ${unit}` : ""}`;
      return el("li", {}, el("b", {}, f.row.name), Math.abs(f.now) < Math.abs(f.before) / 100 ? " stays at rest" :
        ` moves by ${far(f.now)} at most`, `; with nothing changed it moves by ${far(f.before)}.`);
    }));
    if (now && before && !found.length) put(list, el("li", {}, "Nothing moves by more than half a hundredth of its row."));
    probes(m);
  };
  const probes = async (m) => {
    const ids = Object.entries(m.switches || {}).filter(([, share]) => share < 1).map(([id]) => id);
    const key = ids.join();
    if (key === asked) return;
    asked = key;
    put(seen);
    const queries = (app.meta.switches || []).filter((s) => ids.includes(s.id) && s.probe);
    for (const s of queries) {
      const answer = await app.api.get(`/evidence?query=${encodeURIComponent(s.probe)}`).catch(() => null);
      if (key !== asked || !answer) return;
      put(seen, el("h3", {}, "Published for this probe"), el("ul", { class: "plain" },
        (answer.rows || []).slice(0, 4).map((r) => el("li", {}, probeText(r, app.format)))),
        (answer.rows || []).length ? null : el("p", { class: "muted" }, "No published result in the tables."));
    }
    if (!queries.length) put(seen, el("p", { class: "muted" }, "No published result for this change in the tables."));
  };
  return { root, draw };
}

const show = (v, format) => (finite(v) ? format.number(v) : v === null || v === undefined ? "none" : String(v));

/** A scoreboard row as a sentence. */
export function probeText(r, format) {
  const what = `${r.study}: ${String(r.quantity).replace(/_/g, " ")}${r.arm ? `, ${r.arm}` : ""}`;
  const verdict = r.hit === null || r.hit === undefined ? "" : r.hit ? " Hit." : " Miss.";
  return `${what}, seen ${show(r.observed, format)}, model ${show(r.predicted, format)}.${verdict}`;
}

/** The sentence under the rates: how many more respond, for how many treated; how many more harmed. */
export function rateSentence(per, nnt, control, format) {
  if (!per) return "";
  const get = (id) => per.items.find((i) => i.id === id);
  const r = get("response");
  const d = get("dissociation");
  const gap = (i) => (i && finite(i.control) ? i.value - i.control : null);
  const more = (n, verb) => `${ofHundred(Math.abs(n))} ${n < 0 ? "fewer" : "more"} ${verb}`;
  const parts = [];
  if (gap(r) !== null) {
    const one = nnt && finite(nnt.value)
      ? `, which is one for every ${format.number(nnt.value, 2)} treated` +
        (finite(nnt.low) && finite(nnt.high) ? ` (range ${format.range(nnt.low, nnt.high, 2)})` : "")
      : "";
    parts.push(`Against ${control}, of 100 people ${more(gap(r), "respond")}${gap(r) > 0 ? one : ""}`);
  }
  if (gap(d) !== null) parts.push(`${more(gap(d), "dissociate")}`);
  return parts.length ? `${parts.join("; ")}.` : "";
}

function hundred(app) {
  const title = el("h2", {});
  const who = el("p", { class: "muted" });
  const rows = el("div", { class: "rates" });
  const line = el("p", {});
  const root = el("section", { class: "panel" }, title, who, rows, line);
  let kept = null;
  /** The counts of this scenario, or its last ones until it is counted again. */
  const read = () => {
    const letter = app.store.get().active;
    const result = app.resultOf(letter);
    const fresh = result && result.per_100;
    if (fresh) kept = { letter, per: fresh, nnt: result.nnt || fresh.nnt };
    else if (kept && kept.letter !== letter) kept = null;
    return { kept, result: Boolean(result), fresh: Boolean(fresh), name: controlName(result) };
  };
  const toEvidence = button("uncalibrated, see the scoreboard", () => app.store.set({ view: "evidence" }, { history: true }), { class: "btn link" });
  const draw = ({ result, fresh, name }) => {
    const per = kept && kept.per;
    put(title, "Of 100 such people", el("span", { class: "muted light" },
      per ? ` by day ${Math.round(per.horizon_h / 24)}` : ""));
    if (!per) {
      setText(who, result ? "Counting in virtual people…" : "");
      put(rows);
      setText(line, "");
      return;
    }
    put(who, fresh ? [`${per.people} virtual ${per.who || "people"}`, per.calibrated === false ? ["; ", toEvidence] : "", "."]
      : "For the scenario before; counting again…");
    const group = (kind, head) => {
      const items = per.items.filter((i) => i.kind === kind);
      return items.length ? [el("h3", {}, head), items.map((i) => rate(i, name, app.format))] : [];
    };
    put(rows, group("benefit", "Benefit"), group("harm", "Harm, on any dosing day"),
      name && el("p", { class: "legend muted" }, svg("svg", { viewBox: "0 0 10 10", class: "key" },
        svg("circle", { cx: 5, cy: 5, r: 4, class: "dot-on" })), "this scenario", svg("svg", { viewBox: "0 0 10 10", class: "key" },
        svg("circle", { cx: 5, cy: 5, r: 3.4, class: "dot-control" })), name));
    setText(line, rateSentence(per, kept.nnt, name || "no control", app.format));
  };
  return { root, draw: whenNew(read, draw) };
}

/** A count of 100 people: whole from 10 on, one decimal below. */
export function ofHundred(v) {
  if (v >= 9.95 || v === 0) return String(Math.round(v));
  return v < 0.05 ? "<0.1" : String(Number(v.toFixed(1)));
}

function rate(item, control, format) {
  const x = (v) => 5 + (v / 100) * 110;
  const kind = item.kind === "benefit" ? "benefit" : "harm";
  const has = control && finite(item.control);
  const drawing = svg("svg", { viewBox: "0 0 120 20", class: `rate ${kind}`, "aria-hidden": "true" },
    svg("line", { x1: x(0), x2: x(100), y1: 10, y2: 10, class: "rail-line" }),
    finite(item.low) && svg("line", { x1: x(item.low), x2: x(item.high), y1: 10, y2: 10, class: "rate-range" }),
    has && svg("circle", { cx: x(item.control), cy: 10, r: 3.6, class: "dot-control" }),
    svg("circle", { cx: x(item.value), cy: 10, r: 4, class: "dot-on" }));
  const n = ofHundred;
  const spread = finite(item.low) ? ` Range ${format.range(item.low, item.high, 2)}.` : "";
  return el("div", { class: "rate-row", title: `${item.name}: ${n(item.value)} of 100.${spread}` },
    el("span", { class: item.name.length > 16 ? "long" : null }, item.name), drawing,
    el("span", { class: "num" }, el("b", {}, n(item.value)), has ? el("span", { class: "muted" }, ` vs ${n(item.control)}`) : ""));
}

const ORDER = { fail: 0, warn: 1, unknown: 2, pass: 3 };
const WORD = { fail: "Fails", warn: "Warns", unknown: "Not known", pass: "Passes" };

/** The mark of a rule: shape and word say the state, colour only repeats it. */
export function mark(state) {
  const shapes = {
    fail: [svg("path", { d: "M5 1h6l4 4v6l-4 4H5l-4-4V5z" }), svg("path", { d: "M5.5 5.5l5 5m0-5l-5 5" })],
    warn: [svg("path", { d: "M8 1.5l7 13H1z" }), svg("path", { d: "M8 6v4m0 1.6v1" })],
    pass: [svg("circle", { cx: 8, cy: 8, r: 7 }), svg("path", { d: "M4.8 8.2l2.2 2.3 4.2-4.6" })],
    unknown: [svg("circle", { cx: 8, cy: 8, r: 7, "stroke-dasharray": "2 2" }), svg("path", { d: "M5 8h6" })],
  };
  return svg("svg", { viewBox: "0 0 16 16", class: `mark ${state}`, "aria-hidden": "true" }, shapes[state] || shapes.unknown);
}

function rules(app) {
  const title = el("h2", {});
  const list = el("ul", { class: "rules" });
  const root = el("section", { class: "panel" }, title, list);
  const read = () => app.resultOf(app.store.get().active)?.rules ?? null;
  const draw = (given) => {
    const all = (given || []).filter((r) => ORDER[r.state] !== undefined);
    const counts = ["pass", "warn", "fail"].map((s) => countOf(all, s));
    put(title, "Supervision rules", el("span", { class: "muted light" }, all.length
      ? ` ${counts[0]} pass, ${counts[1]} warn, ${counts[2]} fail` : ""));
    const open = all.filter((r) => r.state === "fail" || r.state === "warn")
      .sort((a, b) => ORDER[a.state] - ORDER[b.state]);
    const group = (state, lead) => {
      const some = all.filter((r) => r.state === state);
      if (!some.length) return null;
      const names = some.map((r) => r.title || r.id);
      const fold = el("details", {}, el("summary", {}, `${some.length} ${lead}: ${names.slice(0, 4).join(", ")}` +
        `${names.length > 4 ? ` and ${names.length - 4} more` : ""}.`),
      el("ul", { class: "plain" }, some.map((r) => el("li", {}, ruleText(r, app), " ", source(r, app)))));
      return el("li", { class: state }, mark(state), fold);
    };
    put(list, open.map((r) => el("li", { class: r.state }, mark(r.state), el("p", {},
      el("b", {}, `${WORD[r.state]}: ${r.title || r.id}. `), ruleText(r, app), " ", source(r, app)))),
    group("unknown", "cannot be judged"), group("pass", "pass"),
    given && !all.length && el("li", {}, el("p", { class: "muted" }, "No rule speaks about this regimen.")));
  };
  return { root, draw: whenNew(read, draw) };
}

function ruleText(r, app) {
  if (r.message) return /[.!?]$/.test(r.message) ? r.message : `${r.message}.`;
  const { quantity } = app.format;
  if (finite(r.value) && finite(r.limit)) return `${quantity(r.value, r.unit)}; the limit is ${quantity(r.limit, r.unit)}.`;
  return "No figure is known.";
}

function source(r, app) {
  const id = el("span", { class: "muted" }, `Rule ${r.id}${r.source ? ", " : ""}`);
  return r.source ? el("span", {}, id, citeLink(app, r.source)) : id;
}

function notes(app) {
  const list = el("ul", { class: "plain muted" });
  const root = el("section", { class: "panel" }, el("p", { class: "muted" },
    app.meta.disclaimer || "For research and teaching. Not for treating a person."), list);
  const read = () => app.resultOf(app.store.get().active)?.notes ?? [];
  return { root, draw: whenNew(read, (all) => put(list, all.map((n) => el("li", {}, n)))) };
}
