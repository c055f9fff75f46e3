/** Charts of the Trial view: SVG drawn for the width that it has. Pure but for the nodes that they give back. */

import { finite } from "./format.js";
import { el, put, svg } from "./dom.js";

const WORDS_PX = 7.7;

/** A drawing that is made again when its width changes. `draw(width)` gives an SVG node. */
export function fluid(draw) {
  const box = el("div", { class: "chart" });
  let last = 0;
  const watch = new ResizeObserver(([entry]) => {
    const width = Math.round(entry.contentRect.width);
    if (width < 40 || Math.abs(width - last) < 2) return;
    last = width;
    put(box, draw(width));
  });
  watch.observe(box);
  return box;
}

/** Round numbers that cover [low, high]. */
export function niceTicks(low, high, count = 4) {
  const span = high - low || 1;
  const rough = span / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= rough) || 10 * power;
  const ticks = [];
  for (let v = Math.ceil(low / step - 1e-9) * step; v <= high + step * 1e-9; v += step) ticks.push(Number(v.toPrecision(10)));
  return ticks;
}

/** Move label positions apart to at least `gap`, keeping their order; never below `top` or above `bottom`. */
export function spread(wanted, gap, top, bottom) {
  const order = wanted.map((y, i) => [y, i]).sort((a, b) => a[0] - b[0]);
  const out = new Array(wanted.length);
  let last = -Infinity;
  for (const [y, i] of order) {
    out[i] = Math.max(y, last + gap, top);
    last = out[i];
  }
  let limit = bottom;
  for (const [, i] of order.reverse()) {
    out[i] = Math.min(out[i], limit);
    limit = out[i] - gap;
  }
  return out;
}

/** Class names that give an arm its stroke: the first is coloured, the others neutral, a control grey. */
export function strokeOf(arms, id) {
  const at = arms.findIndex((a) => a.id === id);
  if (at >= 0 && arms[at].control) return "arm arm-x";
  const rank = arms.slice(0, at).filter((a) => !a.control).length;
  return `arm arm-${"abcd"[Math.min(3, rank)]}`;
}

const scaleOf = (from, to) => (v) => to[0] + ((v - from[0]) / (from[1] - from[0] || 1)) * (to[1] - to[0]);
const text = (x, y, words, props = {}) => svg("text", { x, y, ...props }, words);
const shorten = (name, px) => {
  const most = Math.max(4, Math.floor(px / WORDS_PX));
  return name.length > most ? `${name.slice(0, most - 1)}…` : name;
};
const days = (h) => Number((h / 24).toPrecision(3));

/** Ticks in days that do not run into one another at this width. */
function roomy(values, x, gap = 26) {
  let last = -Infinity;
  return values.filter((v) => {
    if (x(v) - last < gap) return false;
    last = x(v);
    return true;
  });
}

function frame(width, height, kids) {
  return svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, "aria-hidden": "true" }, kids);
}

/** The scale by visit, one line an arm, whiskers for the range. `rows`: endpoints of one quantity. */
export function visitsChart(rows, arms, unit) {
  return (width) => {
    const height = 240;
    const shown = arms.filter((a) => rows.some((r) => r.arm === a.id));
    const right = Math.min(176, width * 0.34);
    const values = rows.flatMap((r) => [r.estimate, r.low, r.high]).filter(finite);
    const low = Math.min(...values);
    const high = Math.max(...values);
    const pad = (high - low) * 0.06 || 1;
    const x = scaleOf([0, Math.max(...rows.map((r) => r.visit_h), 24)], [40, width - right]);
    const y = scaleOf([low - pad, high + pad], [height - 30, 14]);
    const grid = niceTicks(low - pad, high + pad).map((v) => [
      svg("line", { x1: 36, x2: width - right, y1: y(v), y2: y(v), class: "c-grid" }),
      text(30, y(v) + 4, String(v).replace("-", "−"), { "text-anchor": "end" })]);
    const visits = [...new Set(rows.map((r) => r.visit_h))].sort((a, b) => a - b);
    const marks = roomy(visits, x).map((v) => text(x(v), height - 10, String(days(v)), { "text-anchor": "middle" }));
    const ends = [];
    const lines = shown.map((a, k) => {
      const mine = rows.filter((r) => r.arm === a.id && finite(r.estimate)).sort((p, q) => p.visit_h - q.visit_h);
      const nudge = (k - (shown.length - 1) / 2) * 3;
      ends.push(y(mine[mine.length - 1].estimate));
      const d = mine.map((r, i) => `${i ? "L" : "M"}${(x(r.visit_h) + nudge).toFixed(1)} ${y(r.estimate).toFixed(1)}`).join("");
      return svg("g", { class: strokeOf(arms, a.id) }, svg("path", { d, class: "course" }),
        mine.map((r) => [finite(r.low) && svg("line", { x1: x(r.visit_h) + nudge, x2: x(r.visit_h) + nudge, y1: y(r.low),
          y2: y(r.high), class: "whisker" }), svg("circle", { cx: x(r.visit_h) + nudge, cy: y(r.estimate), r: 4, class: "point" })]));
    });
    const at = spread(ends, 14, 12, height - 32);
    const names = shown.map((a, i) => text(width - right + 10, at[i] + 4, shorten(a.name, right - 12),
      { class: `${strokeOf(arms, a.id)} name` }));
    return frame(width, height, [grid, lines, names, marks, text(4, 10, unit || ""),
      text(width - right + 10, height - 10, "days")]);
  };
}

