/** The Compare table: every measure of each pinned scenario, and its ratio or difference to A. */

import { finite } from "./format.js";
import { el, put } from "./dom.js";
import { button, dialog, table } from "./widgets.js";


/** The measures of all results in the order of the first, each with one cell a letter. */
export function compareRows(results, format) {
  const letters = [...results.keys()];
  const first = letters[0];
  const order = [];
  for (const letter of letters) {
    for (const m of results.get(letter).metrics || []) if (!order.some((o) => o.id === m.id)) order.push(m);
  }
  const of = (letter, id) => (results.get(letter).metrics || []).find((m) => m.id === id);
  return order.map((measure) => {
    const a = of(first, measure.id);
    const cells = letters.map((letter) => {
      const m = of(letter, measure.id);
      if (!m || !finite(m.value)) return { letter, text: m && m.reason ? m.reason : "not computed", against: "" };
      const known = finite(m.low) && finite(m.high) && format.number(m.low) !== format.number(m.high);
      const range = known ? ` (${format.range(m.low, m.high)})` : "";
      return { letter, text: `${format.number(m.value)}${range}`, against: letter === first ? "" : against(a, m, format) };
    });
    return { id: measure.id, name: measure.name || measure.id.replace(/_/g, " "), unit: measure.unit, cells };
  });
}

function against(a, b, format) {
  if (!a || !finite(a.value)) return "A has no value";
  if (b.compare === "ratio") {
    return a.value === 0 ? "no ratio, A is 0" : `${format.number(b.value / a.value)} ×`;
  }
  return format.signed(b.value - a.value);
}

export function open(app) {
  let off = () => {};
  const { body, close } = dialog("Compare", { class: "wide", onClose: () => off() });
  let shown = "";
  const draw = () => {
    const state = app.store.get();
    const results = new Map();
    for (const s of state.scenarios) {
      const r = app.resultOf(s.letter);
      if (r) results.set(s.letter, r);
    }
    if (!results.size) {
      put(body, el("p", {}, "No result yet."));
      return;
    }
    const letters = [...results.keys()];
    const rows = compareRows(results, app.format);
    const head = ["Measure", "Unit", ...letters.flatMap((l, i) => (i ? [l, `${l} against ${letters[0]}`] : [l]))];
    const cells = rows.map((r) => [r.name, app.format.unitText(r.unit) || "",
      ...r.cells.flatMap((c, i) => (i ? [c.text, c.against] : [c.text]))]);
    const key = JSON.stringify(cells);
    if (key === shown) return;
    shown = key;
    put(body, el("dl", { class: "letters" }, letters.map((l) => [el("dt", {}, l),
      el("dd", {}, results.get(l).sentence || "")])),
    table("Measures of each scenario, with ratios or differences", head, cells),
    el("p", { class: "muted" }, "Ratios for exposure and peaks, differences for scores. Ranges are those of the band " +
      "chosen above the chain. “Not computed” means that the scenario has no such number."),
    letters.length === 1 && el("p", { class: "muted" }, "Pin a second scenario to see ratios."),
    el("p", { class: "row-end start" }, button("Copy as text", () => copyText(app, [head, ...cells].map((r) => r.join("\t")).join("\n"))),
      button("Use in a trial", () => {
        close();
        app.store.set({ view: "trial" }, { history: true });
      })));
  };
  draw();
  off = app.on("results", draw);
}

async function copyText(app, text) {
  try {
    await navigator.clipboard.writeText(text);
    app.announce("Table copied");
  } catch {
    app.announce("The browser did not allow copying");
  }
}
