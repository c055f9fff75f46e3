/** The result of a long run as cards and tables. Pure but for the nodes that it gives back. */

import { finite } from "./format.js";
import { el } from "./dom.js";
import { figure, table } from "./widgets.js";
import { citeLink } from "./citation.js";
import { words } from "./scenariodata.js";
import { barsChart, courseChart, dotsChart, fluid, forestChart, survivalChart, visitsChart } from "./charts.js";

const dayText = (h, f) => `day ${f.number(h / 24)}`;
const spanText = (low, high, f, digits = 3) => (finite(low) && finite(high) ? f.range(low, high, digits) : "none");
const nameOf = (result, id) => (result.arms.find((a) => a.id === id) || { name: id }).name;

function visitsCard(result, f) {
  const rows = (result.endpoints || []).filter((r) => r.name === result.study.scale);
  if (!rows.length) return null;
  const label = rows[0].label || words(rows[0].name);
  const arms = result.arms.filter((a) => rows.some((r) => r.arm === a.id));
  const sentence = arms.map((a) => {
    const mine = rows.filter((r) => r.arm === a.id).sort((p, q) => p.visit_h - q.visit_h);
    const first = mine[0];
    const last = mine[mine.length - 1];
    return `${a.name}: ${f.number(first.estimate)} at the start, ${f.number(last.estimate)} at ${dayText(last.visit_h, f)}`;
  }).join("; ");
  return figure({ title: `${label} by visit`, key: "visits",
    note: `Mean of ${f.number(result.replicates)} ${result.replicates === 1 ? "trial" : "trials"}; bars: ${result.uncertainty || "range"}`,
    sentence: `${sentence}.`, drawing: fluid(visitsChart(rows, result.arms, rows[0].unit)),
    head: ["Arm", "Visit", "Mean", "Range", "Change", "People"],
    rows: rows.map((r) => [nameOf(result, r.arm), dayText(r.visit_h, f), f.number(r.estimate), spanText(r.low, r.high, f),
      finite(r.change) ? f.signed(r.change) : "none", finite(r.n) ? f.number(r.n) : ""]) });
}

function survivalCard(result, f) {
  const s = result.survival;
  if (!s || !s.curves || !s.curves.some((c) => c.time_h.length > 1)) return missing("Staying well",
    "Nothing to follow: the design has too few visits after a response.");
  const curves = s.curves.filter((c) => c.time_h.length);
  const sentence = curves.map((c) => `${nameOf(result, c.arm)}: ${f.percent(c.s[c.s.length - 1])} still well at ` +
    `${dayText(c.time_h[c.time_h.length - 1], f)}`).join("; ");
  return figure({ title: s.title || "Staying well", key: "survival", note: f.sentence(s.about || s.from || ""), sentence: `${sentence}.`,
    drawing: fluid(survivalChart(curves, result.arms)), head: ["Arm", "Time", "Still well", "Range"],
    rows: curves.flatMap((c) => c.time_h.map((t, i) => [nameOf(result, c.arm), dayText(t, f), f.percent(c.s[i]),
      finite((c.low || [])[i]) ? `${f.percent(c.low[i])} to ${f.percent(c.high[i])}` : "none"])) });
}

function dotsCard(result, f) {
  const items = (result.per_100 || []).filter((i) => i.arms && i.arms.length);
  if (!items.length) return missing("Of 100 people in each arm", "This trial has no rate to count.");
  const horizon = items[0].horizon_h;
  const sentence = items.map((i) => `${i.label}: ${i.arms.map((a) => `${f.number(a.value, 2)} with ${nameOf(result, a.arm)}`)
    .join(", ")}`).join("; ");
  return figure({ title: "Of 100 people in each arm", key: "per100",
    note: `${finite(horizon) ? `By ${dayText(horizon, f)}; ` : ""}harms on any dosing day`, sentence: `${sentence}.`,
    drawing: fluid(dotsChart(items, result.arms)), head: ["Outcome", "Arm", "Of 100", "Range"],
    rows: items.flatMap((i) => i.arms.map((a) => [i.label, nameOf(result, a.arm), f.number(a.value, 3), spanText(a.low, a.high, f, 2)])) });
}

