// The one state of the page. Views are functions of it and are told what changed.

/** The scenarios that can stand side by side. */
export const LETTERS = ["A", "B", "C", "D"];

/** Deep copy of plain data. */
export const copy = (value) => (value === undefined ? undefined : structuredClone(value));

/**
 * A store: `get`, `set(patch, {history})`, `subscribe(fn(state, previous, options))` and
 * `watch(keys, fn)`, which is called only if one of the keys holds another value than before.
 */
export function createStore(initial) {
  let state = Object.freeze({ ...initial });
  const listeners = new Set();

  function set(patch, options = {}) {
    const changed = Object.keys(patch).filter((key) => !Object.is(patch[key], state[key]));
    if (!changed.length && !options.history) return;
    const previous = state;
    state = Object.freeze({ ...state, ...patch });
    for (const listener of [...listeners]) listener(state, previous, options);
  }

  function subscribe(listener) {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  function watch(keys, run) {
    return subscribe((now, previous, options) => {
      if (keys.some((key) => !Object.is(now[key], previous[key]))) run(now, previous, options);
    });
  }

  return { get: () => state, set, subscribe, watch };
}

/** The state before anything is known: what `meta` and a link fill in. */
export function initialState() {
  return {
    view: "explore",
    part: "chain",
    scenarios: [],
    active: "A",
    axis: { kind: "clocks", dose: 1, knots_h: null, shares: null, end_h: 2016, clock: null },
    tau_h: 24,
    open: null,
    more: false,
    bands: "knowledge",
    examples: false,
    observations: true,
    similar: false,
    scales: {},
    letters_keys: true,
    theme: "auto",
    trial: {},
    evidence: {},
  };
}

/** What this browser kept under `key`; null when there is nothing or storage is switched off. */
export function kept(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

/** Keep a text in this browser, if it lets us. */
export function keep(key, text) {
  try {
    localStorage.setItem(key, text);
  } catch {
    // Storage is switched off or full: the page works without it, and the link in the address bar stays.
  }
}
