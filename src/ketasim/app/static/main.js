// The start of the page: link or last state, facts of the model, then the parts, then the first curves.

import { createApp } from "./app.js";
import { api, watchConnection } from "./api.js";
import { el, put, setAttr, setText } from "./dom.js";
import { createHistory, readLast, readLink } from "./history.js";
import { createNotices, showLost, showProblem } from "./notices.js";
import { createStore, initialState, keep, kept } from "./store.js";
import { button } from "./widgets.js";
import * as cascade from "./cascade.js";
import * as pins from "./pins.js";
import * as tools from "./tools.js";
import { number } from "./format.js";

const RETRY_MS = 2000;
const SLOW_MS = 250;
const SPOKEN_MS = 600;
const FIRST_MS = 1000;
/** A page in the background gets no frames. */
const FRAMES_MS = 100;
const VIEWS = [
  ["explore", "Explore"],
  ["trial", "Trial"],
  ["evidence", "Evidence"],
];
const PARTS = [
  ["scenario", "Scenario"],
  ["chain", "Chain"],
  ["reading", "Reading"],
];
const VISIBLE = ["scenario", "reading"];
const root = document.documentElement;
const $ = (id) => document.getElementById(id);
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

const store = createStore({ ...initialState(), theme: kept("ketasim.theme") ?? "auto" });
const app = createApp(store);
const notices = createNotices($("notices"));
app.notices = notices;
app.announce = (text) => setText($("status"), text);

/** Four figures per scenario that a copied link carries, so that another version can show what it said then. */
app.figures = () =>
  store
    .get()
    .scenarios.map(({ letter }) => [
      letter,
      (app.resultOf(letter)?.metrics ?? [])
        .filter(
          ({ id, value }) => ["cmax", "madrs_24h", "madrs_28d", "peak_cadss"].includes(id) && Number.isFinite(value),
        )
        .map(({ name, value, unit }) => [name, Number(value.toPrecision(4)), unit]),
    ]);

async function loadMeta() {
  for (;;) {
    try {
      return await api.get("/meta");
    } catch (problem) {
      if (problem.code === "no_token" || problem.status === 401) {
        notices.show("token", {
          kind: "fail",
          closes: false,
          text: "This page has no key. Open the address that “ketasim app” printed when it started.",
        });
        throw problem;
      }
      showProblem(app, notices, problem);
      await pause((problem.retry_after_s ?? RETRY_MS / 1000) * 1000);
    }
  }
}

const DARK = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (store.get().theme === "auto" ? DARK.matches : store.get().theme === "dark");

function drawTop(copyLink) {
  const theme = button(
    "",
    () => {
      const next = isDark() ? "light" : "dark";
      keep("ketasim.theme", next);
      store.set({ theme: next });
    },
    { class: "btn quiet" },
  );
  const show = () => {
    root.dataset.theme = isDark() ? "dark" : "light";
    setText(theme, isDark() ? "Light" : "Dark");
    setAttr(theme, "aria-label", isDark() ? "Light colours" : "Dark colours");
  };
  store.watch(["theme"], show);
  DARK.addEventListener("change", show);
  show();
  put(
    $("actions"),
    button("Copy link", copyLink, { class: "btn quiet" }),
    button("Export", () => app.open("exporting"), { class: "btn quiet" }),
    button("Keys", () => app.open("help"), { class: "btn quiet keys-button" }),
    theme,
  );
  const views = VIEWS.map(([id, name]) =>
    button(name, () => store.set({ view: id }, { history: true }), { class: "tab", "data-view": id }),
  );
  put($("views"), views);
  const parts = PARTS.map(([id, name]) =>
    button(name, () => store.set({ view: "explore", part: id }), { class: "tab", "data-part": id }),
  );
  const others = VIEWS.slice(1).map(([id, name]) =>
    button(name, () => store.set({ view: id }, { history: true }), { class: "tab", "data-view": id }),
  );
  put($("bottom"), parts, others);
}

function drawView() {
  const { view, part } = store.get();
  root.dataset.view = view;
  root.dataset.part = part;
  for (const [id] of VIEWS) $(id).hidden = id !== view;
  for (const tab of document.querySelectorAll(".tab")) {
    const here = tab.dataset.view ? tab.dataset.view === view : view === "explore" && tab.dataset.part === part;
    setAttr(tab, "aria-current", here ? "page" : null);
  }
}

/** Between a phone and a wide screen the scenario is a drawer: the focus goes in with it and comes back. */
function watchDrawer() {
  const drawer = matchMedia("(min-width: 720px) and (max-width: 1179px)");
  const close = () => store.set({ part: "chain" });
  $("drawer-close").addEventListener("click", close);
  $("scenario").addEventListener(
    "keydown",
    (event) => event.key === "Escape" && drawer.matches && !event.defaultPrevented && close(),
  );
  store.watch(["part"], ({ part }, before) => {
    if (!drawer.matches) return;
    if (part === "scenario") $("scenario").focus();
    else if (before.part === "scenario") document.querySelector(".drawer-button").focus();
  });
}

/** The line under the header when curves take longer than a moment. */
function watchTraffic() {
  let timer = null;
  app.on("traffic", ({ busy }) => {
    clearTimeout(timer);
    if (busy) timer = setTimeout(() => $("updating").classList.add("on"), SLOW_MS);
    else $("updating").classList.remove("on");
  });
}