function groupsCard(result, f) {
  const groups = [...(result.groups || [])].sort((a, b) => (b.level === "all") - (a.level === "all"));
  if (!groups.length) return missing("Difference by group", "There is no comparison to split.");
  const unit = groups[0].unit || "points";
  const all = groups.find((g) => g.level === "all");
  const known = groups.filter((g) => finite(g.estimate) && g.level !== "all");
  const largest = [...known].sort((a, b) => a.estimate - b.estimate);
  const named = (g) => `${g.group ? `${g.group}: ` : ""}${g.level} (${f.number(g.estimate, 2)})`;
  const sentence = `${all && finite(all.estimate) ? `All: ${f.number(all.estimate, 2)} ${unit}. ` : ""}${known.length > 1
    ? `Lowest in ${named(largest[0])}, highest in ${named(largest[largest.length - 1])}.` : ""}`;
  return figure({ title: "Difference by group", key: "groups", note: `${f.sentence(unit)}; left of the line is better for the drug`,
    sentence: sentence || "Too few people in the groups.", drawing: fluid(forestChart(groups, f)),
    head: ["Group", "Difference", "Range", "People", "In the other arm"],
    rows: groups.map((g) => [g.level === "all" ? "All" : `${g.group}: ${g.level}`, finite(g.estimate) ? f.signed(g.estimate) : "too few",
      spanText(g.low, g.high, f), finite(g.n) ? f.number(g.n) : "", finite(g.n_comparator) ? f.number(g.n_comparator) : ""]) });
}

function powerCard(result, f) {
  const p = result.power;
  const d = result.distribution;
  if (!d || !d.counts || !d.counts.length) return missing("How often a trial of this size would show it",
    p ? powerSentence(p, f) : "It takes two trials or more.");
  const marks = [{ value: 0, name: "no difference" }, ...(finite(d.q50) ? [{ value: d.q50, name: `middle ${f.number(d.q50, 2)}` }] : [])];
  return figure({ title: "How often a trial of this size would show it", key: "power", note: p ? powerSentence(p, f) : "",
    sentence: `Estimates of ${f.number(d.counts.reduce((a, b) => a + b, 0))} trials, ${d.measure || "difference"}: half lie between ` +
      `${f.range(d.q25, d.q75)}, nine of ten between ${f.range(d.q05, d.q95)} ${d.unit || ""}.`,
    drawing: fluid(barsChart(d.edges, d.counts, d.unit, marks, f)), head: ["From", "To", "Trials"],
    rows: d.counts.map((n, i) => [f.number(d.edges[i]), f.number(d.edges[i + 1]), f.number(n)]) });
}

function powerSentence(p, f) {
  const range = finite(p.low) ? ` (${f.number(p.low * 100, 3)} to ${f.number(p.high * 100, 3)})` : "";
  const lost = p.not_estimated ? ` In ${f.number(p.not_estimated)} the analysis gave no estimate.` : "";
  return `${f.number(p.value * 100, 3)} of 100 such trials${range} find it: ${p.label}, ${String(p.method).toUpperCase()}, ` +
    `alpha ${p.alpha}, ${f.number(p.trials)} trials.${lost}`;
}

const missing = (title, why) => el("section", { class: "card" }, el("h3", {}, title), el("p", { class: "muted" }, why));

function harmsTable(result, f) {
  const rows = (result.harms || []).flatMap((h) => h.arms.map((a) => [h.label, nameOf(result, a.arm),
    f.number(a.per_100, 2), spanText(a.low, a.high, f, 2), finite(a.difference) ? f.signed(a.difference, 2) : "",
    finite(a.nnh) && a.nnh > 0 ? f.number(a.nnh, 2) : ""]));
  return rows.length ? section("Harms", table("Harms of 100 people, with the number treated for one more",
    ["Harm", "Arm", "Of 100", "Range", "More than control", "Treated for one more"], rows)) : null;
}

function leaversTable(result, f) {
  const rows = (result.completers || []).map((c) => [nameOf(result, c.arm), f.number(c.randomised), f.number(c.completed),
    (c.reasons || []).map((r) => `${r.reason} ${f.number(r.n)}`).join("; ") || "none",
    c.not_simulated ? f.number(c.not_simulated) : "0"]);
  return rows.length ? section("Who stayed", table("Completers and reasons for leaving, mean of one trial",
    ["Arm", "Randomised", "Completed", "Left because", "Not simulated"], rows)) : null;
}

