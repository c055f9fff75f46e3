/** One row on a large linear axis, with plotly fetched only then. */

import { el } from "./dom.js";
import { button, choose, dialog, segmented } from "./widgets.js";

let loading = null;

/** An element in the head, once the browser has read it. */
const loaded = (tag, props) => new Promise((give, refuse) => {
  document.head.append(el(tag, { ...props, on: { load: give, error: () => refuse(new Error(`${props.src || props.href} could not be loaded`)) } }));
});

/** plotly, with the sheet that it fills and the marks that keep it from writing styles, which the policy forbids. */
async function start() {
  const answer = await fetch("/vendor/plotly.json");
  const parts = await answer.json();
  if (!answer.ok) throw new Error(parts.detail);
  document.head.append(...parts.present.map((id) => el("meta", { id })));
  await loaded("link", { rel: "stylesheet", id: parts.sheet, href: parts.style });
  await loaded("script", { src: parts.script });
  return window.Plotly;
}

function plotly() {
  loading = loading || start().catch((problem) => {
    loading = null;
    throw problem;
  });
  return loading;
}

const DASH = { A: "solid", B: "dash", C: "dashdot", D: "dot" };
/** A token of the style as "rgb(r, g, b)": tokens may name one colour a theme. */
function css(name) {
  const probe = el("i");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

const faint = (rgb) => rgb.replace("rgb(", "rgba(").replace(")", ", 0.2)");

/** plotly traces of one row of all letters: bands first, then the curves. */
export function tracesOf(results, row, colour, ink) {
  const traces = [];
  for (const [letter, result] of results) {
    const s = result.series[row.id];
    if (!s || !s.mid) continue;
    const x = result.time_h.map((t) => t / 24);
    const tint = letter === "A" ? colour : ink;
    if (s.q05 && s.q05.length === x.length) {
      const edge = { x, mode: "lines", line: { width: 0 }, hoverinfo: "skip", showlegend: false };
      traces.push({ ...edge, y: s.q05 }, { ...edge, y: s.q95, fill: "tonexty", fillcolor: faint(tint), name: `${letter} 90 %` });
    }
    traces.push({ x, y: s.mid, mode: "lines+markers", marker: { size: 3, color: tint }, name: letter,
      line: { color: tint, dash: DASH[letter] || "solid", width: 1.7 }, hovertemplate: `%{y:.4g} ${s.unit}, day %{x:.3f}` });
  }
  return traces;
}

/** What a lasso caught: how many points, when, and between which values. */
export function pickedText(points, format) {
  if (!points.length) return "No point caught.";
  const x = points.map((p) => p.x);
  const y = points.map((p) => p.y);
  return `${points.length} points: day ${format.range(Math.min(...x), Math.max(...x))}, value ` +
    `${format.range(Math.min(...y), Math.max(...y))}, mean ${format.number(y.reduce((a, b) => a + b, 0) / y.length)}.`;
}

export function open(app, rowId) {
  const rows = app.meta.rows;
  let row = rows.find((r) => r.id === rowId) || rows[0];
  let scale = "linear";
  let drag = "zoom";
  const plot = el("div", { class: "large-plot", role: "img" });
  const note = el("p", { class: "muted" }, "Loading the large view…");
  const { body, node } = dialog(`${row.name} on a linear axis`, { class: "wide",
    onClose: () => window.Plotly && window.Plotly.purge(plot) });
  const pick = choose("Row", rows, (id) => {
    row = rows.find((r) => r.id === id);
    draw();
  });
  pick.set(row.id);
  const kind = segmented("Scale", [{ id: "linear", name: "Linear" }, { id: "log", name: "Log" }], (id) => {
    scale = id;
    draw();
  });
  kind.set("linear");
  const tool = segmented("Dragging", [{ id: "zoom", name: "Zoom" }, { id: "pan", name: "Move" }, { id: "lasso", name: "Lasso" }],
    (id) => {
      drag = id;
      if (window.Plotly) window.Plotly.relayout(plot, { dragmode: id });
    });
  tool.set("zoom");
  const whole = button("Whole range", () => window.Plotly && window.Plotly.relayout(plot, { "xaxis.autorange": true, "yaxis.autorange": true }));
  const picked = el("p", { class: "muted", role: "status" });
  body.append(el("div", { class: "row-end start" }, pick.root, kind.root, tool.root, whole), plot, note, picked);

  async function draw() {
    try {
      const Plotly = await plotly();
      if (!node.isConnected) return;
      const results = new Map(app.store.get().scenarios.map((s) => [s.letter, app.resultOf(s.letter)]).filter(([, r]) => r));
      const ink = css("--ink");
      const line = css("--line");
      const axis = { gridcolor: line, zerolinecolor: line, color: ink };
      const unit = app.format.unitText(row.unit);
      await Plotly.react(plot, tracesOf(results, row, css(`--stage-${row.colour}`), ink), {
        paper_bgcolor: "transparent", plot_bgcolor: "transparent", font: { color: ink, size: 12 },
        margin: { l: 60, r: 16, t: 10, b: 44 }, dragmode: drag, showlegend: results.size > 1,
        xaxis: { ...axis, title: { text: "days since the first dose" } },
        yaxis: { ...axis, type: scale, title: { text: `${row.name}${unit ? `, ${unit}` : ""}` } },
      }, { displayModeBar: false, responsive: true });
      plot.removeAllListeners("plotly_selected");
      plot.on("plotly_selected", (e) => { picked.textContent = e ? pickedText(e.points, app.format) : ""; });
      plot.setAttribute("aria-label", `${row.name} of ${[...results.keys()].join(", ")} on a linear time axis; ` +
        "the chain has the same curve with a table.");
      note.textContent = "Drag to zoom, double press to go back. One point is one column of the chain: the value at its centre.";
    } catch (problem) {
      note.textContent = `The large view cannot be shown: ${problem.message}`;
    }
  }
  draw();
}
