/** Who is treated: one person with fields, or a shipped baseline table. */

import { el, setText } from "./dom.js";
import { button, choose, field, section, segmented } from "./widgets.js";
import { personText, splitQuantity } from "./scenariodata.js";

/** The Person part of the panel. */
export function person(ctx) {
  const { app, change, now } = ctx;
  const fields = app.meta.person_fields || [];
  const populations = app.meta.populations || [];
  const first = (populations.find((p) => p.id === "mdd_trials") || populations[0] || { id: null }).id;
  const kind = segmented("Who is treated", [{ id: "one", name: "One person" }, { id: "many", name: "Population" }],
    (id) => change(["population"], id === "one" ? null : first));
  const text = el("span", {});
  const edit = button("Edit", () => {
    form.hidden = !form.hidden;
    setText(edit, form.hidden ? "Edit" : "Done");
    edit.setAttribute("aria-expanded", String(!form.hidden));
  }, { class: "btn link", "aria-expanded": "false" });
  const summary = el("p", { class: "person-text" }, text, " ", edit);
  const setters = [];
  const form = el("div", { class: "grid2", hidden: true }, fields.map((f) => {
    const one = personField(f, (value) => change(["person", f.id], value));
    ctx.problems.set(`person.${f.id}`, one.error);
    setters.push((p) => one.show(p[f.id] === undefined ? f.default : p[f.id]));
    return one.root;
  }));
  const pop = choose("Baseline table", populations, (id) => change(["population"], id));
  ctx.problems.set("population", pop.error);
  const popNote = el("p", { class: "muted" });
  const sync = (scenario) => {
    const many = Boolean(scenario.population);
    kind.set(many ? "many" : "one");
    pop.root.hidden = popNote.hidden = !many;
    summary.hidden = many;
    if (many) form.hidden = true;
    if (many) {
      pop.set(scenario.population);
      const p = populations.find((x) => x.id === scenario.population);
      setText(popNote, `${(p && p.note) || ""}. Curves are of this table's typical person, and people are drawn from it.`);
    }
    setText(text, personText(scenario.person || {}, fields));
    setters.forEach((s) => s(scenario.person || now().person || {}));
  };
  return { root: section("Person", kind.root, pop.root, popNote, summary, form), reads: (s) => [s.person, s.population], sync };
}

function personField(f, give) {
  if (f.choices) {
    const box = choose(f.label, f.choices, give);
    box.control.title = f.note || "";
    return { root: box.root, error: box.error, show: (v) => box.set(v) };
  }
  const control = el("input", { type: "number", min: f.low, max: f.high, step: f.step || "any",
    inputmode: "decimal" });
  const range = Number.isFinite(f.low) ? `${f.low} to ${f.high}` : "";
  const box = field(f.unit ? `${f.label}, ${f.unit}` : f.label, control);
  control.title = [range, f.note].filter(Boolean).join("; ");
  control.addEventListener("change", () => {
    const value = Number(control.value);
    if (control.value === "" || !(value >= f.low && value <= f.high)) {
      box.error(`${f.label} must lie between ${f.low} and ${f.high}${f.unit ? ` ${f.unit}` : ""}.`);
      return;
    }
    box.error("");
    give(f.text ? `${value} ${f.unit}` : value);
  });
  const show = (v) => {
    if (document.activeElement === control) return;
    const value = typeof v === "number" ? v : splitQuantity(v).value;
    control.value = Number.isFinite(value) ? value : "";
    box.error("");
  };
  return { root: box.root, error: box.error, show };
}
