// From series to path data. Pure: numbers in, text out.

const round = (value) => Math.round(value * 10) / 10;

/** A value scale for one row: `y(value)` in pixels from the top, kept just inside the box. */
export function createScale({ low, high, height, log = false, top = 5, bottom = 5 }) {
  const floor = log ? Math.max(low, high / 1e4) : low;
  const shape = log ? (value) => Math.log10(Math.max(value, floor / 10)) : (value) => value;
  const from = shape(floor);
  const span = shape(high) - from || 1;
  const room = height - top - bottom;
  const y = (value) => Math.min(height + 3, Math.max(-3, top + room * (1 - (shape(value) - from) / span)));
  return { y, low: floor, high, log, height };
}

/** x in pixels of every column centre, from the times of a reply, whatever axis they were asked with. */
export function columnPixels(time_h, axis, width) {
  return time_h.map((time) => round(axis.x(time - axis.dose_h) * width));
}

/** Index of the time nearest to `time` in the rising list `time_h`. */
export function nearestColumn(time_h, time) {
  let low = 0;
  let high = time_h.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (time_h[middle] <= time) low = middle;
    else high = middle;
  }
  return time - time_h[low] <= time_h[high] - time ? low : high;
}

/**
 * Path of a curve: through the middle of each column, and over the least and greatest value where they differ
 * by more than a pixel, so that a spike inside a column keeps its height. Flat stretches cost two points.
 */
export function curvePath(series, xs, scale) {
  const { lo, hi, mid } = series;
  let path = "";
  let last = null;
  let held = null;
  const put = (x, y) => {
    if (last !== null && y === last) {
      held = x;
      return;
    }
    if (held !== null) path += `H${held}`;
    path += `${path ? "L" : "M"}${x} ${y}`;
    last = y;
    held = null;
  };
  for (let i = 0; i < xs.length; i += 1) {
    const middle = round(scale.y(mid[i]));
    if (lo && hi) {
      const up = round(scale.y(hi[i]));
      const down = round(scale.y(lo[i]));
      if (down - up > 1) {
        const rising = last === null || Math.abs(last - down) < Math.abs(last - up);
        put(xs[i], rising ? down : up);
        put(xs[i], rising ? up : down);
      }
    }
    put(xs[i], middle);
  }
  return held === null ? path : `${path}H${held}`;
}

/** One line through all columns, from the first or from the last; flat stretches cost two points. */
function line(values, xs, scale, first, step) {
  let path = "";
  let last = null;
  let held = null;
  for (let i = first; i >= 0 && i < xs.length; i += step) {
    const y = round(scale.y(values[i]));
    if (y === last) held = xs[i];
    else {
      path += held === null ? `${path && "L"}${xs[i]} ${y}` : `H${held}L${xs[i]} ${y}`;
      last = y;
      held = null;
    }
  }
  return held === null ? path : `${path}H${held}`;
}

/** Path of the region between two quantiles. */
export function bandPath(low, high, xs, scale) {
  if (!low || !high || !xs.length) return "";
  return `M${line(high, xs, scale, 0, 1)}L${line(low, xs, scale, xs.length - 1, -1)}Z`;
}

/** Plain lines through all columns, one for each list of values. */
export function linesPath(lists, xs, scale) {
  return lists.map((values) => `M${line(values, xs, scale, 0, 1)}`).join("");
}

/** Outline of a band: its two edges without the region between. */
export function edgePath(low, high, xs, scale) {
  if (!low || !high || !xs.length) return "";
  return linesPath([low, high], xs, scale);
}

/** Least and greatest value of several series over all columns. */
export function extent(many) {
  let low = Infinity;
  let high = -Infinity;
  for (const series of many) {
    for (const value of series.lo ?? series.mid) if (value < low) low = value;
    for (const value of series.hi ?? series.mid) if (value > high) high = value;
  }
  return low <= high ? [low, high] : null;
}

/** A little room around an extent, for a row whose range is fitted to its curves. */
export function fitted([low, high], zero) {
  const room = (high - low || Math.abs(high) || 1) * 0.05;
  return [zero === 0 && low >= 0 ? 0 : low - room, high + room];
}

/**
 * One sentence about a curve: where it starts, where it is farthest from its start and when, where it ends.
 * `say(value)` and `when(time_h)` write numbers and times.
 */
export function describe(name, series, time_h, say, when) {
  const { mid } = series;
  const start = mid[0];
  let far = 0;
  for (let i = 1; i < mid.length; i += 1) if (Math.abs(mid[i] - start) > Math.abs(mid[far] - start)) far = i;
  const end = mid[mid.length - 1];
  if (say(mid[far]) === say(start)) return `${name}: stays at ${say(start)}.`;
  const word = mid[far] > start ? "highest" : "lowest";
  return `${name}: starts at ${say(start)}, ${word} ${say(mid[far])} at ${when(time_h[far])}, ends at ${say(end)}.`;
}
