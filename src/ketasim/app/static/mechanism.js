/** Mechanism: the wiring, switches with partial values, and what else is not as default. */

import { el, put, setText } from "./dom.js";
import { button, choose, section } from "./widgets.js";
import { changesOf, defaultWiring } from "./scenariodata.js";

/** The Mechanism part of the panel. */
export function mechanism(ctx) {
  const { app, change } = ctx;
  const { meta } = app;
  const note = el("p", { class: "muted" });
  const wiring = choose("Wiring", meta.wirings || [], (id) => change(["mechanism", "wiring"], id));
  ctx.problems.set("mechanism.wiring", wiring.error);
  const rows = (meta.switches || []).map((s) => switchRow(ctx, s));
  const all = button("All as default", () => {
    change(["mechanism"], { wiring: defaultWiring(meta), switches: {}, options: {}, parameters: {} });
    app.announce("Mechanism as default");
  });
  const changed = el("ul", { class: "changed" });
  const sync = (scenario) => {
    const m = scenario.mechanism || {};
    const id = m.wiring || defaultWiring(meta);
    wiring.set(id);
    const w = (meta.wirings || []).find((x) => x.id === id);
    setText(note, (w && w.summary) || "");
    rows.forEach((r) => r.sync((m.switches || {})[r.id] ?? 1));
    const list = changesOf(m, meta);
    all.disabled = !list.length;
    put(changed, list.filter((c) => c.path[0] === "parameters" || c.path[0] === "options").map((c) =>
      el("li", {}, c.text, " ", button("Reset", () => change(["mechanism", ...c.path], c.value), { class: "btn link",
        "aria-label": `Reset ${c.text}` }))));
    changed.hidden = !changed.childElementCount;
  };
  const root = section("Mechanism", wiring.root, note, el("div", { class: "switches" }, rows.map((r) => r.root)),
    changed, all);
  return { root, reads: (scenario) => scenario.mechanism, sync };
}

function switchRow(ctx, s) {
  const give = (share) => ctx.change(["mechanism", "switches", s.id], share === 1 ? undefined : share);
  let share = 1;
  let held = 0;
  let long = false;
  const knob = el("button", { type: "button", class: "switch", role: "switch", "data-switch": s.id },
    el("i", { "aria-hidden": "true" }), el("span", {}, s.name));
  const part = el("input", { type: "number", min: 0, max: 100, step: 5, "aria-label": `${s.name}, percent left on`,
    inputmode: "numeric" });
  const release = () => clearTimeout(held);
  knob.addEventListener("pointerdown", () => {
    long = false;
    held = setTimeout(() => { long = true; part.focus(); part.select(); }, 500);
  });
  for (const type of ["pointerup", "pointerleave", "pointercancel"]) knob.addEventListener(type, release);
  knob.addEventListener("click", () => {
    if (!long) give(share > 0 ? 0 : 1);
    long = false;
  });
  part.addEventListener("change", () => {
    const value = Number(part.value);
    if (part.value === "" || !(value >= 0 && value <= 100)) part.value = Math.round(share * 100);
    else give(value / 100);
  });
  const sync = (value) => {
    share = value;
    knob.setAttribute("aria-checked", String(value > 0));
    const partly = value > 0 && value < 1;
    knob.classList.toggle("partly", partly);
    knob.setAttribute("aria-label", partly ? `${s.name}, ${Math.round(value * 100)} % on` : s.name);
    if (document.activeElement !== part) part.value = Math.round(value * 100);
  };
  return { id: s.id, sync,
    root: el("div", { class: "switch-row" }, knob, el("span", { class: "part" }, part, el("span", { class: "unit" }, "%"))) };
}
