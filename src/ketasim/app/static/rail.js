// The diagram at the left of the rows: dots are joined by arrows whose strength follows the upstream stage.

import { setAttr, svg } from "./dom.js";

/** Rows of the longest chain of plain arrows that ends at the last main row. */
export function trunkOf(rows) {
  const main = rows.filter((row) => row.group === "main");
  const best = new Map();
  for (const row of main) {
    const parents = row.parents.filter((edge) => edge.kind !== "fast" && edge.kind !== "bar" && best.has(edge.id));
    const longest = parents.map((edge) => best.get(edge.id)).sort((a, b) => b.length - a.length)[0] ?? [];
    best.set(row.id, [...longest, row.id]);
  }
  return new Set(best.get(main[main.length - 1]?.id) ?? []);
}

/** All arrows between the rows shown, each with the lane in which it runs. */
export function edgesOf(rows, trunk) {
  const place = new Map(rows.map((row, i) => [row.id, i]));
  const edges = [];
  let right = 0;
  for (const row of rows) {
    for (const { id, sign, kind } of row.parents) {
      if (!place.has(id)) continue;
      const gap = Math.abs(place.get(row.id) - place.get(id));
      let lane = "straight";
      if (row.group !== "main") lane = "harm";
      else if (kind === "fast") lane = "fast";
      else if (!(trunk.has(id) && trunk.has(row.id)) && gap > 1) lane = `right${(right += 1)}`;
      edges.push({ from: id, to: row.id, sign, lane });
    }
  }
  return edges;
}

const DOT = 7;
/** Finer differences in strength than this cannot be seen. */
const STEPS = 25;

function elbow(from, to, x, end) {
  const turn = to.y > from.y ? 7 : -7;
  const side = Math.sign(x - to.x);
  return (
    `M${from.x} ${from.y}H${x - Math.sign(x - from.x) * 7}Q${x} ${from.y} ${x} ${from.y + turn}` +
    `V${to.y - turn}Q${x} ${to.y} ${x - side * 7} ${to.y}H${to.x + side * end}`
  );
}

function straight(from, to) {
  const down = to.y > from.y ? 1 : -1;
  if (from.x === to.x) return `M${from.x} ${from.y + down * DOT}V${to.y - down * (DOT + 3)}`;
  return (
    `M${from.x} ${from.y + down * DOT}C${from.x} ${(from.y + to.y) / 2} ${to.x} ${(from.y + to.y) / 2} ` +
    `${to.x} ${to.y - down * (DOT + 3)}`
  );
}

function head(edge, from, to, lanes) {
  if (edge.lane === "straight") {
    const down = to.y > from.y ? 1 : -1;
    const y = to.y - down * (DOT + 2);
    if (edge.sign < 0 && from.x !== to.x) return `M${to.x - 4} ${y}H${to.x + 4}`;
    return `M${to.x - 3.5} ${y - down * 4}L${to.x} ${y}L${to.x + 3.5} ${y - down * 4}`;
  }
  const side = edge.lane.startsWith("right") ? 1 : -1;
  const x = to.x + side * (DOT + 2);
  if (edge.sign < 0 && side === 1) return `M${x} ${to.y - 4}V${to.y + 4}`;
  return lanes.harm && edge.lane === "harm"
    ? ""
    : `M${x + side * 4} ${to.y - 3.5}L${x} ${to.y}L${x + side * 4} ${to.y + 3.5}`;
}

/**
 * The rail in an SVG over all rows. `layout(points, lanes)` places arrows for `points` {id: {x, y}};
 * `update(strength)` sets width and opacity from the distance of the upstream stage from rest, 0 to 1.
 */
export function createRail(rows) {
  const trunk = trunkOf(rows);
  const edges = edgesOf(rows, trunk);
  const root = svg("svg", { class: "rail", "aria-hidden": "true" });
  const colour = new Map(rows.map((row) => [row.id, `var(--stage-${row.colour})`]));
  const parts = edges.map((edge) => {
    const stroke = edge.lane === "harm" ? "var(--stage-harms)" : colour.get(edge.from);
    const line = svg("path", { class: `edge ${edge.lane === "harm" ? "harm" : ""}`, stroke });
    const tip = svg("path", { class: "edge tip", stroke });
    root.append(line, tip);
    return { ...edge, line, tip };
  });
  const label = svg("text", { class: "fast-word" }, "fast arm");
  root.append(label);

  function layout(points, lanes, height) {
    setAttr(root, "height", height);
    let word = false;
    for (const part of parts) {
      const from = points.get(part.from);
      const to = points.get(part.to);
      const shown = Boolean(from && to);
      part.line.style.display = part.tip.style.display = shown ? "" : "none";
      if (!shown) continue;
      const lane = part.lane.startsWith("right")
        ? lanes.right - 4 * (Number(part.lane.slice(5)) % 3)
        : lanes[part.lane];
      setAttr(part.line, "d", part.lane === "straight" ? straight(from, to) : elbow(from, to, lane, DOT + 3));
      setAttr(part.tip, "d", head(part, from, to, lanes));
      if (part.lane === "fast") {
        word = true;
        const middle = (from.y + to.y) / 2;
        setAttr(label, "transform", `translate(${lanes.fast - 3} ${middle}) rotate(-90)`);
      }
    }
    label.style.display = word && lanes.words ? "" : "none";
  }

  function update(strength, off) {
    for (const part of parts) {
      const power = Math.round(strength(part.from) * STEPS) / STEPS;
      const broken = off.has(part.from);
      if (power === part.power && broken === part.broken) continue;
      Object.assign(part, { power, broken });
      part.line.style.strokeWidth = (1 + 3 * power).toFixed(2);
      part.line.style.opacity = part.tip.style.opacity = (
        (0.3 + 0.7 * power) *
        (part.lane === "harm" ? 0.5 : 1)
      ).toFixed(2);
      part.line.classList.toggle("broken", broken);
    }
  }

  return { root, trunk, layout, update };
}
