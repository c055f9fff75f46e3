// One row of the chain: rail entry, curve and range. Built once; afterwards only path data and texts change.

import { bandPath, createScale, curvePath, describe, edgePath, extent, fitted, linesPath } from "./curves.js";
import { el, setAttr, setText, svg, uid } from "./dom.js";
import { number, timeLabel, timeWords, unitText } from "./format.js";
import { LETTERS } from "./store.js";

const OPEN_PX = 150;
const MOOD = "madrs";
const MOOD_PX = 45;
const REMISSION = 10;
/** A value of more characters is set smaller, so that it stays clear of the name. */
const LONG = 6;

function layers(row) {
  const stroke = `var(--stage-${row.colour})`;
  const path = (name, extra) => svg("path", { class: name, ...extra });
  return {
    ...(row.id === MOOD
      ? {
          remission: svg("rect", { class: "remission", x: 0 }),
          remissionWord: svg("text", { x: 26, class: "at-line" }, `remission, ${REMISSION} or less`),
        }
      : {}),
    base: path("base"),
    wide: path("band wide", { fill: stroke }),
    narrow: path("band narrow", { fill: stroke }),
    outline: path("band-edge", { stroke }),
    examples: path("example", { stroke }),
    ghost: path("ghost", { stroke }),
    control: path("control"),
    B: path("curve pin"),
    C: path("curve pin"),
    D: path("curve pin"),
    A: path("curve", { stroke }),
    controlWord: svg("text", { class: "at-line", "text-anchor": "end" }),
    seen: svg("g", { class: "seen" }),
    dot: svg("circle", { class: "now", r: 4, fill: stroke }),
  };
}

function railDot(row, actions) {
  const dot = el("button", { type: "button", class: "dot", "aria-pressed": "true", tabindex: "-1" });
  dot.style.setProperty("--dot", `var(--stage-${row.colour})`);
  if (row.switch) dot.addEventListener("click", () => actions.toggle(row.id));
  else {
    dot.disabled = true;
    dot.setAttribute("aria-label", `${row.name}: no switch`);
  }
  return dot;
}

function elements(row, actions, timeId) {
  const dot = railDot(row, actions);
  const name = el("span", { class: "row-title" }, row.name);
  const value = el("span", { class: "row-value" });
  const now = el("span", { class: "row-now" }, value, el("span", { class: "row-unit" }, unitText(row.unit)));
  const pins = el("span", { class: "row-pins" });
  const id = uid("row");
  const open = el(
    "button",
    {
      type: "button",
      class: "row-name",
      id,
      tabindex: "-1",
      "aria-expanded": "false",
      "aria-labelledby": `${id} ${timeId}`,
      on: { click: () => actions.open(row.id) },
    },
    name,
    now,
    el("span", { class: "row-measure" }, row.measure),
    pins,
  );
  const parts = layers(row);
  const sentence = svg("title", { id: uid("about") });
  const plot = svg(
    "svg",
    { class: "plot", role: "img", "aria-labelledby": sentence.id },
    sentence,
    ...Object.values(parts),
  );
  const [high, kind, low] = [el("span"), el("span"), el("span")];
  const range = el(
    "button",
    { type: "button", class: "row-range", tabindex: "-1", on: { click: () => actions.fit(row.id) } },
    high,
    kind,
    low,
  );
  const root = el(
    "div",
    { class: `row row-${row.group}`, dataset: { row: row.id } },
    dot,
    open,
    el("div", { class: "plot-box" }, plot),
    range,
  );
  return { root, dot, open, name, value, pins, plot, parts, sentence, range, high, kind, low };
}

/** A value of less than a two-thousandth of the row's range is told as 0, unless a log scale can show it. */
const told = ({ range, log_allowed }, value) => (!log_allowed && Math.abs(value) < (range[1] - range[0]) / 2000 ? 0 : value);
const say = (state, value) => number(told(state.row, value), state.row.digits);
const withUnit = (state, value) => `${say(state, value)} ${unitText(state.row.unit)}`.trim();

/** Give the row its size; whether it had another. */
function resize(state, width, height) {
  const { size } = state;
  if (size.width === width && size.height === height) return false;
  state.size = { width, height };
  setAttr(state.nodes.plot, "width", width);
  setAttr(state.nodes.plot, "height", height);
  state.nodes.root.style.setProperty("--h", `${height}px`);
  return true;
}

