// The bar over the chain: where the clock starts, which axis, bands, observations and play.

import { CLOCKS, HALF_YEAR_H } from "./axis.js";
import { el, put, setAttr, setText } from "./dom.js";
import { EXAMPLES } from "./session.js";
import { button } from "./widgets.js";

const AXES = [
  ["clocks", "Four clocks"],
  ["linear", "One clock"],
  ["log", "Log"],
];
const ENDS = [
  [168, "1 week"],
  [672, "4 weeks"],
  [2016, "12 weeks"],
  [4368, "6 months"],
  [8766, "1 year"],
];
const BANDS = [
  ["knowledge", "What we do not know"],
  ["people", "Differences between people"],
  ["both", "Both"],
  ["none", "None"],
];

function choice(label, pairs, change) {
  const select = el(
    "select",
    { "aria-label": label, on: { change: () => change(select.value) } },
    pairs.map(([value, text]) => el("option", { value }, text)),
  );
  return { root: el("label", { class: "tool" }, el("span", { class: "muted" }, label), select), select };
}

function tick(change) {
  const box = el("input", { type: "checkbox", on: { change: () => change(box.checked) } });
  const text = el("span", {});
  return { root: el("label", { class: "tool" }, box, text), box, text };
}

function startTool(app) {
  const back = button("\u2039", () => app.setDose(app.dose().index - 1), {
    "aria-label": "Clock starts one dose earlier",
  });
  const ahead = button("\u203a", () => app.setDose(app.dose().index + 1), {
    "aria-label": "Clock starts one dose later",
  });
  const which = el("b", {});
  const root = el("div", { class: "tool" }, el("span", { class: "muted" }, "Clock starts at"), back, which, ahead);
  return { root, back, ahead, which };
}

/** Make the controls and put them into `root`. */
function controls(root, app) {
  const keep = (key) => (value) => app.store.set({ [key]: value }, { history: true });
  const display = button(
    "Display",
    () => {
      setAttr(display, "aria-expanded", String(root.classList.toggle("display-on")));
    },
    { class: "btn quiet display-button", "aria-expanded": "false" },
  );
  const made = {
    start: startTool(app),
    axis: choice("Axis", AXES, (kind) => app.setAxis({ kind })),
    end: choice("Until", ENDS, (value) => app.setAxis({ end_h: Number(value) })),
    bands: choice("Bands", BANDS, keep("bands")),
    people: tick(keep("examples")),
    seen: tick(keep("observations")),
    similar: tick(keep("similar")),
    play: button("Play", () => app.play(), { class: "btn quiet play" }),
    tabs: el("div", { class: "clock-tabs", role: "group", "aria-label": "Clock" }),
  };
  made.bands.select.title = "Inner band: 50 % of the draws or people. Outer band: 90 %.";
  setText(made.people.text, "Example people");
  made.people.root.title = `Curves of ${EXAMPLES} virtual people like this one.`;
  setText(made.similar.text, "similar studies");
  const drawer = button("Scenario", () => app.store.set({ part: "scenario" }), { class: "btn quiet drawer-button" });
  const folded = [made.axis, made.end, made.bands, made.people, made.seen, made.similar].map((each) => each.root);
  put(root, drawer, made.start.root, display, el("div", { class: "display" }, folded), made.play, made.tabs);
  return made;
}

function setEnd(select, hours) {
  if (![...select.options].some((option) => Number(option.value) === hours)) {
    select.append(el("option", { value: hours }, `${Math.round(hours / 24)} days`));
  }
  select.value = String(hours);
}

function drawTabs(tabs, app, axis, now) {
  tabs.hidden = now === null;
  const names = [...CLOCKS.slice(0, 3), axis.end_h > HALF_YEAR_H ? "Months" : CLOCKS[3]];
  if (tabs.children.length !== names.length) {
    put(
      tabs,
      names.map((name, i) => el("button", { type: "button", on: { click: () => app.showClock(i) } }, name)),
    );
  }
  [...tabs.children].forEach((tab, i) => {
    setText(tab, names[i]);
    setAttr(tab, "aria-pressed", String(i === now));
  });
}

/** Mount the bar; `chain` is what the cascade gave. */
export function mount(root, app, chain) {
  const { start, axis, end, bands, people, seen, similar, play, tabs } = controls(root, app);

  function draw() {
    const state = app.state();
    const { index, count } = app.dose();
    setText(start.which, count ? `dose ${index} of ${count}` : "time 0");
    start.back.disabled = index <= 1;
    start.ahead.disabled = index >= count;
    axis.select.value = state.axis.kind;
    setEnd(end.select, state.axis.end_h);
    bands.select.value = state.bands;
    people.box.checked = state.examples;
    seen.box.checked = state.observations;
    similar.box.checked = state.similar;
    similar.root.hidden = !state.observations || !(state.similar || chain.observations.similar());
    const none = state.observations && chain.observations.count() === 0;
    setText(seen.text, none ? "Observations: none for this drug and route" : "Observations");
    drawTabs(tabs, app, state.axis, app.clockShown());
  }

  app.store.watch(["axis", "bands", "examples", "observations", "similar", "active"], draw);
  for (const name of ["results", "observations"]) app.on(name, draw);
  app.on("play", (playing) => setText(play, playing ? "Stop" : "Play"));
  draw();
}
