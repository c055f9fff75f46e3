/** The design of a long run: arms from the scenarios on show, a published trial or a study file; or many people. */

import { el, put, setText } from "./dom.js";
import { button, choose, field, problemText, segmented } from "./widgets.js";
import { withValue, words } from "./scenariodata.js";

const METHODS = [{ id: "mmrm", name: "MMRM" }, { id: "ancova", name: "ANCOVA" }, { id: "responder", name: "Response" },
  { id: "remission", name: "Remission" }];
const BLINDING = [{ id: "double_blind", name: "Double blind" }, { id: "open_label", name: "Open label" }];
const DEFAULTS = { kind: "trial", source: "pins", name: "", n: "100", control: true, visits: "", drop_out: "15 %",
  blinding: "double_blind", method: "mmrm", time: "", alpha: "0.05", replicates: "200", seed: "1", people: "1000", study: "",
  study_text: "", left_out: [] };

const limitOf = (app, id) => ((app.meta.limits || []).find((l) => l.id === id) || {}).value;
const formOf = (app) => ({ ...DEFAULTS, ...((app.store.get().trial || {}).form || {}) });
const listOf = (text) => String(text).split(/[,;]/).map((t) => t.trim()).filter(Boolean);

/** The control of a scenario: a trial has one, that of its first arm. */
const controlOf = (scenario) => (scenario && scenario.setting && scenario.setting.control) || "midazolam";

/** The body of POST /jobs for a design. `scenarios`: [{letter, scenario}]. */
export function requestOf(form, scenarios) {
  const seed = Number(form.seed);
  const name = form.name ? { name: form.name } : {};
  if (form.kind === "population") {
    return { kind: "population", scenario: scenarios[0].scenario, n: Number(form.people), seed, ...name };
  }
  const base = { kind: "trial", replicates: Number(form.replicates), seed, ...name };
  if (form.source === "study") return { ...base, study: form.study, ...(form.n ? { n: Number(form.n) } : {}) };
  if (form.source === "text") return { ...base, study_text: form.study_text };
  const n = listOf(form.n).map(Number);
  const visits = listOf(form.visits);
  const design = { n: n.length > 1 ? n : n[0], control: form.control, drop_out: form.drop_out, blinding: form.blinding,
    primary: { method: form.method, quantity: "madrs", ...(form.time ? { time: form.time } : {}) }, alpha: Number(form.alpha) };
  if (visits.length) design.visits = visits;
  const arms = scenarios.filter((s) => !form.left_out.includes(s.letter)).map((s) => s.scenario);
  return { ...base, scenarios: arms.map((a) => withValue(a, ["setting", "control"], controlOf(arms[0]))), design };
}

function change(app, more) {
  const { trial } = app.store.get();
  app.store.set({ trial: { ...trial, form: { ...formOf(app), ...more } } });
}

function inputs(app) {
  const text = (id, label, props = {}) => {
    const box = field(label, el("input", { type: "text", autocomplete: "off", ...props }));
    box.control.addEventListener("change", () => change(app, { [id]: box.control.value.trim() }));
    return [id, box];
  };
  const number = (id, label, min, max, step = 1) => text(id, label, { type: "number", min, max, step, inputmode: "decimal" });
  return Object.fromEntries([text("name", "Name of the run"), text("n", "People an arm"),
    text("visits", "Visits", { placeholder: "from the regimen" }), text("drop_out", "Leave by the last visit"),
    text("time", "Primary at", { placeholder: "last visit" }), number("alpha", "Alpha", 0.001, 0.5, "any"),
    number("replicates", "Trials", 1, limitOf(app, "trial_replicates")), number("seed", "Seed", 0, 2 ** 31), number("people", "People", 10, limitOf(app, "population_people"))]);
}

function lists(app) {
  const give = (id) => (value) => change(app, { [id]: value });
  const studies = (app.meta.studies || []).map((s) => ({ id: s.id || s, name: s.title || s.id || s }));
  const sources = [{ id: "pins", name: "Scenarios on show" }, studies.length && { id: "study", name: "A published trial" },
    { id: "text", name: "A study file" }].filter(Boolean);
  return { source: choose("Design from", sources, give("source")), blinding: choose("Blinding", BLINDING, give("blinding")),
    study: choose("Published trial", [{ id: "", name: "Choose one" }, ...studies], give("study")),
    method: choose("Primary analysis", METHODS, give("method")) };
}

/** A study file: chosen from this computer or pasted; its text is sent, never its name or path. */
function fileParts(app) {
  const file = field("Study file (YAML)", el("input", { type: "file", accept: ".yaml,.yml,text/yaml" }));
  const text = field("or paste it", el("textarea", { rows: 5, spellcheck: "false" }));
  text.control.addEventListener("change", () => change(app, { study_text: text.control.value }));
  file.control.addEventListener("change", async () => {
    const [one] = file.control.files;
    if (!one) return;
    const most = limitOf(app, "study_text");
    const big = one.size > most;
    file.error(big ? `The file has ${Math.round(one.size / 1000)} kB; ${most / 1000} kB are allowed. Run it with: ketasim run ${one.name}` : "");
    if (!big) change(app, { study_text: await one.text() });
  });
  return { root: el("div", {}, file.root, text.root), text };
}

