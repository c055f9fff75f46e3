// Ticks of the clock axis: each clock in its own unit, seams with the unit. Pure.

import { HALF_YEAR_H } from "./axis.js";

const UNITS = {
  Minutes: { hours: 1 / 60, steps: [5, 10, 15, 30, 60], seam: (v) => (v === 0 ? "0" : `${v} min`) },
  Hours: { hours: 1, steps: [1, 2, 3, 4, 6, 8, 12], seam: (v) => `${v} h` },
  Days: { hours: 24, steps: [1, 2, 3, 7], seam: (v) => `${v} d` },
  Weeks: { hours: 168, steps: [1, 2, 3, 4, 8, 13, 26, 52], seam: (v) => `${v} wk` },
  Months: { hours: 730.5, steps: [1, 2, 3, 6, 12, 24, 60], seam: (v) => `${v} mo` },
};
const TICK_PX = 34;
const SEAM_PX = 26;

/** The unit in which a time span is best told. */
export function unitFor(span_h) {
  if (span_h <= 3) return "Minutes";
  if (span_h <= 48) return "Hours";
  if (span_h <= 21 * 24) return "Days";
  return span_h > HALF_YEAR_H ? "Months" : "Weeks";
}

function inside(piece, unit, width) {
  const { hours, steps } = UNITS[unit];
  const pixels = (piece.x1 - piece.x0) * width;
  const span = (piece.to - piece.from) / hours;
  const step = steps.find((each) => (each / span) * pixels >= TICK_PX) ?? null;
  if (!step) return [];
  const found = [];
  const first = Math.ceil(piece.from / hours / step + 1e-9) * step;
  for (let value = first; value * hours < piece.to - 1e-9; value += step) {
    const share = (value * hours - piece.from) / (piece.to - piece.from);
    found.push({ x: piece.x0 + share * (piece.x1 - piece.x0), text: String(value), bold: false });
  }
  return found;
}

function seamText(tau) {
  if (tau === 0) return "0";
  if (tau < 2) return `${Math.round(tau * 60)} min`;
  if (tau < 24) return `${Math.round(tau)} h`;
  if (tau < 336) return `${Math.round(tau / 24)} d`;
  return tau > HALF_YEAR_H ? `${Math.round(tau / 730.5)} mo` : `${Math.round(tau / 168)} wk`;
}

/** Seams where the scale changes, with their unit; the chosen dose is the one named 0. */
export function seams(axis) {
  if (axis.kind !== "clocks") return [{ x: axis.x(0), tau: 0, text: "0", seam: null }];
  return axis.pieces
    .filter((piece) => piece.piece > 0 || piece.from >= 0)
    .map((piece) => ({ x: piece.x0, tau: piece.from, text: seamText(piece.from), seam: piece.piece || null }));
}

function logTicks(axis) {
  const marks = [
    [0.1, "6 min"],
    [0.5, "30 min"],
    [2, "2 h"],
    [8, "8 h"],
    [24, "1 d"],
    [72, "3 d"],
    [168, "1 wk"],
    [672, "4 wk"],
    [2016, "12 wk"],
    [4383, "6 mo"],
    [8766, "1 y"],
  ];
  return marks.filter(([tau]) => tau < axis.end).map(([tau, text]) => ({ x: axis.x(tau), text, bold: true }));
}

/** All ticks over `width` pixels, none nearer to a seam's text than 22 px: `[{x, text, bold, seam}]`. */
export function ticks(axis, width) {
  const marks = seams(axis).map((mark) => ({ ...mark, bold: true }));
  if (axis.kind === "log") return spread([...marks, ...logTicks(axis)], width, TICK_PX + 8);
  const bold = spread(marks, width, SEAM_PX);
  const plain = axis.pieces.flatMap((piece) => {
    if (piece.name === "Before" || piece.name === "") return [];
    const unit = axis.kind === "linear" ? unitFor(axis.end - axis.start) : piece.name;
    return inside(piece, unit, width).map((tick) => (axis.kind === "linear" ? withUnit(tick, unit) : tick));
  });
  const free = plain.filter((tick) =>
    bold.every((mark) => Math.abs(mark.x - tick.x) * width >= SEAM_PX + (mark.x < 0.01 ? 10 : 0)),
  );
  return [...bold, ...free].filter((tick) => tick.x * width <= width - 6).sort((a, b) => a.x - b.x);
}

function withUnit(tick, unit) {
  return { ...tick, text: UNITS[unit].seam(Number(tick.text)) };
}

function spread(marks, width, least) {
  const kept = [];
  for (const mark of marks.sort((a, b) => a.x - b.x)) {
    const last = kept[kept.length - 1];
    if (!last || (mark.x - last.x) * width >= least) kept.push(mark);
  }
  return kept;
}