function draw(state, view) {
  const { row, nodes, size } = state;
  state.drawn = view.results
    .filter(([, result]) => result?.series[row.id])
    .map(([letter, result]) => ({ letter, result, series: result.series[row.id] }));
  const reach = extent(state.drawn.map((each) => each.series));
  const [low, high] = view.style.fit && reach ? fitted(reach, row.zero) : row.range;
  const scale = [low, high, size.height, Boolean(view.style.log)];
  if (scale.join() !== state.scaled) state.scale = createScale({ low, high, height: size.height, log: view.style.log });
  state.scaled = scale.join();
  drawRange(state, [low, high], reach, view.style);
  const first = state.drawn[0];
  const xs = first ? view.xs : [];
  drawCurves(state, xs, view);
  drawBands(state, first?.series, xs, view.bands);
  const people = view.examples && first?.result.examples?.[row.id];
  if (people) setPath(state, nodes.parts.examples, linesPath, people, xs, state.scale);
  else setPath(state, nodes.parts.examples, nothing);
  drawControl(state, first?.result.control, xs);
  drawGround(state, first?.result);
  const when = (time) => timeWords(time - view.axis.dose_h, view.dose);
  setText(
    nodes.sentence,
    first
      ? describe(row.name, first.series, first.result.time_h, (value) => withUnit(state, value), when)
      : `${row.name}: no curve yet.`,
  );
}

const nothing = () => "";

/** Make a path anew only if something of what it is made from is another: the curves of a pin stay as they are. */
function setPath({ made }, node, ...from) {
  const before = made.get(node);
  if (before && before.length === from.length && from.every((each, i) => each === before[i])) return;
  made.set(node, from);
  const [make, ...given] = from;
  setAttr(node, "d", make(...given));
}

function drawCurves(state, xs, view) {
  const { row, scale, drawn } = state;
  const { parts } = state.nodes;
  LETTERS.forEach((slot, i) => {
    const each = drawn[i];
    const many = view.many ? "envelope " : "";
    if (!each) return setPath(state, parts[slot], nothing);
    setAttr(parts[slot], "class", `${many}curve ${i ? "pin " : ""}stroke-${each.letter}`);
    return many
      ? setPath(state, parts[slot], bandPath, each.series.lo, each.series.hi, xs, scale)
      : setPath(state, parts[slot], curvePath, each.series, xs, scale);
  });
  const ghost = view.ghost?.series[row.id];
  if (ghost && xs.length) setPath(state, parts.ghost, curvePath, ghost, xs, scale);
  else setPath(state, parts.ghost, nothing);
}

function drawBands(state, series, xs, bands) {
  const { parts } = state.nodes;
  const shown = series && bands !== "none";
  const both = shown && bands === "both" && series.people_q05;
  const of = (name) => (shown ? series[both ? `people_${name}` : name] : null);
  setPath(state, parts.wide, bandPath, of("q05"), of("q95"), xs, state.scale);
  setPath(state, parts.narrow, bandPath, of("q25"), of("q75"), xs, state.scale);
  setPath(state, parts.outline, edgePath, both && series.q05, both && series.q95, xs, state.scale);
}

function drawControl(state, control, xs) {
  const { row, scale, size } = state;
  const { parts } = state.nodes;
  const series = control?.series?.[row.id];
  if (series) setPath(state, parts.control, curvePath, series, xs, scale);
  else setPath(state, parts.control, nothing);
  setText(parts.controlWord, series && row.id === MOOD ? control.name : "");
  if (!series) return;
  setAttr(parts.controlWord, "x", size.width - 6);
  setAttr(parts.controlWord, "y", Math.max(11, scale.y(series.mid[series.mid.length - 1]) - 5));
}

function drawGround({ row, nodes: { parts }, scale, size }, result) {
  const rest = result?.rest?.[row.id];
  const level = rest ?? row.zero ?? row.range[0];
  setAttr(parts.base, "class", rest === undefined || rest === row.zero ? "base solid" : "base");
  setAttr(parts.base, "d", `M0 ${scale.y(level).toFixed(1)}H${size.width}`);
  if (!parts.remission) return;
  const top = scale.y(REMISSION);
  const bottom = scale.y(scale.low);
  setAttr(parts.remission, "y", top.toFixed(1));
  setAttr(parts.remission, "width", size.width);
  setAttr(parts.remission, "height", Math.max(0, bottom - top).toFixed(1));
  setAttr(parts.remissionWord, "y", Math.min(size.height - 4, (top + bottom) / 2 + 4).toFixed(1));
}