/** Kaplan-Meier steps with the people still in follow-up under the axis. */
export function survivalChart(curves, arms) {
  return (width) => {
    const plot = 170;
    const right = Math.min(176, width * 0.34);
    const height = plot + 46 + curves.length * 16;
    const end = Math.max(...curves.flatMap((c) => c.time_h), 24);
    const weeks = end > 24 * 28;
    const per = weeks ? 168 : 24;
    const x = scaleOf([0, end], [46, width - right]);
    const y = scaleOf([0, 1], [plot - 20, 12]);
    const grid = [0, 0.5, 1].map((v) => [svg("line", { x1: 42, x2: width - right, y1: y(v), y2: y(v), class: "c-grid" }),
      text(36, y(v) + 4, `${v * 100} %`, { "text-anchor": "end" })]);
    const ticks = niceTicks(0, end / per, Math.max(2, Math.min(6, Math.floor(width / 90))));
    const marks = ticks.map((v) => text(x(v * per), plot - 2, String(v), { "text-anchor": "middle" }));
    const ends = [];
    const lines = curves.map((c) => {
      let d = "";
      c.time_h.forEach((t, i) => { d += i ? `H${x(t).toFixed(1)}V${y(c.s[i]).toFixed(1)}` : `M${x(t).toFixed(1)} ${y(c.s[0]).toFixed(1)}`; });
      d += `H${x(end).toFixed(1)}`;
      ends.push(y(c.s[c.s.length - 1]));
      return svg("path", { d, class: `${strokeOf(arms, c.arm)} course` });
    });
    const at = spread(ends, 14, 12, plot - 22);
    const nameOf = (id) => (arms.find((a) => a.id === id) || { name: id }).name;
    const names = curves.map((c, i) => text(width - right + 10, at[i] + 4, shorten(nameOf(c.arm), right - 12),
      { class: `${strokeOf(arms, c.arm)} name` }));
    const risk = curves.map((c, k) => {
      const line = plot + 40 + k * 16;
      const spots = roomy((c.at_risk || []).map((r) => r.time_h), x, 34);
      return [spots.map((t) => text(x(t), line, String(Math.round(c.at_risk.find((r) => r.time_h === t).n)),
        { "text-anchor": "middle", class: `${strokeOf(arms, c.arm)} name` })),
      text(width - right + 20, line, shorten(nameOf(c.arm), right - 22), { class: `${strokeOf(arms, c.arm)} name` })];
    });
    return frame(width, height, [grid, lines, names, marks, text(width - right + 10, plot - 2, weeks ? "weeks" : "days"),
      text(6, plot + 22, "Still followed, people in one trial"), risk]);
  };
}

/** Of 100 people: a strip of 100 dots for each outcome and arm. */
export function dotsChart(items, arms) {
  return (width) => {
    const head = 20;
    const lines = Math.max(...items.map((i) => i.arms.length), 1);
    const strip = 22;
    const block = head + lines * strip + 8;
    const nameWidth = Math.min(176, width * 0.36);
    const step = (width - nameWidth - 52) / 50;
    const r = Math.max(1.2, Math.min(3.2, step * 0.36));
    const row = (n, x0, y0, cls) => {
      const first = Math.min(50, n);
      const d = `${first > 0 ? `M${x0} ${y0}h${((first - 1) * step).toFixed(2)}` : ""}` +
        `${n > 50 ? `M${x0} ${y0 + 9}h${((n - 51) * step).toFixed(2)}` : ""}`;
      return d && svg("path", { d, class: cls, "stroke-dasharray": `0 ${step}`, "stroke-width": 2 * r });
    };
    const nodes = items.map((item, k) => {
      const top = k * block;
      return [text(0, top + 13, item.label, { class: "strong" }), item.arms.map((a, i) => {
        const y0 = top + head + 6 + i * strip;
        const n = Math.max(0, Math.min(100, Math.round(a.value)));
        const name = (arms.find((b) => b.id === a.arm) || { name: a.arm }).name;
        const kind = (arms.find((b) => b.id === a.arm) || {}).control ? "other" : item.benefit ? "good" : "bad";
        return [text(0, y0 + 8, shorten(name, nameWidth - 8), { class: "muted" }),
          row(100, nameWidth, y0, "dots dots-none"), row(n, nameWidth, y0, `dots dots-${kind}`),
          text(width - 2, y0 + 8, String(n), { "text-anchor": "end", class: "strong" })];
      })];
    });
    return frame(width, items.length * block, nodes);
  };
}

/** The lines of the forest: all people, then each group by name with its levels below. */
function forestLines(groups) {
  const lines = [];
  let last = "";
  for (const g of groups) {
    if (g.group && g.group !== last && g.level !== "all") lines.push({ head: g.group });
    last = g.group;
    lines.push({ g, all: g.level === "all" });
  }
  return lines;
}

