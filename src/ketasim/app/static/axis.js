// The clock axis: tau (hours since the chosen dose) to x (0 to 1), one piecewise-linear rule. Pure.
// Its twin on the server uses the same knots and shares, so that column i of a reply is x = (i + 0.5) / columns.

/** Columns of the chain: one reply holds as many values for a row. */
export const COLUMNS = 480;
export const CLOCKS = ["Minutes", "Hours", "Days", "Weeks"];
export const HALF_YEAR_H = 182 * 24;
const SHARES = [0.035, 0.265, 0.2, 0.26, 0.24];
const SEAMS = [0, 2, 24, 336];
const BEFORE_SHARE = 0.14;
const WIDE = 0.7;
const LEAST = 0.06;
const LOG_FIRST_H = 0.1;
const LOG_PER_DECADE = 10;

const sum = (values) => values.reduce((total, value) => total + value, 0);

/** Shares that add up to one. */
export function normalised(shares) {
  const total = sum(shares);
  return shares.map((share) => share / total);
}

/**
 * Knots and shares of the four clocks.
 *
 * `dose_h` is the time of the chosen dose since the first one, `end_h` the end of the view since the first dose.
 * From the second dose on, the time before it is one piece named Before. A clock which the view does not reach is
 * left out, and its share goes to the others.
 */
export function fourClocks(dose_h, end_h) {
  const end = Math.max(end_h - dose_h, 3);
  const start = dose_h > 0 ? -dose_h - Math.min(24, 0.05 * dose_h) : (-2 * SHARES[0]) / SHARES[1];
  const inner = SEAMS.filter((seam) => seam < end * 0.98);
  const knots = [start, ...inner, end];
  const shares = SHARES.slice(0, inner.length + 1);
  if (dose_h <= 0) return { knots, shares: normalised(shares) };
  const rest = normalised(shares.slice(1)).map((share) => share * (1 - BEFORE_SHARE));
  return { knots, shares: [BEFORE_SHARE, ...rest] };
}

/** One clock: linear time. */
export function oneClock(dose_h, end_h) {
  const end = Math.max(end_h - dose_h, 3);
  const lead = 0.02 * (end_h || 3);
  return { knots: [-dose_h - lead, end], shares: [1] };
}

/** Logarithmic time after the dose, as ten straight pieces a decade; what came before is one piece. */
export function logClock(dose_h, end_h) {
  const end = Math.max(end_h - dose_h, 3);
  const steps = Math.ceil(Math.log10(end / LOG_FIRST_H) * LOG_PER_DECADE);
  const ratio = (end / LOG_FIRST_H) ** (1 / steps);
  const knots = [dose_h > 0 ? -dose_h - 1 : -0.05, 0];
  for (let i = 0; i <= steps; i += 1) knots.push(i === steps ? end : LOG_FIRST_H * ratio ** i);
  const before = dose_h > 0 ? BEFORE_SHARE : 0.03;
  const each = (1 - before - 0.05) / steps;
  return { knots, shares: [before, 0.05, ...Array(steps).fill(each)] };
}

/** Only one of the four clocks, over the whole width (small screens). */
export function singleClock(index, dose_h, end_h) {
  const { knots } = fourClocks(dose_h, end_h);
  const last = knots.length - 2;
  const piece = Math.min(index + 1, last);
  if (piece === 1) return { knots: knots.slice(0, 3), shares: [0.06, 0.94] };
  return { knots: [knots[piece], knots[piece + 1]], shares: [1] };
}

/** Give piece `piece` 70 % of the width; the others keep their proportions and at least 6 %. */
export function widen(shares, piece) {
  const others = shares.filter((_, i) => i !== piece);
  const room = 1 - WIDE;
  const floor = Math.min(LEAST, room / others.length);
  const total = sum(others);
  const spare = room - floor * others.length;
  return shares.map((share, i) => (i === piece ? WIDE : floor + (spare * share) / total));
}

/** Move the seam between pieces `seam` - 1 and `seam` by `delta` of the width; each keeps at least 2 %. */
export function moveSeam(shares, seam, delta) {
  const least = 0.02;
  const low = least - shares[seam - 1];
  const high = shares[seam] - least;
  const step = Math.min(Math.max(delta, Math.min(low, 0)), Math.max(high, 0));
  return shares.map((share, i) => (i === seam - 1 ? share + step : i === seam ? share - step : share));
}

/** Edges of the pieces in x. */
function edgesOf(shares) {
  const edges = [0];
  for (const share of normalised(shares)) edges.push(edges[edges.length - 1] + share);
  edges[edges.length - 1] = 1;
  return edges;
}

function pieceAt(values, value) {
  let i = 0;
  while (i < values.length - 2 && value >= values[i + 1]) i += 1;
  return i;
}

/**
 * The axis itself. `knots` (n + 1 hours, rising) and `shares` (n widths) with the time of the dose.
 *
 * Returns `x(tau)` and `tau(x)` (inverse of each other, straight beyond the ends), `pieces`
 * `[{name, from, to, x0, x1, piece}]`, `column(tau, columns)` and `centre(column, columns)`.
 */
export function createAxis({ knots, shares, dose_h = 0, kind = "clocks" }) {
  const edges = edgesOf(shares);
  const x = (tau) => {
    const i = pieceAt(knots, tau);
    return edges[i] + ((tau - knots[i]) / (knots[i + 1] - knots[i])) * (edges[i + 1] - edges[i]);
  };
  const tau = (position) => {
    const i = pieceAt(edges, position);
    return knots[i] + ((position - edges[i]) / (edges[i + 1] - edges[i])) * (knots[i + 1] - knots[i]);
  };
  const column = (time, columns) => Math.min(columns - 1, Math.max(0, Math.floor(x(time) * columns)));
  const centre = (index, columns) => tau((index + 0.5) / columns);
  const pieces = knots.slice(0, -1).map((from, i) => {
    const to = knots[i + 1];
    return { from, to, x0: edges[i], x1: edges[i + 1], piece: i, name: pieceName(from, to, kind) };
  });
  const end = knots[knots.length - 1];
  return { knots, shares: normalised(shares), dose_h, kind, start: knots[0], end, x, tau, column, centre, pieces };
}

function pieceName(from, to, kind) {
  if (kind === "linear") return "One clock";
  if (kind === "log") return "";
  if (from < 0) return from < -1 ? "Before" : "";
  if (from < 2) return "Minutes";
  if (from < 24) return "Hours";
  if (from < 336) return "Days";
  return to > HALF_YEAR_H ? "Months" : "Weeks";
}

/** The index (1 to 4) of the clock that a piece shows; 0 for Before. */
export function clockOf(piece) {
  return piece.name === "Months" ? 4 : CLOCKS.indexOf(piece.name) + 1;
}
