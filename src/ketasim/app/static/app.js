// What the parts of the page share: the store, the answers, and the few things that can be done to them.

import { api } from "./api.js";
import { CLOCKS, COLUMNS, widen as widened } from "./axis.js";
import { nearestColumn } from "./curves.js";
import * as format from "./format.js";
import { createSession, doseTimes, inOrder } from "./session.js";
import { copy, LETTERS } from "./store.js";

const PLAY_S = 24;
const phone = matchMedia("(max-width: 719px)");
const calm = matchMedia("(prefers-reduced-motion: reduce)");

/** Listeners by name. */
function bus() {
  const listeners = new Map();
  return {
    on(name, run) {
      listeners.set(name, [...(listeners.get(name) ?? []), run]);
      return () =>
        listeners.set(
          name,
          listeners.get(name).filter((each) => each !== run),
        );
    },
    emit: (name, value) => (listeners.get(name) ?? []).forEach((run) => run(value)),
  };
}

/** The object that every `mount(root, app)` is given. */
export function createApp(store) {
  const { on, emit } = bus();
  const app = {
    store,
    api,
    format,
    on,
    emit,
    meta: null,
    panels: {},
    phone: () => phone.matches,
    state: () => store.get(),
  };
  app.variables = () => app.meta.rows.filter((row) => row.group !== "more" || store.get().more).map((row) => row.id);
  const session = createSession(app, emit);
  app.session = session;
  phone.addEventListener("change", () => {
    session.ask();
    emit("results", {});
  });
  return Object.assign(
    app,
    readers(app, session),
    scenarios(app),
    clock(app),
    axisActions(app),
    switches(app),
    player(app),
  );
}

function readers(app, session) {
  const { store } = app;
  const value = (series, i) => {
    const picked = {};
    for (const [key, list] of Object.entries(series)) if (Array.isArray(list)) picked[key] = list[i];
    return { value: series.mid[i], unit: series.unit, ...picked };
  };
  /** Column of a result at the cursor, by its own times: while the axis moves they are those of the axis before. */
  const columnOf = (letter, tau) => {
    const axis = app.axis();
    const column = axis.column(tau, COLUMNS);
    const result = session.get(letter);
    return result ? nearestColumn(result.time_h, axis.centre(column, COLUMNS) + axis.dose_h) : column;
  };
  const read = (holder, letter, row, tau) => {
    const series = holder?.series?.[row];
    if (!series) return null;
    const i = columnOf(letter, tau);
    return { ...value(series, i), time_h: session.get(letter)?.time_h[i] };
  };
  return {
    axis: session.axis,
    axisRequest: session.axisRequest,
    columnOf,
    resultOf: (letter) => session.get(letter),
    ghost: session.ghost,
    shownBands: session.shownBands,
    isStale: session.stale,
    problem: session.problem,
    errorsFor: session.errorsFor,
    ordered: () => inOrder(store.get()).map(({ letter }) => letter),
    at: (letter, row, tau = app.tau()) => read(session.get(letter), letter, row, tau),
    controlAt: (letter, row, tau = app.tau()) => read(session.get(letter)?.control, letter, row, tau),
    differenceAt(letter, row, tau = app.tau()) {
      const result = session.get(letter);
      return read(result && { series: result.difference ?? {} }, letter, row, tau);
    },
    restOf: (letter, row) => session.get(letter)?.rest?.[row],
  };
}

function scenarios(app) {
  const { store } = app;
  const list = () => store.get().scenarios;
  const put = (letter, scenario, options) =>
    store.set({ scenarios: list().map((each) => (each.letter === letter ? { letter, scenario } : each)) }, options);
  return {
    active: () => list().find(({ letter }) => letter === store.get().active)?.scenario,
    edit(change, { history = true } = {}) {
      const scenario = copy(app.active());
      put(store.get().active, change(scenario) ?? scenario, { history });
    },
    replace(scenario, { view, axis_end_h } = {}) {
      const { active, axis } = store.get();
      put(active, copy(scenario), { history: false });
      const patch = { axis: { ...axis, dose: 1, knots_h: null, shares: null, end_h: axis_end_h ?? axis.end_h } };
      if (view) patch.view = view;
      store.set(patch, { history: true });
    },
    pin(replaced = null) {
      const free = LETTERS.find((letter) => !list().some((each) => each.letter === letter));
      const letter = replaced ?? free;
      if (!letter) return false;
      const pinned = { letter, scenario: copy(app.active()) };
      const others = list().filter((each) => each.letter !== letter);
      store.set({ scenarios: [...others, pinned].sort((a, b) => (a.letter < b.letter ? -1 : 1)) }, { history: true });
      return true;
    },
    unpin(letter) {
      const left = list().filter((each) => each.letter !== letter);
      if (!left.length) return;
      const { active } = store.get();
      store.set({ scenarios: left, active: active === letter ? left[0].letter : active }, { history: true });
    },
  };
}

