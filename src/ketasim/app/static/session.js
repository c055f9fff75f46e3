// Asks the server for curves whenever the scenarios or the axis change, and keeps the answers.

import { createLane } from "./api.js";
import { COLUMNS, createAxis, fourClocks, logClock, oneClock, singleClock } from "./axis.js";
import { canonical } from "./link.js";
import { copy } from "./store.js";

const QUIET_MS = 150;
export const DRAWS = 64;
export const PEOPLE = 200;
const CACHED = 16;
const GHOST = "ghost";
const TAIL_H = 72;

/** The scenario with every switch on; null when nothing is switched off. */
export function unswitched(scenario) {
  const switches = scenario?.mechanism?.switches ?? {};
  if (!Object.values(switches).some((value) => value < 1)) return null;
  const whole = copy(scenario);
  whole.mechanism.switches = {};
  return whole;
}

/** Start of every treatment visit of a result, hours since the first dose. */
export function doseTimes(result) {
  const events = result?.events ?? [];
  const visits = events.filter((event) => event.visit);
  const times = new Map();
  for (const event of visits.length ? visits : events) {
    const visit = event.visit ?? event.time_h;
    times.set(visit, Math.min(event.time_h, times.get(visit) ?? Infinity));
  }
  return [...times.values()].sort((a, b) => a - b);
}

/** Knots and shares for the axis state, a dose time and the time of the last dose. */
export function axisData(state, dose_h, last_h, clock = null) {
  const end = Math.max(state.end_h, last_h + TAIL_H);
  if (clock !== null) return singleClock(clock, dose_h, end);
  if (state.kind === "linear") return oneClock(dose_h, end);
  if (state.kind === "log") return logClock(dose_h, end);
  const data = state.knots_h
    ? { knots: state.knots_h, shares: state.shares ?? fourClocks(dose_h, end).shares }
    : fourClocks(dose_h, end);
  const fits = state.shares && state.shares.length === data.knots.length - 1;
  return fits ? { ...data, shares: state.shares } : data;
}

/** A result with the counts of people from a later answer, and the measures that only they give. */
export function withPeople(held, answer) {
  if (!held) return held;
  const later = new Map(answer.metrics.map((metric) => [metric.id, metric]));
  const metrics = held.metrics.map((metric) => (metric.value === null ? (later.get(metric.id) ?? metric) : metric));
  return { ...held, metrics, per_100: answer.per_100 };
}

/** The scenarios with the active one first: its doses carry the clock, its curves the colour. */
export function inOrder(state) {
  const active = state.scenarios.filter(({ letter }) => letter === state.active);
  return [...active, ...state.scenarios.filter(({ letter }) => letter !== state.active)];
}

/** Errors of a problem that concern one scenario, with their path inside it ("person.weight"). */
export function errorsOf(problem, letter, prefix = "") {
  if (!problem) return [];
  const root = `/scenarios/${problem.letters.indexOf(letter)}/`;
  return problem.failure.errors
    .filter((error) => String(error.path).startsWith(root))
    .map((error) => ({ ...error, path: error.path.slice(root.length).replaceAll("/", ".") }))
    .filter((error) => error.path.startsWith(prefix));
}

function axisOf(held) {
  const { app, results } = held;
  const state = app.state();
  const times = doseTimes(results.get(state.active));
  const dose_h = times[Math.min(state.axis.dose, Math.max(1, times.length)) - 1] ?? 0;
  const clock = app.clockShown();
  const data = axisData(state.axis, dose_h, times[times.length - 1] ?? 0, clock);
  const kind = clock === null ? state.axis.kind : "clocks";
  const key = `${canonical(data)}${dose_h}${kind}`;
  if (held.drawn?.key !== key) held.drawn = { key, axis: createAxis({ ...data, dose_h, kind }) };
  return held.drawn.axis;
}

function axisRequest(held) {
  const { knots, shares } = axisOf(held);
  return { dose: held.app.state().axis.dose, knots_h: knots, shares, columns: COLUMNS };
}

/** A request for curves; with `people` only for counts of people. The ghost rides along where there is room. */
function jobFor(held, bands, people = false) {
  const list = inOrder(held.app.state()).map(({ letter, scenario }) => ({ letter, scenario }));
  const whole = bands === "none" && !people ? unswitched(list[0]?.scenario) : null;
  if (whole && list.length < 4) list.push({ letter: GHOST, scenario: whole });
  const body = {
    scenarios: list.map(({ scenario }) => scenario),
    axis: axisRequest(held),
    variables: people ? ["madrs"] : held.app.variables(),
    bands,
    ...(bands === "none" ? {} : { draws: DRAWS }),
    ...(people ? { people: PEOPLE } : {}),
  };
  return { letters: list.map(({ letter }) => letter), body, people, key: canonical(body) };
}