function drawRange({ row, nodes, scale }, [low, high], reach, style) {
  const slack = (high - low) * 0.02;
  const over = reach && !style.fit && reach[1] > high + slack;
  const under = reach && !style.fit && reach[0] < low - slack;
  setText(nodes.high, over ? `\u2191${number(reach[1], 2)}` : number(high));
  setText(nodes.kind, style.log ? "log" : "");
  setText(nodes.low, under ? `\u2193${number(reach[0], 2)}` : number(scale.low, 2));
  nodes.range.classList.toggle("off-scale", Boolean(over || under));
  const beyond = over || under ? ` The curve reaches ${number(over ? reach[1] : reach[0])}.` : "";
  setAttr(
    nodes.range,
    "aria-label",
    `${row.name}: shown from ${number(scale.low)} to ${number(high)} ${unitText(row.unit)}.` +
      `${beyond} ${style.fit ? "Press for the fixed range." : "Press to fit."}`,
  );
  setAttr(nodes.range, "title", style.fit ? "Fixed range" : "Fit to the curves");
}

function point(state, i, x) {
  const { nodes, drawn, scale, size } = state;
  const first = drawn[0];
  setAttr(nodes.parts.dot, "display", first ? null : "none");
  if (!first) return;
  const now = first.series.mid[i];
  setText(nodes.value, say(state, now));
  nodes.value.classList.toggle("long", nodes.value.textContent.length > LONG);
  setAttr(nodes.parts.dot, "cx", x);
  setAttr(nodes.parts.dot, "cy", Math.min(size.height - 1, Math.max(1, scale.y(now))).toFixed(1));
  setText(
    nodes.pins,
    drawn
      .slice(1)
      .map(({ letter, series }) => `${letter} ${say(state, series.mid[i])}`)
      .join("  "),
  );
}

function strength({ row, drawn }, i) {
  const first = drawn[0];
  if (!first) return 0;
  const rest = first.result.rest?.[row.id] ?? first.series.mid[0];
  return Math.min(1, Math.sqrt(Math.abs(first.series.mid[i] - rest) / (row.range[1] - row.range[0] || 1)));
}

function setSwitch({ row, nodes }, value) {
  const off = value < 1;
  nodes.root.classList.toggle("off", value === 0);
  nodes.root.classList.toggle("partly", off && value > 0);
  setAttr(nodes.dot, "aria-pressed", String(!off));
  const words = value === 0 ? "off" : off ? `at ${Math.round(value * 100)} %` : "on";
  setText(nodes.name, off ? `${row.name}, ${words}` : row.name);
  if (!row.switch) return;
  setAttr(nodes.dot, "aria-label", `${row.name} switch, ${words}`);
  setAttr(nodes.dot, "title", `${row.name} is ${words}. Press to switch ${off ? "on" : "off"}, hold for a part.`);
}

function asTable(state, times) {
  const { row, drawn } = state;
  const head = ["Time", ...drawn.map(({ letter }) => `${letter}, ${unitText(row.unit) || "value"}`)];
  return {
    head,
    body: times.map(({ i, tau }) => [timeLabel(tau), ...drawn.map(({ series }) => say(state, series.mid[i]))]),
  };
}

/**
 * A row and what can be told to it. `actions`: {open(id), toggle(id), fit(id)}; `timeId` is the id of the element
 * that says the time at the cursor. `draw` takes {results: [[letter, result]], xs (pixels
 * of their columns), ghost, axis, style: {log, fit}, bands, examples (whether people
 * are shown), dose, many}; `strength(i)` is the distance from rest at column i as a share of the range, 0 to 1.
 */
export function createRow(row, actions, timeId) {
  const state = { row, nodes: elements(row, actions, timeId), scale: null, scaled: "",
    size: { width: 0, height: 0 }, drawn: [], made: new Map() };
  return {
    row,
    nodes: state.nodes,
    seen: state.nodes.parts.seen,
    heightOf: (open, base) => (open ? OPEN_PX : base + (row.id === MOOD ? MOOD_PX : 0)),
    resize: (width, height) => resize(state, width, height),
    draw: (view) => draw(state, view),
    point: (i, x) => point(state, i, x),
    strength: (i) => strength(state, i),
    setSwitch: (value) => setSwitch(state, value),
    asTable: (times) => asTable(state, times),
    y: (value) => state.scale?.y(value) ?? 0,
    sentence: () => state.nodes.sentence.textContent,
  };
}
