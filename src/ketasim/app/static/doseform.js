/** The dose as a form: drug, route, amount with slider, length, how often. */

import { el, setAttr, setText } from "./dom.js";
import { choose, field } from "./widgets.js";
import { splitQuantity } from "./scenariodata.js";

const NONE = "none";
const HOURS = { h: 1, min: 60 };
const PER_HOUR = { min: 60, h: 1, d: 1 / 24 };

/** The number of a length of time ("40 min") in the unit of a field. */
export function inUnit(text, unit) {
  const parts = splitQuantity(text);
  return Number(((parts.value / (PER_HOUR[parts.unit] || 1)) * HOURS[unit]).toPrecision(6));
}

/** What the form offers now: the drug, its route, the unit and the length that belong to it. */
function chosen(f) {
  const drug = f.drugs.find((d) => d.id === f.drugId) || f.drugs[0] || { routes: [] };
  const route = drug.routes.find((r) => r.id === f.routeId) || drug.routes[0] || null;
  const units = (route && route.amount && route.amount.units) || [];
  const unit = units.find((u) => u.unit === f.unit.control.value) || units[0] || null;
  return { drug, route, units, unit, duration: (unit && unit.duration) || (route && route.duration) || null };
}

const usual = ({ unit, duration }) => ({ amount: unit ? `${unit.default} ${unit.unit}` : null,
  over: duration ? `${duration.default} ${duration.unit}` : null });

/** The whole form as the server takes it, with some fields replaced. */
function values(f, patch = {}) {
  const base = f.ctx.form() || { every: "once", times: 1 };
  const { drug, route, unit, duration } = chosen(f);
  return { ...base, drug: drug.id, route: route && route.id, amount: unit ? `${f.number.value || unit.default} ${unit.unit}` : null,
    over: duration ? `${f.over.control.value || duration.default} ${duration.unit}` : null, ...patch };
}

/** Lists and ranges for the drug and the route that are chosen. */
function relist(f) {
  const { drug, route, units } = chosen(f);
  f.route.set(route && route.id, drug.routes);
  f.unit.set(units[0] && units[0].unit, units.map((u) => ({ id: u.unit, name: u.unit })));
  ranges(f);
}

function ranges(f) {
  const { unit, duration } = chosen(f);
  f.amount.hidden = !unit;
  f.over.root.hidden = !duration;
  if (duration) setText(f.overUnit, duration.unit);
  if (!unit) return;
  for (const control of [f.slider, f.number]) {
    setAttr(control, "min", unit.low);
    setAttr(control, "max", unit.high);
  }
  setAttr(f.slider, "step", unit.step || "any");
  setText(f.low, `${unit.low}`);
  setText(f.high, `${unit.high}`);
}

function controls(ctx) {
  const { drugs = [], schedules = [] } = ctx.app.meta;
  const entry = (props) => el("input", { type: "number", step: "any", inputmode: "decimal", ...props });
  const f = { ctx, drugs, schedules, drugId: drugs[0] && drugs[0].id, routeId: null,
    note: el("p", { class: "muted" }, "This regimen has parts that the form cannot show. Edit the words or the days."),
    number: entry({ "aria-label": "Amount" }), slider: el("input", { type: "range", "aria-label": "Amount, slider" }),
    overUnit: el("span", { class: "unit" }), low: el("span", { class: "muted" }), high: el("span", { class: "muted" }),
    over: field("Over", entry({ min: 0 })), times: field("Times", entry({ min: 1, step: 1 })) };
  const give = (patch) => ctx.give(values(f, patch));
  f.drug = choose("Drug", [{ id: NONE, name: "no drug" }, ...drugs], (id) => {
    if (id === NONE) return ctx.none();
    Object.assign(f, { drugId: id, routeId: null });
    relist(f);
    return give(usual(chosen(f)));
  });
  f.route = choose("Route", [], (id) => {
    f.routeId = id;
    relist(f);
    give(usual(chosen(f)));
  });
  f.unit = choose("Unit", [], () => {
    f.number.value = chosen(f).unit.default;
    ranges(f);
    give();
  });
  f.often = choose("How often", schedules, (every) =>
    give({ every, times: every === "once" ? 1 : Math.max(2, Number(f.times.control.value) || 4), for: undefined }));
  f.slider.addEventListener("input", () => {
    f.number.value = f.slider.value;
    ctx.drag(`${f.number.value} ${chosen(f).unit.unit}`);
  });
  f.slider.addEventListener("change", () => give());
  f.number.addEventListener("change", () => f.number.value !== "" && give());
  f.over.control.addEventListener("change", () => give());
  f.times.control.addEventListener("change", () => give({ times: Number(f.times.control.value) || 1, for: undefined }));
  return f;
}