function armCard(app, s, form) {
  const result = app.resultOf(s.letter);
  const tick = el("input", { type: "checkbox", checked: !form.left_out.includes(s.letter), on: { change: () => {
    const others = formOf(app).left_out.filter((l) => l !== s.letter);
    change(app, { left_out: tick.checked ? others : [...others, s.letter] });
  } } });
  const fails = ((result && result.rules) || []).filter((r) => r.state === "fail").length;
  return el("label", { class: "arm-card" }, tick, el("span", {}, el("b", {}, `${s.letter} `), s.scenario.regimen,
    el("span", { class: "muted block" }, s.scenario.population ? `from ${words(s.scenario.population)}` : "people like this person",
      fails ? `; fails ${fails} supervision ${fails === 1 ? "rule" : "rules"}` : "")));
}

/** Messages at the fields that they are about; what has no field stands above the button. */
function refuse(d, problem, kind = "trial") {
  const boxes = { ...d.fields, ...d.lists, study_text: d.file.text };
  if (kind === "population") boxes.n = boxes.people;
  Object.values(boxes).forEach((b) => b.error(""));
  d.message.hidden = !problem;
  if (!problem) return;
  const left = [];
  for (const one of problem.errors || []) {
    const keys = String(one.path || "").split("/").filter((k) => k && k !== "body" && k !== "design");
    const box = boxes[keys[0] === "primary" ? keys[1] || "time" : keys[0]];
    if (box) box.error(problemText(one));
    else left.push(problemText({ ...one, detail: "" }));
  }
  const own = String(problem.detail || problem.message).replace(/^scenarios\.(\d+)\.([\w.]+): /, (_, i, path) =>
    `Arm ${"ABCD"[i] || Number(i) + 1}, ${words(path).replace(/\./g, ", ")}: `);
  const all = [problem.status === 429 ? `The queue is full. ${own}` : own, ...left];
  setText(d.message, all.filter((t, i) => t && !all.slice(0, i).some((u) => u.includes(t))).join(" "));
}

function sync(app, d) {
  const form = formOf(app);
  const trial = form.kind === "trial";
  const { scenarios } = app.store.get();
  const fill = (control, value) => document.activeElement !== control && (control.value = value);
  d.kind.set(form.kind);
  for (const [id, list] of Object.entries(d.lists)) list.set(form[id]);
  for (const [id, box] of Object.entries(d.fields)) fill(box.control, form[id]);
  fill(d.file.text.control, form.study_text);
  d.control.checked = form.control;
  d.trial.hidden = !trial;
  d.fields.people.root.hidden = trial;
  d.design.hidden = d.arms.hidden = form.source !== "pins";
  d.lists.study.root.hidden = form.source !== "study";
  d.file.root.hidden = form.source !== "text";
  d.fields.n.root.hidden = form.source === "text";
  const first = scenarios.find((s) => !form.left_out.includes(s.letter));
  const control = first && (app.meta.controls || []).find((c) => c.id === controlOf(first.scenario));
  if (first) setText(d.controlText, `Add a control arm: ${control ? control.name : words(controlOf(first.scenario))}, as in ${first.letter}`);
  const key = JSON.stringify(scenarios);
  if (key !== d.drawn) put(d.arms, scenarios.map((s) => armCard(app, s, form)));
  d.drawn = key;
}

/** The form; `start(request)` posts the job. */
export function designForm(app, start) {
  const d = { fields: inputs(app), lists: lists(app), file: fileParts(app), arms: el("div", { class: "arms" }),
    controlText: el("span", {}), message: el("p", { class: "field-error", role: "alert", hidden: true }),
    control: el("input", { type: "checkbox" }),
    kind: segmented("What to run", [{ id: "trial", name: "A trial" }, { id: "population", name: "Many people" }], (kind) => change(app, { kind })) };
  d.control.addEventListener("change", () => change(app, { control: d.control.checked }));
  const { fields: f, lists: l } = d;
  d.design = el("div", {}, el("div", { class: "grid2" }, l.blinding.root, f.drop_out.root), f.visits.root,
    el("label", { class: "tick" }, d.control, " ", d.controlText), el("h2", {}, "Analysis"),
    el("div", { class: "grid2" }, l.method.root, f.time.root), f.alpha.root);
  d.trial = el("div", {}, l.source.root, l.study.root, d.file.root, d.arms, f.n.root, d.design, el("h2", {}, "Run"), f.replicates.root);
  const press = button("Run", async () => {
    refuse(d, null);
    press.disabled = true;
    await start(requestOf(formOf(app), app.store.get().scenarios)).catch((problem) => refuse(d, problem, formOf(app).kind));
    press.disabled = false;
  }, { class: "btn primary wide-btn" });
  const root = el("section", { class: "panel" }, d.kind.root, f.name.root, d.trial, f.people.root, f.seed.root, d.message, press);
  return { root, sync: () => sync(app, d) };
}
