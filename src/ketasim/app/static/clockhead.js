// The header of the chain: names of the clocks, ticks, seams that can be moved, dose marks and the flag.

import { clockOf, moveSeam } from "./axis.js";
import { clear, el, setAttr, setText, svg } from "./dom.js";
import { timeLabel, timeWords } from "./format.js";
import { seams, ticks } from "./ticks.js";

const MOST_MARKS = 400;
const LETTER_PX = 8;

function drawNames({ axis, width, names, actions }) {
  const shown = axis.pieces.filter(
    (piece) => piece.name && (piece.x1 - piece.x0) * width > LETTER_PX * piece.name.length,
  );
  clear(names).append(
    ...shown.map((piece) => {
      const key = clockOf(piece);
      const wide = piece.x1 - piece.x0 > 0.65;
      const still = axis.kind !== "clocks" || axis.pieces.length === 1;
      const name = still
        ? el("span", { class: "clock-name" }, piece.name)
        : el(
            "button",
            {
              type: "button",
              class: "clock-name",
              "aria-pressed": String(wide),
              title: `Press for 70 % of the width${key ? ` (key ${key})` : ""}`,
              tabindex: "-1",
              on: { click: () => actions.widen(wide ? null : piece.piece) },
            },
            piece.name,
          );
      name.style.left = `${((piece.x0 + piece.x1) / 2) * width}px`;
      return name;
    }),
  );
}

function doseMarks({ axis, width }, doses) {
  const marks = doses.slice(0, MOST_MARKS).map((dose) => {
    const from = axis.x(dose.time_h - axis.dose_h) * width;
    const to = axis.x((dose.end_h ?? dose.time_h) - axis.dose_h) * width;
    if (to < 0 || from > width) return null;
    const title = svg("title", {}, `${dose.text}, ${timeWords(dose.time_h - axis.dose_h, dose.clock)}`);
    const shape =
      to - from > 6
        ? svg("rect", { x: from.toFixed(1), y: 46, width: (to - from).toFixed(1), height: 5 }, title)
        : svg("path", { d: `M${(from - 3.5).toFixed(1)} 45h7l-3.5 6z` }, title);
    shape.setAttribute("class", `dose-mark ${dose.other ? "other" : ""}`);
    return shape;
  });
  return marks.filter(Boolean);
}

function drawScale({ axis, width, scale, ticksAt }) {
  setAttr(scale, "width", width);
  const texts = ticks(axis, width).map((tick) =>
    svg(
      "text",
      {
        x: (tick.x * width).toFixed(1),
        y: 11,
        class: tick.bold ? "tick seam" : "tick",
        "text-anchor": tick.x < 0.01 ? "start" : "middle",
      },
      tick.text,
    ),
  );
  clear(ticksAt).append(...texts);
}

/** Handles stay the same elements while a seam is dragged, so that the pointer keeps hold of one. */
function drawHandles(state) {
  const { axis, width, handles } = state;
  const marks = axis.kind === "clocks" ? seams(axis).filter((mark) => mark.seam) : [];
  const key = marks.map((mark) => mark.text).join();
  if (key !== state.seamKey) {
    state.seamKey = key;
    clear(handles).append(...marks.map((mark) => handle(state, mark)));
  }
  marks.forEach((mark, i) => {
    handles.children[i].style.left = `${mark.x * width}px`;
    setAttr(handles.children[i], "aria-valuenow", Math.round(mark.x * 100));
  });
}

