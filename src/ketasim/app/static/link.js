// The state as a link: canonical JSON, deflated, base64url, after `#s=`. It never leaves the browser.

import { copy, initialState, LETTERS } from "./store.js";

export const SCHEMA = 1;
export const LONG_LINK = 2000;
const PREFIX = "#s=";
const MOST_BYTES = 200_000;
const KEPT = ["view", "active", "axis", "tau_h", "open", "more", "bands", "examples", "observations", "similar", "scales"];

const CHOICES = {
  kind: ["clocks", "linear", "log"],
  bands: ["none", "knowledge", "people", "both"],
  view: ["explore", "trial", "evidence"],
};

/** Why a link cannot be opened; the message is for the reader. */
export class LinkError extends Error {
  constructor(code, message) {
    super(message);
    this.name = "LinkError";
    this.code = code;
  }
}

/** JSON with sorted keys, so that the same state is the same text. */
export function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value) ?? "null";
  const keys = Object.keys(value)
    .filter((key) => value[key] !== undefined)
    .sort();
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join(",")}}`;
}

/** The part of the state that a link carries; what stands at its default is left out. */
export function payload(state, meta, figures) {
  const start = initialState();
  const held = {};
  for (const key of KEPT) {
    if (canonical(state[key]) !== canonical(start[key])) held[key] = state[key];
  }
  const scenarios = state.scenarios.map(({ letter, scenario }) => [letter, scenario]);
  const { version, model_hash, parameter_hash } = meta ?? {};
  return { schema: SCHEMA, version, model: model_hash, parameters: parameter_hash, scenarios, state: held, figures };
}

/** The part of the state that a payload holds, with defaults for what it leaves out. */
export function restored(data) {
  if (data === null || typeof data !== "object" || !Array.isArray(data.scenarios)) {
    throw new LinkError("broken", "This link is damaged: it holds no scenario. Copy it again from its source.");
  }
  if (!Number.isInteger(data.schema) || data.schema > SCHEMA) {
    throw new LinkError(
      "newer",
      `This link was made by a newer Ketasim (link format ${data.schema}; this one ` +
        `reads up to ${SCHEMA}). Update with: pip install --upgrade ketasim`,
    );
  }
  const start = initialState();
  const state = {};
  for (const key of KEPT) {
    const given = data.state?.[key];
    state[key] = given !== undefined && sameKind(given, start[key]) ? copy(given) : start[key];
  }
  state.axis = axisFrom(state.axis);
  if (!CHOICES.bands.includes(state.bands)) state.bands = start.bands;
  if (!CHOICES.view.includes(state.view)) state.view = start.view;
  state.scenarios = data.scenarios.slice(0, 4).map(scenarioFrom);
  const letters = state.scenarios.map(({ letter }) => letter);
  if (new Set(letters).size < letters.length)
    state.scenarios.forEach((each, i) => Object.assign(each, { letter: LETTERS[i] }));
  if (!state.scenarios.some(({ letter }) => letter === state.active))
    state.active = state.scenarios[0]?.letter ?? "A";
  return {
    state,
    made: { version: data.version, model: data.model, parameters: data.parameters },
    figures: Array.isArray(data.figures) ? data.figures : [],
  };
}

function scenarioFrom(pair, i) {
  const scenario = pair?.[1];
  if (scenario === null || typeof scenario !== "object" || typeof scenario.regimen !== "string") {
    throw new LinkError(
      "broken",
      `This link is damaged: scenario ${i + 1} has no regimen. Copy it again from its source.`,
    );
  }
  return { letter: LETTERS.includes(pair[0]) ? pair[0] : LETTERS[i], scenario };
}

const numbers = (list, least) =>
  Array.isArray(list) && list.length >= least && list.length <= 64 && list.every(Number.isFinite);

/** The axis of a link, with the default for every part that makes no axis. */
function axisFrom(given) {
  const axis = initialState().axis;
  if (CHOICES.kind.includes(given.kind)) axis.kind = given.kind;
  if (Number.isInteger(given.dose) && given.dose > 0) axis.dose = given.dose;
  if (Number.isFinite(given.end_h) && given.end_h > 0) axis.end_h = given.end_h;
  if (numbers(given.shares, 1) && given.shares.every((share) => share > 0)) axis.shares = given.shares;
  if (numbers(given.knots_h, 2) && given.knots_h.every((knot, i, all) => !i || knot > all[i - 1]))
    axis.knots_h = given.knots_h;
  if (Number.isInteger(given.clock) && given.clock >= 0 && given.clock < 4) axis.clock = given.clock;
  return axis;
}

function sameKind(given, standard) {
  if (standard === null) return given === null || typeof given === "string";
  if (given === null) return false;
  return typeof given === typeof standard && Array.isArray(given) === Array.isArray(standard);
}

async function through(stream, bytes, most = Infinity) {
  const writer = stream.writable.getWriter();
  // A fault shows where the stream is read.
  writer.write(bytes).catch(() => {});
  writer.close().catch(() => {});
  const reader = stream.readable.getReader();
  const parts = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    if (size > most) {
      reader.cancel().catch(() => {});
      throw new LinkError(
        "too_large",
        "This link unpacks to more than 200 kB, which no scenario needs. It is not opened.",
      );
    }
    parts.push(value);
  }
  const whole = new Uint8Array(size);
  for (const part of parts.reverse()) whole.set(part, (size -= part.length));
  return whole;
}

const toText = (bytes) =>
  btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
const toBytes = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));

/** `#s=…` for a state. */
export async function encode(state, meta, figures) {
  const bytes = new TextEncoder().encode(canonical(payload(state, meta, figures)));
  return PREFIX + toText(await through(new CompressionStream("deflate-raw"), bytes));
}

/** The state in `hash`, or null when there is none; `LinkError` when it cannot be read. */
export async function decode(hash) {
  if (!hash.startsWith(PREFIX)) return null;
  let data;
  try {
    const bytes = await through(
      new DecompressionStream("deflate-raw"),
      toBytes(hash.slice(PREFIX.length)),
      MOST_BYTES,
    );
    data = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (failure) {
    if (failure instanceof LinkError) throw failure;
    throw new LinkError(
      "broken",
      "This link is damaged or was cut off. Copy the whole address again, from “http” to its end.",
    );
  }
  return restored(data);
}