/** Differences by group: a square and a range a line; left of zero is better. */
export function forestChart(groups, format) {
  return (width) => {
    const line = 22;
    const left = Math.min(150, width * 0.3);
    const right = Math.min(120, width * 0.32);
    const values = groups.flatMap((g) => [g.low, g.high, g.estimate]).filter(finite).concat(0);
    const x = scaleOf([Math.min(...values), Math.max(...values)], [left + 8, width - right - 8]);
    const lines = forestLines(groups);
    const height = lines.length * line + 30;
    const rows = lines.map(({ head, g, all }, i) => {
      const y = 14 + i * line;
      if (head) return text(0, y + 4, shorten(head, width - right), { class: "muted" });
      const range = finite(g.low) ? ` (${format.number(g.low, 2)}, ${format.number(g.high, 2)})` : "";
      return [text(all ? 0 : 12, y + 4, all ? "All" : shorten(g.level, left - 12), { class: all ? "strong" : "" }),
        finite(g.low) && svg("line", { x1: x(g.low), x2: x(g.high), y1: y, y2: y, class: "forest" }),
        finite(g.estimate) && svg("rect", { x: x(g.estimate) - (all ? 5 : 4), y: y - (all ? 5 : 4), width: all ? 10 : 8,
          height: all ? 10 : 8, class: "forest-box" }),
        text(width, y + 4, finite(g.estimate) ? `${format.number(g.estimate, 2)}${range}` : "too few", { "text-anchor": "end" })];
    });
    const ticks = niceTicks(Math.min(...values), Math.max(...values), Math.max(2, Math.floor((width - left - right) / 60)));
    return frame(width, height, [svg("line", { x1: x(0), x2: x(0), y1: 2, y2: height - 24, class: "c-zero" }), rows,
      ticks.map((v) => text(x(v), height - 6, format.number(v), { "text-anchor": "middle" }))]);
  };
}

/** Bars of a count over equal classes, with lines at marked values [{value, name}]. */
export function barsChart(edges, counts, unit, marks, format) {
  return (width) => {
    const height = 180;
    const x = scaleOf([edges[0], edges[edges.length - 1]], [10, width - 10]);
    const most = Math.max(...counts, 1);
    const y = scaleOf([0, most], [height - 30, 26]);
    const bars = counts.map((n, i) => svg("rect", { x: x(edges[i]) + 0.5, width: Math.max(0.5, x(edges[i + 1]) - x(edges[i]) - 1),
      y: y(n), height: height - 30 - y(n), class: "bar" }));
    const ticks = niceTicks(edges[0], edges[edges.length - 1], Math.max(2, Math.floor(width / 80)));
    const inside = marks.filter((m) => m.value >= edges[0] && m.value <= edges[edges.length - 1]);
    return frame(width, height, [bars, ticks.map((v, i) => text(x(v), height - 12, `${format.number(v)}${i === ticks.length - 1 &&
      unit ? ` ${unit}` : ""}`, { "text-anchor": i === ticks.length - 1 ? "end" : "middle" })),
    inside.map((m) => [svg("line", { x1: x(m.value), x2: x(m.value), y1: 20, y2: height - 30, class: "c-zero" }),
      text(Math.max(40, Math.min(width - 40, x(m.value))), 13, m.name, { "text-anchor": "middle" })])]);
  };
}

/** A median with 50 % and 90 % of people over time. */
export function courseChart(course, format) {
  return (width) => {
    const height = 220;
    const all = [...course.q05, ...course.q95].filter(finite);
    const x = scaleOf([0, Math.max(...course.time_h, 24)], [44, width - 14]);
    const y = scaleOf([Math.min(...all), Math.max(...all)], [height - 30, 14]);
    const line = (v) => v.map((q, i) => `${i ? "L" : "M"}${x(course.time_h[i]).toFixed(1)} ${y(q).toFixed(1)}`).join("");
    const area = (a, b) => `${line(b)}${a.map((q, i) => [q, i]).reverse()
      .map(([q, i]) => `L${x(course.time_h[i]).toFixed(1)} ${y(q).toFixed(1)}`).join("")}Z`;
    const grid = niceTicks(Math.min(...all), Math.max(...all)).map((v) => [
      svg("line", { x1: 40, x2: width - 14, y1: y(v), y2: y(v), class: "c-grid" }),
      text(34, y(v) + 4, format.number(v), { "text-anchor": "end" })]);
    const ticks = niceTicks(0, Math.max(...course.time_h) / 24, Math.max(2, Math.floor(width / 90)));
    return frame(width, height, [grid, svg("path", { d: area(course.q05, course.q95), class: "c-people wide" }),
      svg("path", { d: area(course.q25, course.q75), class: "c-people" }), svg("path", { d: line(course.q50), class: "arm arm-a course" }),
      ticks.map((v, i) => text(x(v * 24), height - 10, `${v}${i === ticks.length - 1 ? " d" : ""}`,
        { "text-anchor": i === ticks.length - 1 ? "end" : "middle" }))]);
  };
}