function handle(state, mark) {
  const node = el("div", {
    class: "seam-handle",
    role: "separator",
    tabindex: "0",
    "aria-orientation": "vertical",
    "aria-valuemin": "0",
    "aria-valuemax": "100",
    "aria-label": `Seam at ${mark.text}: arrow keys move it`,
    title: "Drag to give a clock more room",
  });
  const move = (delta, history) => state.actions.shares(moveSeam(state.axis.shares, mark.seam, delta), { history });
  node.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -0.01, ArrowRight: 0.01 }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    move(step * (event.shiftKey ? 5 : 1), true);
  });
  node.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    event.stopPropagation();
    node.focus();
    node.setPointerCapture(event.pointerId);
    let last = event.clientX;
    const drag = (step) => {
      move((step.clientX - last) / state.width, false);
      last = step.clientX;
    };
    node.addEventListener("pointermove", drag);
    node.addEventListener(
      "lostpointercapture",
      () => {
        node.removeEventListener("pointermove", drag);
        move(0, true);
      },
      { once: true },
    );
  });
  return node;
}

function drawGrid({ axis, width, grid }, height) {
  setAttr(grid, "width", width);
  setAttr(grid, "height", height);
  const shaded = axis.pieces
    .filter((_, i) => i % 2 === 1 && axis.kind === "clocks")
    .map((piece) =>
      svg("rect", {
        x: (piece.x0 * width).toFixed(1),
        y: 0,
        width: ((piece.x1 - piece.x0) * width).toFixed(1),
        height: "100%",
      }),
    );
  const lines = seams(axis).map((mark) =>
    svg("path", { d: `M${Math.round(mark.x * width) + 0.5} 0v${height}`, class: mark.tau === 0 ? "dose-line" : "" }),
  );
  clear(grid).append(...shaded, ...lines);
}

function point({ axis, width, flag, widths }, i, tau, dose) {
  const x = axis.x(tau) * width;
  const label = timeLabel(tau);
  setText(flag, label);
  // Asking for its width forces a layout; digits are all as wide, so that labels of one pattern are too.
  const shape = label.replace(/\d/g, "0");
  const half = (widths.get(shape) ?? flag.offsetWidth) / 2;
  if (half) widths.set(shape, 2 * half);
  flag.style.transform = `translateX(${Math.min(width - half, Math.max(half, x)) - half}px)`;
  setAttr(flag, "aria-valuenow", i);
  setAttr(flag, "aria-valuetext", timeWords(tau, dose));
}

/** `actions`: {widen(piece), shares(list, {history})}; `flagId` names the flag for the rows. */
export function createHead(actions, flagId) {
  const state = {
    actions,
    names: el("div", { class: "clock-names" }),
    ticksAt: svg("g"),
    marks: svg("g"),
    scale: svg("svg", { class: "clock-scale", "aria-hidden": "true", height: 52 }),
    handles: el("div", { class: "clock-seams" }),
    grid: svg("svg", { class: "grid", "aria-hidden": "true" }),
    flag: el("div", {
      class: "flag",
      id: flagId,
      role: "slider",
      tabindex: "0",
      "aria-label": "Time",
      "aria-orientation": "horizontal",
      "aria-valuemin": "0",
      "aria-valuemax": "479",
    }),
    widths: new Map(),
    axis: null,
    width: 0,
    seamKey: "",
  };
  const { names, scale, handles, flag, grid } = state;
  scale.append(state.ticksAt, state.marks);
  const root = el("div", { class: "clock-head" }, el("div", { class: "clock-box" }, names, scale, handles, flag));

  let before = {};
  /** Only what has changed is made anew: while a dose is dragged that is its mark alone. */
  function draw(axis, width, doses, height) {
    const moved = axis !== before.axis || width !== before.width;
    const marks = doses.map(({ time_h, end_h, text, clock, other }) => [time_h, end_h, text, clock, other].join()).join();
    Object.assign(state, { axis, width });
    if (moved) {
      drawNames(state);
      drawScale(state);
      drawHandles(state);
    }
    if (moved || marks !== before.marks) clear(state.marks).append(...doseMarks(state, doses));
    if (moved || height !== before.height) drawGrid(state, height);
    before = { axis, width, marks, height };
  }

  return { root, grid, draw, point: (i, tau, dose) => point(state, i, tau, dose) };
}