/** Mood, change and failed rules: on the phone's line at once, spoken when the cursor has come to rest. */
function watchSummary() {
  const line = { value: el("b", {}), change: el("span", {}), rules: el("span", { class: "rules" }) };
  put($("summary"), line.value, line.change, line.rules);
  let timer = null;
  const show = () => {
    const summary = app.panels.reading?.summary?.(app);
    if (!summary) return;
    setText(line.value, summary.value ?? "");
    setText(line.change, summary.change ?? "");
    setText(line.rules, summary.rules ?? "");
    clearTimeout(timer);
    if (!app.playing()) timer = setTimeout(() => app.announce(summary.sentence), SPOKEN_MS);
  };
  store.watch(["tau_h", "active"], show);
  app.on("results", show);
  app.on("play", show);
}

let styles = null;

/** The styles of all that is not of the first picture; fetched once. */
function dressed() {
  styles ??= new Promise((done, refuse) => {
    const failed = () => {
      styles = null;
      refuse(new Error("its styles could not be had"));
    };
    document.head.append(
      el("link", { rel: "stylesheet", href: "/static/panels.css", on: { load: done, error: failed } }),
    );
  });
  return styles;
}

/** A module of the page with its styles, fetched when first needed; null after saying that it could not be had. */
app.load = async (name) => {
  try {
    const [module] = await Promise.all([app.panels[name] ?? import(`./${name}.js`), dressed()]);
    app.panels[name] = module;
    return module;
  } catch (failure) {
    console.error(failure);
    notices.show(`part-${name}`, {
      kind: "fail",
      text: `The part “${name}” of this page could not be loaded: ${failure.message}`,
    });
    return null;
  }
};
app.open = async (name, ...given) => (await app.load(name))?.open(app, ...given);

const mounted = new Set();
async function mountPanel(name) {
  if (mounted.has(name)) return;
  mounted.add(name);
  (await app.load(name))?.mount($(name), app);
}

/** Say what is known when a link was made with other parameter values. */
function compareVersions(made, figures) {
  if (!made?.parameters || made.parameters === app.meta.parameter_hash) return;
  const changed = Object.entries(app.active()?.mechanism?.parameters ?? {}).map(([id, value]) => `${id} = ${value}`);
  const held = changed.length ? ` Values that the link sets itself stay as it says: ${changed.join(", ")}.` : "";
  const stored = (figures ?? []).map(
    ([letter, list]) =>
      `${letter}: ${list.map(([name, value, unit]) => `${name} ${number(value)} ${unit}`).join(", ")}`,
  );
  notices.show("version", {
    text:
      `This link was made with Ketasim ${made.version ?? "of unknown version"}, whose parameter values differ from ` +
      `today\u2019s (${made.parameters} then, ${app.meta.parameter_hash} now). The curves are with today\u2019s.${held}`,
    actions: [
      ["With today\u2019s", () => notices.hide("version")],
      ...(stored.length
        ? [
            [
              "Show the stored values",
              () => notices.show("stored", { text: `As the link was made: ${stored.join(" · ")}` }),
            ],
          ]
        : []),
    ],
  });
}

function firstScenario() {
  const preset = app.meta.presets[0];
  const { axis } = store.get();
  store.set({
    scenarios: [{ letter: "A", scenario: preset.scenario }],
    axis: { ...axis, end_h: preset.axis_end_h ?? axis.end_h },
  });
}

/** When the first curves are drawn, or it is known why they are not, or after a second at the latest. */
async function firstAnswer() {
  let offs = [];
  await new Promise((done) => {
    offs = ["results", "problem"].map((name) => app.on(name, done));
    setTimeout(done, FIRST_MS);
  });
  offs.forEach((off) => off());
  await Promise.race([new Promise(requestAnimationFrame), pause(FRAMES_MS)]);
}

/** The skip link moves the focus, not the address, which holds the state. */
function watchSkip() {
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    store.set({ view: "explore", part: "chain" });
    $("chain").focus();
  });
}

async function bindKeys(chain) {
  (await app.load("keys"))?.bindKeys($("chain"), app, chain);
}

async function start() {
  const linked = await readLink(location.hash, notices);
  const read = linked ?? (location.hash ? null : await readLast());
  if (read) store.set(read.state);
  const { copyLink } = createHistory(app, notices);
  drawTop(copyLink);
  drawView();
  store.watch(["view", "part"], drawView);
  pins.mount($("pins"), app);
  app.on("problem", (problem) => showProblem(app, notices, problem));
  watchConnection((lost) => {
    showLost(notices, lost);
    app.emit(lost ? "lost" : "back");
    if (!lost && app.session.problem()?.lost) app.session.again();
  });
  watchTraffic();
  watchDrawer();
  watchSkip();
  app.meta = await loadMeta();
  showProblem(app, notices, null);
  if (!store.get().scenarios.length) firstScenario();
  const chain = cascade.mount($("chain"), app);
  const first = firstAnswer();
  app.session.ask();
  tools.mount($("tools"), app, chain);
  const showPanel = () => store.get().view !== "explore" && mountPanel(store.get().view);
  store.watch(["view"], showPanel);
  showPanel();
  if (store.get().view === "explore") await first;
  await Promise.all([...VISIBLE.map(mountPanel), chain.complete(), bindKeys(chain)]);
  watchSummary();
  compareVersions(linked?.made, linked?.figures);
  root.dataset.ready = "true";
  requestIdleCallback(() => app.load("stage"));
}

start();