function publishedTable(app, result, f) {
  const rows = (result.published || []).map((p) => [words(p.quantity), [p.arm, p.comparator].filter(Boolean).map(words).join(" against "),
    dayText(p.time_h, f), `${f.number(p.observed)} (${spanText(p.low, p.high, f)})`,
    `${f.number(p.predicted)} (${spanText(p.predicted_low, p.predicted_high, f)})`,
    p.hit === null || p.hit === undefined ? "not scored" : p.hit ? "● hit" : "✕ miss", citeLink(app, p.citation) || ""]);
  return rows.length ? section("Published result", table("What the trial found, and what the model gives for it",
    ["Quantity", "Arm", "When", "Seen", "Model", "Result", "Source"], rows)) : null;
}

const section = (title, ...kids) => el("section", { class: "panel flat" }, el("h3", {}, title), kids);

function footer(result, f) {
  const failures = result.failures_total
    ? el("details", {}, el("summary", {}, `${f.number(result.failures_total)} people could not be simulated`),
      el("ul", { class: "plain" }, (result.failures || []).slice(0, 30).map((x) =>
        el("li", {}, `Trial ${x.replicate}, person ${x.subject}: ${x.reason}`)))) : null;
  return el("section", { class: "panel flat" }, failures,
    (result.notes || []).length ? el("ul", { class: "plain muted" }, result.notes.map((n) => el("li", {}, n))) : null,
    result.command && el("p", { class: "muted" }, "The same on the command line: ", el("code", {}, result.command)),
    el("p", { class: "muted" }, [`Seed ${result.seed}`, `version ${result.version}`, `model ${result.model_hash}`,
      `parameters ${result.parameter_hash}`].join(", "), ". ", result.disclaimer || ""));
}

function lead(result, f) {
  const asked = result.replicates_asked || result.people_asked;
  const got = result.replicates || result.people;
  const unit = result.kind === "trial" ? "trials" : "people";
  const state = result.preliminary ? `Preliminary: ${f.number(got)} of ${f.number(asked)} ${unit} so far.`
    : result.stopped ? `Stopped: this is the result of ${f.number(got)} of ${f.number(asked)} ${unit}.` : "";
  return el("div", { class: "lead" }, state && el("p", { class: "preliminary" }, state),
    el("h2", { class: "trial-headline" }, result.headline || ""), el("p", {}, result.support || ""),
    result.nnt && result.nnt.sentence ? el("p", {}, result.nnt.sentence) : null);
}

function trialResult(app, result, f) {
  return [lead(result, f),
    el("div", { class: "cards" }, visitsCard(result, f), survivalCard(result, f), dotsCard(result, f), groupsCard(result, f)),
    harmsTable(result, f), leaversTable(result, f), el("div", { class: "cards" }, powerCard(result, f)),
    publishedTable(app, result, f), footer(result, f)];
}

function populationResult(result, f) {
  const courses = (result.courses || []).filter((c) => c.time_h.length > 1).map((c) => {
    const last = c.time_h.length - 1;
    return figure({ title: c.label, key: c.row, note: `Typical person, with half and nine of ten of the people, ${c.unit}`,
      sentence: `The typical person goes from ${f.number(c.q50[0])} to ${f.number(c.q50[last])} at ${dayText(c.time_h[last], f)}; nine of ten ` +
        `then lie between ${f.range(c.q05[last], c.q95[last])} ${c.unit}.`, drawing: fluid(courseChart(c, f)),
      head: ["Time", "5 %", "25 %", "Typical", "75 %", "95 %"], rows: c.time_h.map((t, i) => [f.timeLabel(t),
        ...["q05", "q25", "q50", "q75", "q95"].map((q) => f.number(c[q][i]))]) });
  });
  const rates = (result.per_100 || []).map((i) => [i.label, f.number(i.value, 3), spanText(i.low, i.high, f, 3),
    finite(i.control) ? f.number(i.control, 3) : "none"]);
  return [lead(result, f), el("div", { class: "cards" }, courses),
    rates.length ? section("Of 100 people", table("Rates of 100 people", ["Outcome", "Of 100", "Range", "With the control"], rates)) : null, footer(result, f)];
}

/** All nodes of a result. */
export const resultNodes = (app, result) =>
  (result.kind === "population" ? populationResult(result, app.format) : trialResult(app, result, app.format)).filter(Boolean);