/** Show what a regimen says; without a form of it only the note. */
function show(f, answer) {
  const { form } = answer;
  const some = (answer.events || []).length > 0;
  f.note.hidden = Boolean(form) || !some;
  f.body.hidden = !form && some;
  f.rest.hidden = !form;
  if (!form) return f.drug.set(NONE);
  const busy = (control) => document.activeElement === control;
  if (f.drugs.some((d) => d.id === form.drug)) f.drugId = form.drug;
  f.routeId = form.route;
  f.drug.set(f.drugId);
  relist(f);
  const { value, unit } = splitQuantity(form.amount);
  f.unit.set(unit);
  ranges(f);
  if (Number.isFinite(value)) {
    setAttr(f.slider, "max", Math.max(Number(f.number.max), value));
    if (!busy(f.number)) f.number.value = value;
    f.slider.value = value;
    setAttr(f.slider, "aria-valuetext", form.amount);
  }
  const { duration } = chosen(f);
  if (form.over && duration && !busy(f.over.control)) f.over.control.value = inUnit(form.over, duration.unit);
  const listed = f.schedules.some((x) => x.id === form.every);
  f.often.set(form.every, listed ? f.schedules : [...f.schedules, { id: form.every, name: form.every }]);
  if (!busy(f.times.control)) f.times.control.value = form.times || 1;
  f.times.root.hidden = form.every === "once";
  return undefined;
}

/**
 * The form.
 * @param {object} ctx {app, form() the form that is shown, none() for no dose, give(values) on release, drag(amount) while the slider moves}
 * @returns {{root, sync(answer), refuse(name, text), fresh()}} `refuse(null)` clears the messages; `fresh` is a first dose
 */
export function doseForm(ctx) {
  const f = controls(ctx);
  const amountBox = field("Amount", f.number);
  f.amount = el("div", { class: "amount" }, el("div", { class: "row2" }, amountBox.root, f.unit.root), f.slider,
    el("div", { class: "ends" }, f.low, f.high));
  f.over.control.after(f.overUnit);
  f.rest = el("div", {}, f.route.root, f.amount, f.often.root, el("div", { class: "row2" }, f.over.root, f.times.root));
  f.body = el("div", { class: "dose-form" }, f.drug.root, f.rest);
  const boxes = { drug: f.drug, route: f.route, amount: amountBox, over: f.over, every: f.often, times: f.times };
  relist(f);
  return {
    root: el("div", {}, f.note, f.body),
    sync: (answer) => show(f, answer),
    refuse(name, text) {
      if (name === null) Object.values(boxes).forEach((b) => b.error(""));
      else if (boxes[name]) boxes[name].error(text);
      return Boolean(boxes[name]);
    },
    fresh() {
      const { drug, route, unit, duration } = chosen(f);
      return { drug: drug.id, route: route && route.id, amount: unit ? Number(f.number.value || unit.default) : 0,
        unit: unit ? unit.unit : "mg", duration_h: duration ? duration.default / HOURS[duration.unit] : null };
    },
  };
}