const setAxis = (store, patch, options) => store.set({ axis: { ...store.get().axis, ...patch } }, options);

function clock(app) {
  const { store } = app;
  const set = (patch, options) => setAxis(store, patch, options);
  return {
    /** Time at the cursor, hours since the chosen dose, kept inside the axis. */
    tau() {
      const { start, end } = app.axis();
      return Math.min(end, Math.max(start, store.get().tau_h));
    },
    /** The one clock that a small screen shows (0 to 3); null where all are shown. */
    clockShown() {
      const { axis, tau_h } = store.get();
      if (!app.phone() || axis.kind !== "clocks") return null;
      return axis.clock ?? [2, 24, 336, Infinity].findIndex((end) => tau_h < end);
    },
    setTau: (tau_h) => store.set({ tau_h }),
    release: () => store.set({}, { history: true }),
    doses() {
      const events = app.resultOf(store.get().active)?.events ?? [];
      return events.map((event) => ({ ...event, other: event.visit === null || event.visit === 0 }));
    },
    dose() {
      const times = doseTimes(app.resultOf(store.get().active));
      const index = Math.min(store.get().axis.dose, Math.max(1, times.length));
      return { index, count: times.length, time_h: times[index - 1] ?? 0 };
    },
    setDose(dose) {
      const { count } = app.dose();
      const next = Math.min(Math.max(1, dose), Math.max(1, count));
      const alike = (next === 1) === (store.get().axis.dose === 1);
      set({ dose: next, shares: alike ? store.get().axis.shares : null }, { history: true });
    },
  };
}

function axisActions(app) {
  const { store } = app;
  const set = (patch, options) => setAxis(store, patch, options);
  return {
    setAxis: (patch) => set({ knots_h: null, shares: null, ...patch }, { history: true }),
    setShares: (shares, { history = true } = {}) => set({ shares }, { history }),
    widen(piece) {
      if (store.get().axis.kind !== "clocks") return;
      set({ shares: null });
      if (piece !== null) set({ shares: widened(app.axis().shares, piece) });
      app.release();
    },
    widenClock(number) {
      if (app.phone()) return app.showClock(number - 1);
      const piece = app
        .axis()
        .pieces.findIndex(({ name }) => name === CLOCKS[number - 1] || (number === 4 && name === "Months"));
      return piece < 0 ? null : app.widen(piece);
    },
    showClock(index) {
      set({ clock: index });
      const { start, end } = app.axis();
      const { tau_h } = store.get();
      if (tau_h < start || tau_h > end) store.set({ tau_h: Math.max(start, 0) + (end - Math.max(start, 0)) / 3 });
      app.release();
    },
    nextClock: (step) => app.showClock(Math.min(3, Math.max(0, app.clockShown() + step))),
    setScale(id, key) {
      const held = store.get().scales;
      store.set({ scales: { ...held, [id]: { ...held[id], [key]: !held[id]?.[key] } } }, { history: true });
    },
  };
}

function switches(app) {
  return {
    setSwitch(id, value) {
      app.edit((scenario) => {
        scenario.mechanism ??= {};
        const { [id]: _, ...others } = scenario.mechanism.switches ?? {};
        scenario.mechanism.switches = value >= 1 ? others : { ...others, [id]: value };
      });
    },
    toggle(rowId) {
      const id = app.meta.rows.find((row) => row.id === rowId)?.switch;
      if (!id) return;
      const now = app.active().mechanism?.switches?.[id] ?? 1;
      app.setSwitch(id, now < 1 ? 1 : 0);
    },
  };
}

/** Play: the cursor crosses the screen at one speed, so that the clocks pass at their own pace. */
function player(app) {
  let playing = false;
  let last = 0;
  let carried = 0;

  function step(now) {
    if (!playing) return;
    carried += ((now - last) / 1000 / PLAY_S) * COLUMNS;
    last = now;
    const least = calm.matches ? COLUMNS / 24 : 1;
    if (carried >= least) {
      const axis = app.axis();
      const next = axis.column(app.tau(), COLUMNS) + Math.floor(carried);
      carried -= Math.floor(carried);
      if (next >= COLUMNS - 1) {
        app.setTau(axis.centre(COLUMNS - 1, COLUMNS));
        app.play(false);
        return;
      }
      app.setTau(axis.centre(next, COLUMNS));
    }
    requestAnimationFrame(step);
  }

  return {
    playing: () => playing,
    play(on = !playing) {
      if (on === playing) return;
      playing = on;
      if (on) {
        const axis = app.axis();
        if (axis.column(app.tau(), COLUMNS) >= COLUMNS - 2) app.setTau(axis.centre(0, COLUMNS));
        last = performance.now();
        carried = 0;
        requestAnimationFrame(step);
      } else app.release();
      app.emit("play", on);
    },
  };
}
