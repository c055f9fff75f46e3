// Asks the server for curves whenever the scenarios or the axis change, and keeps the answers.

import { createLane } from "./api.js";
import { COLUMNS, createAxis, fourClocks, logClock, oneClock, singleClock } from "./axis.js";
import { canonical } from "./link.js";
import { copy } from "./store.js";

const QUIET_MS = 150;
export const DRAWS = 64;
/** Draws of the bands that come first. */
const COARSE = 16;
export const PEOPLE = 200;
/** Virtual people whose own curves can be shown. */
export const EXAMPLES = 12;
const CACHED = 32;
const MOST_ASKED = 4;
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

/** The axis on show: the same object as long as nothing of it changes. */
function axisOf(held) {
  const { app, results } = held;
  const { active, axis: state } = app.state();
  const result = results.get(active);
  const clock = app.clockShown();
  const { drawn } = held;
  if (drawn && drawn.state === state && drawn.result === result && drawn.clock === clock) return drawn.axis;
  const times = doseTimes(result);
  const dose_h = startOf(result, state.dose);
  const data = axisData(state, dose_h, times[times.length - 1] ?? 0, clock);
  const kind = clock === null ? state.kind : "clocks";
  const key = `${canonical(data)}${dose_h}${kind}`;
  const axis = drawn?.key === key ? drawn.axis : createAxis({ ...data, dose_h, kind });
  held.drawn = { state, result, clock, key, axis };
  return axis;
}

function axisRequest(held) {
  const { knots, shares } = axisOf(held);
  return { dose: held.app.state().axis.dose, knots_h: knots, shares, columns: COLUMNS };
}

/**
 * What is to be on show, each scenario with the key under which its answer is kept: the active one first, the
 * ghost last. `key` names the whole; `how` is the rest of the request.
 */
function wish(held, { bands = "none", draws = DRAWS, people = false, examples = false } = {}) {
  let list = inOrder(held.app.state()).map(({ letter, scenario }) => ({ letter, scenario }));
  if (examples) list = list.slice(0, 1);
  const whole = bands === "none" && !people && !examples ? unswitched(list[0]?.scenario) : null;
  if (whole) list.push({ letter: GHOST, scenario: whole });
  const how = {
    axis: axisRequest(held),
    variables: people ? ["madrs"] : held.app.variables(),
    bands,
    ...(bands === "none" ? {} : { draws }),
    ...(people ? { people: PEOPLE } : {}),
    ...(examples ? { people: EXAMPLES, examples: EXAMPLES } : {}),
  };
  const rest = canonical(how);
  for (const each of list) each.key = canonical(each.scenario) + rest;
  return { list, how, people, examples, key: list.map(({ key }) => key).join() };
}

/** Keep the answer for one scenario, as the last that was used; the one that was not used for longest goes. */
function remember({ cache }, key, result) {
  cache.delete(key);
  cache.set(key, result);
  if (cache.size > CACHED) cache.delete(cache.keys().next().value);
}

/** Time of the dose at which the clock starts, by the result of the scenario that carries it. */
const startOf = (result, dose) => {
  const times = doseTimes(result);
  return times[Math.min(dose, Math.max(1, times.length)) - 1] ?? 0;
};

/** What of a wish no earlier answer holds for the clock of its first scenario, each once. */
function open({ cache, starts }, { list, how }) {
  const first = cache.get(list[0].key);
  const start = first && startOf(first, how.axis.dose);
  const left = list.filter(({ key }) => !cache.has(key) || (first && starts.get(cache.get(key)) !== start));
  return left.filter(({ key }, i) => left.findIndex((each) => each.key === key) === i);
}

/** Ask for what is open, after the active scenario, whose doses carry the clock; nothing is asked for twice. */
function send(held, job) {
  const left = open(held, job);
  if (!left.length) {
    reply(held, job);
    return;
  }
  const first = job.list[0];
  const asked = (left.includes(first) ? left : [first, ...left]).slice(0, MOST_ASKED);
  const body = { scenarios: asked.map(({ scenario }) => scenario), ...job.how };
  if (held.reference === held.wanted) body.reference = true;
  held.lane.send({ ...job, asked, body });
}

