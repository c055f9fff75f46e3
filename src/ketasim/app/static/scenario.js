/** The scenario panel: start from, regimen, person, mechanism, setting. */

import { el, put, setText } from "./dom.js";
import { asChoice, choose, problemText, section } from "./widgets.js";
import { activeScenario, withValue } from "./scenariodata.js";
import { mechanism } from "./mechanism.js";
import { person } from "./person.js";
import { regimen } from "./regimen.js";

export function mount(root, app) {
  const { store, meta } = app;
  const change = (path, value, history = true) => app.edit((scenario) => withValue(scenario, path, value), { history });
  const ctx = { app, change, now: () => activeScenario(store.get()), problems: new Map(), told: new Set() };
  const parts = [startFrom(ctx), regimen(ctx), person(ctx), mechanism(ctx), setting(ctx)];
  put(root, parts.map((p) => p.root));
  let active = null;
  const seen = new Map();
  /** Each part is told of what it shows when that has changed: a dragged dose leaves the person alone. */
  const sync = () => {
    const state = store.get();
    const scenario = activeScenario(state);
    if (state.active !== active) seen.clear();
    active = state.active;
    for (const part of parts) {
      const key = JSON.stringify(part.reads(scenario, state)) ?? "";
      if (seen.get(part) === key) continue;
      seen.set(part, key);
      part.sync(scenario, state);
    }
  };
  const offStore = store.subscribe(sync);
  app.on("problem", () => showProblems(ctx));
  app.on("results", () => showProblems(ctx));
  sync();
  showProblems(ctx);
  return offStore;
}

function showProblems(ctx) {
  const found = new Map();
  for (const one of ctx.app.errorsFor("")) {
    const key = [...ctx.problems.keys()].filter((k) => one.path === k || one.path.startsWith(`${k}.`)).sort().pop();
    if (key) found.set(key, problemText(one));
  }
  for (const [key, error] of ctx.problems) if (found.has(key) || ctx.told.has(key)) error(found.get(key) || "");
  ctx.told = new Set(found.keys());
  const refused = ctx.app.problem();
  // What no field here is about (a pinned scenario, a parameter of a closed stage) is said over the chain.
  if (refused?.status === 422 && !found.size) {
    ctx.app.notices.show("refused", { kind: "fail", text: `${refused.title}. ${refused.detail}` });
  } else ctx.app.notices.hide("refused");
}

function startFrom(ctx) {
  const { meta } = ctx.app;
  const presets = meta.presets || [];
  const own = { id: "", name: "Own scenario" };
  const note = el("p", { class: "muted" });
  const box = choose("Start from", [own, ...presets], (id) => {
    const preset = presets.find((p) => p.id === id);
    if (!preset) return;
    ctx.app.replace(preset.scenario, { axis_end_h: preset.axis_end_h });
    ctx.app.announce(`${preset.name} loaded`);
  });
  const sync = (scenario) => {
    const text = JSON.stringify(scenario);
    const match = presets.find((p) => JSON.stringify(p.scenario) === text);
    box.set(match ? match.id : "");
    setText(note, match ? match.note || "" : "");
    note.hidden = !note.textContent;
  };
  return { root: section(null, box.root, note), reads: (scenario) => scenario, sync };
}

function setting(ctx) {
  const { change } = ctx;
  const { meta } = ctx.app;
  const boxes = [["control", "Compared with", meta.controls], ["expectancy", "Expectancy", meta.expectancies],
    ["context", "Where", meta.contexts]].filter((x) => x[2] && x[2].length).map(([id, label, list]) => {
    const box = choose(label, list, (value) => change(["setting", id], value));
    ctx.problems.set(`setting.${id}`, box.error);
    return { id, box };
  });
  const drugs = (meta.comedications || []).map(asChoice);
  const ticks = drugs.map((d) => {
    const input = el("input", { type: "checkbox", value: d.id });
    input.addEventListener("change", () => {
      change(["setting", "comedication"], ticks.filter((t) => t.input.checked).map((t) => t.id));
    });
    return { id: d.id, input, root: el("label", { class: "tick" }, input, " ", d.name) };
  });
  const message = el("p", { class: "field-error", hidden: true });
  ctx.problems.set("setting.comedication", (text) => {
    message.hidden = !text;
    setText(message, text);
  });
  const fold = el("details", {}, el("summary", {}, "Other drugs taken"), ticks.map((t) => t.root), message);
  fold.hidden = !ticks.length;
  const sync = (scenario) => {
    const s = scenario.setting || {};
    boxes.forEach(({ id, box }) => s[id] !== undefined && box.set(s[id]));
    const taken = new Set(s.comedication || []);
    ticks.forEach((t) => { t.input.checked = taken.has(t.id); });
    if (taken.size) fold.open = true;
  };
  return { root: section("Setting", boxes.map((b) => b.box.root), fold), reads: ({ setting: s }) => s, sync };
}