function remember(cache, key, answer) {
  cache.delete(key);
  cache.set(key, answer);
  if (cache.size > CACHED) cache.delete(cache.keys().next().value);
}

function send(held, job) {
  const known = held.cache.get(job.key);
  if (known) reply(held, known, job);
  else held.lane.send(job);
}

function ask(held) {
  if (!held.app.state().scenarios.length || !held.app.meta) return;
  const job = jobFor(held, "none");
  if (job.key === held.wanted) return;
  held.wanted = job.key;
  clearTimeout(held.quiet);
  send(held, job);
}

/** The ghost alone, where four scenarios left no room for it; null when it is there or nothing is switched off. */
function ghostJob(held) {
  const whole = unswitched(held.app.active());
  if (!whole || held.results.has(GHOST)) return null;
  const body = { scenarios: [whole], axis: axisRequest(held), variables: held.app.variables(), bands: "none" };
  return { letters: [GHOST], body, key: canonical(body), ghost: true };
}

function slowerJob(held) {
  const { bands } = held.app.state();
  const ghost = ghostJob(held);
  if (ghost) return ghost;
  const people = bands === "none" || held.shown.bands === bands;
  return people && held.shown.people ? null : jobFor(held, people ? "none" : bands, people);
}

/** What takes longer, once it is quiet: a ghost that had no room, then the bands, then the people. */
function askMore(held, delay) {
  clearTimeout(held.quiet);
  held.quiet = setTimeout(() => {
    if (held.shown?.key !== held.wanted) return;
    const job = slowerJob(held);
    if (job) send(held, { ...job, base: held.wanted, patient: true });
  }, delay);
}

function reply(held, answer, job) {
  const { results } = held;
  remember(held.cache, job.key, answer);
  if (job.patient && job.base !== held.wanted) return;
  if (!job.patient && job.key !== held.wanted && held.shown?.key === held.wanted) return;
  held.problem = null;
  if (job.people)
    job.letters.forEach((letter, i) => results.set(letter, withPeople(results.get(letter), answer.results[i])));
  else {
    if (!job.patient) results.clear();
    job.letters.forEach((letter, i) => results.set(letter, answer.results[i]));
    if (!job.ghost) held.shown = { key: job.base ?? job.key, bands: job.body.bands, people: false };
  }
  held.shown.people ||= Boolean(job.people || answer.results[0]?.per_100);
  held.emit("problem", null);
  held.emit("results", { bands: held.shown.bands });
  if (!job.patient && job.key === held.wanted) ask(held);
  if (held.shown.key === held.wanted) askMore(held, job.patient || held.released ? 0 : QUIET_MS);
}

/** Requests, answers and the errors of the last request, for the app's store. */
export function createSession(app, emit) {
  const held = {
    app,
    emit,
    cache: new Map(),
    results: new Map(),
    shown: null,
    problem: null,
    wanted: "",
    drawn: null,
    quiet: null,
    released: false,
  };
  held.lane = createLane("/simulate", {
    onReply: (answer, job) => reply(held, answer, job),
    onProblem(failure, job) {
      held.problem = { failure, letters: job.letters };
      emit("problem", failure);
    },
    onState: (state) => emit("traffic", { busy: state === "flying" }),
  });
  app.store.watch(["scenarios", "axis", "more", "active"], (now, before, { history }) => {
    held.released = Boolean(history);
    ask(held);
    if (held.released) askMore(held, 0);
  });
  app.store.watch(["bands"], ({ bands }) => {
    if (bands === "none") emit("results", { bands });
    askMore(held, 0);
  });
  return {
    axis: () => axisOf(held),
    axisRequest: () => axisRequest(held),
    ask: () => ask(held),
    again() {
      held.wanted = "";
      ask(held);
    },
    get: (letter) => held.results.get(letter),
    ghost: () => held.results.get(GHOST),
    shownBands: () => (app.state().bands === "none" ? "none" : (held.shown?.bands ?? "none")),
    stale: () => held.shown === null || held.shown.key !== held.wanted,
    problem: () => held.problem?.failure ?? null,
    errorsFor: (prefix, letter = app.state().active) => errorsOf(held.problem, letter, prefix),
  };
}