function ask(held) {
  if (!held.app.state().scenarios.length || !held.app.meta) return;
  const job = wish(held);
  if (job.key === held.wanted) return;
  held.wanted = job.key;
  clearTimeout(held.quiet);
  send(held, job);
}

/** What is still to come: a ghost that found no room, coarse bands, bands, example people, counts of people. */
function slower(held) {
  const { bands, examples } = held.app.state();
  const plain = wish(held);
  const ghost = plain.list.find(({ letter }) => letter === GHOST);
  if (ghost && !held.results.has(GHOST)) return { ...plain, key: `${plain.key}, ghost`, ghost: true };
  const { shown } = held;
  if (bands !== "none" && (shown.bands !== bands || shown.draws < DRAWS)) {
    const full = wish(held, { bands });
    return shown.bands === bands || !open(held, full).length ? full : wish(held, { bands, draws: COARSE });
  }
  if (examples && !shown.examples) return wish(held, { examples });
  return shown.people ? null : wish(held, { people: true });
}

/** What takes longer, once it is quiet. */
function askMore(held, delay) {
  clearTimeout(held.quiet);
  held.quiet = setTimeout(() => {
    if (held.shown?.key !== held.wanted) return;
    const job = slower(held);
    if (job) send(held, { ...job, base: held.wanted, patient: true });
  }, delay);
}

function show(held, job) {
  const { cache, results } = held;
  for (const { key } of job.list) if (cache.has(key)) remember(held, key, cache.get(key));
  const found = job.list.map(({ letter, key }) => [letter, cache.get(key)]).filter(([, result]) => result);
  const add = (letter, more) => results.set(letter, more(results.get(letter)));
  if (job.people) for (const [letter, result] of found) add(letter, (before) => withPeople(before, result));
  else if (job.examples) add(found[0][0], (before) => ({ ...before, examples: found[0][1].examples }));
  else {
    if (!job.patient) results.clear();
    for (const [letter, result] of found) results.set(letter, result);
  }
  if (!job.people && !job.ghost && !job.examples) {
    const { bands, draws = 0 } = job.how;
    const counted = Boolean(found[0]?.[1].per_100);
    held.shown = { key: job.base ?? job.key, bands, draws, people: counted, examples: false };
  }
  held.shown.people ||= job.people;
  held.shown.examples ||= job.examples;
}

function reply(held, job, answer = null) {
  answer?.results.forEach((result, i) => {
    held.starts.set(result, startOf(answer.results[0], job.how.axis.dose));
    remember(held, job.asked[i].key, result);
  });
  if (job.patient && job.base !== held.wanted) return;
  if (!job.patient && job.key !== held.wanted && held.shown?.key === held.wanted) return;
  // The dose at which the clock starts has moved with the first scenario: the others are asked for its times.
  if (open(held, job).some(({ letter }) => letter !== GHOST)) {
    send(held, job);
    return;
  }
  held.problem = null;
  show(held, job);
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
    starts: new WeakMap(),
    results: new Map(),
    shown: null,
    problem: null,
    wanted: "",
    reference: null,
    drawn: null,
    quiet: null,
    released: false,
  };
  held.lane = createLane("/simulate", {
    onReply: (answer, job) => reply(held, job, answer),
    onProblem(failure, job) {
      held.problem = { failure, job, letters: job.asked.map(({ letter }) => letter) };
      emit("problem", failure);
    },
    onState: (state) => emit("traffic", { busy: state === "flying" }),
  });
  app.store.watch(["scenarios", "axis", "more", "active"], (now, before, { history }) => {
    held.released = Boolean(history);
    ask(held);
    if (held.released) askMore(held, 0);
  });
  app.store.watch(["bands", "examples"], ({ bands }) => {
    emit("results", { bands });
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
    /** Ask anew for what has failed, and for what follows it, with the slow solver that gives up less often. */
    reference() {
      held.reference = held.wanted;
      send(held, held.problem.job);
    },
    get: (letter) => held.results.get(letter),
    ghost: () => held.results.get(GHOST),
    shownBands: () => (app.state().bands === "none" ? "none" : (held.shown?.bands ?? "none")),
    stale: () => held.shown === null || held.shown.key !== held.wanted,
    problem: () => held.problem?.failure ?? null,
    errorsFor: (prefix, letter = app.state().active) => errorsOf(held.problem, letter, prefix),
  };
}
