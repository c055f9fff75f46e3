/** The Evidence view: claims with their verdicts, then the scoreboard with a search. */

import { finite } from "./format.js";
import { el, put, setText } from "./dom.js";
import { button, choose, field, problemText } from "./widgets.js";
import { citeLink } from "./citation.js";
import { words } from "./scenariodata.js";

const OLD = "Made before the last change of the model; the figures may differ from Explore.";
const VERDICTS = ["supported", "supported with limits", "disputed", "not supported", "not computable"];
const SHAPES = { supported: "●", "supported with limits": "◐", disputed: "◇", "not supported": "✕", "not computable": "–" };

export function mount(root, app) {
  const claims = claimsPart(app);
  const board = boardPart(app);
  put(root, el("div", { class: "evidence-page" }, claims.root, board.root));
  let filled = false;
  const show = () => {
    if (app.store.get().view !== "evidence") return;
    if (!filled) {
      filled = true;
      claims.load();
    }
    board.sync();
  };
  app.store.subscribe((now, before) => (now.view !== before.view || now.evidence !== before.evidence) && show());
  show();
}

const slug = (verdict) => verdict.replace(/ /g, "-");

function verdictChip(verdict) {
  return el("span", { class: `verdict v-${slug(verdict)}` },
    el("span", { "aria-hidden": "true" }, SHAPES[verdict] || "?"), ` ${verdict}`);
}

function claimsPart(app) {
  const counts = el("p", { class: "muted" });
  const list = el("div", { class: "claims" });
  const root = el("section", {}, el("h2", {}, "What is said about ketamine"),
    el("p", { class: "muted" }, "Each claim is answered by a computation and by what was published. " +
      "Press a claim to load its experiment into Explore."), counts, list);
  const load = async () => {
    try {
      const answer = await app.api.get("/claims");
      const all = Array.isArray(answer) ? answer : answer.claims || [];
      const known = VERDICTS.filter((v) => all.some((c) => c.verdict === v));
      setText(counts, known.map((v) => `${all.filter((c) => c.verdict === v).length} ${v}`).join(", ") +
        (answer.out_of_date ? `. ${OLD}` : "."));
      put(list, all.map((c) => claim(app, c)));
    } catch (problem) {
      put(list, el("p", { class: "field-error" }, problemText(problem)));
    }
  };
  return { root, load };
}

function claim(app, c) {
  const load = () => {
    const seen = c.view || {};
    app.replace(c.scenario, { view: "explore", axis_end_h: seen.end_h });
    if (seen.open) app.store.set({ open: seen.open }, { history: true });
    app.announce(`Loaded into Explore: ${c.claim}. ${app.format.sentence(seen.note || "")}`);
  };
  const head = c.scenario
    ? el("button", { type: "button", class: "claim-text", dataset: { claim: c.id }, on: { click: load } }, app.format.sentence(c.claim))
    : el("span", { class: "claim-text flat" }, app.format.sentence(c.claim));
  const reasons = [].concat(c.reasons || []);
  const cites = [].concat(c.citations || []).map((k, i) => [i ? ", " : "", citeLink(app, k)]);
  return el("article", { class: "claim" }, head, verdictChip(c.verdict),
    el("details", {}, el("summary", {}, "Reasons"), el("ul", { class: "plain" }, reasons.map((r) => el("li", {}, r))),
      cites.length ? el("p", { class: "muted" }, "Sources: ", cites) : "",
      c.view && c.view.note && el("p", {}, `In Explore: ${c.view.note}.`),
      !c.scenario && el("p", { class: "muted" }, "This claim compares several experiments; one scenario cannot show it. ",
        `On the command line: ketasim claims ${c.id}`)));
}

const DIRECTIONS = { "-1": "falls", 0: "stays", 1: "rises" };
const asText = (v, f) => (finite(v) ? f.number(v) : v === null || v === undefined ? "none" : words(v));

/** A scoreboard row as its cells. */
export function boardCells(r, f) {
  const direction = r.statistic === "direction";
  const text = (v) => (direction && DIRECTIONS[v]) || asText(v, f);
  const wide = finite(r.low) && finite(r.high) && r.low !== r.high;
  const range = !wide ? "" : direction ? ` (${text(r.low)} to ${text(r.high)})` : ` (${f.range(r.low, r.high)})`;
  const what = [words(r.quantity), words(r.statistic || ""), r.unit];
  const when = finite(r.time_h) ? (r.time_h < 48 ? `${f.number(r.time_h)} h` : `day ${f.number(r.time_h / 24)}`) : "";
  const verdict = r.hit === null || r.hit === undefined ? "not scored" : r.hit ? "hit" : "miss";
  return { study: r.study, what: what.filter((part, i) => part && what.indexOf(part) === i).join(", "),
    arm: r.arm ? words(r.arm) : "", when, observed: text(r.observed), predicted: `${text(r.predicted)}${range}`,
    z: finite(r.z) ? f.number(r.z, 2) : "", verdict, use: words(r.use || "") };
}

function boardPart(app) {
  const now = () => ({ query: "", page: 1, verdict: "", use: "", ...app.store.get().evidence });
  const set = (patch) => app.store.set({ evidence: { ...now(), ...patch } }, { history: true });
  const search = field("Search study, quantity, arm", el("input", { type: "search", autocomplete: "off" }));
  let timer = 0;
  search.control.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => set({ query: search.control.value.trim(), page: 1 }), 250);
  });
  const verdict = choose("Result", [{ id: "", name: "All" }, { id: "hit", name: "Hits" }, { id: "miss", name: "Misses" }],
    (v) => set({ verdict: v, page: 1 }));
  const use = choose("Use", [{ id: "", name: "All" }, { id: "calibration", name: "Used to set numbers" }, { id: "check", name: "Held out" }],
    (v) => set({ use: v, page: 1 }));
  const count = el("p", { class: "muted", "aria-live": "polite" });
  const body = el("tbody");
  const heads = ["Study", "Quantity", "Arm", "When", "Seen", "Model (95 % range)", "z", "Result", "Use"];
  const grid = el("div", { class: "table-box", tabindex: 0, role: "region", "aria-label": "Scoreboard" },
    el("table", { class: "board" }, el("caption", { class: "sr" }, "Published results beside what the model predicts"),
      el("thead", {}, el("tr", {}, heads.map((h) => el("th", { scope: "col" }, h)))), body));
  const back = button("Previous", () => set({ page: now().page - 1 }));
  const next = button("Next", () => set({ page: now().page + 1 }));
  const root = el("section", {}, el("h2", {}, "Scoreboard"), el("p", { class: "muted" },
    "Every published number beside the model's, hits and misses alike. A hit lies inside the 95 % range; z is the distance " +
      "in standard deviations. Press a study to open its scenario."),
  el("div", { class: "filters" }, search.root, verdict.root, use.root), count, grid, el("div", { class: "row-end" }, back, next));
  let shown = "";
  const sync = async () => {
    const s = now();
    const key = JSON.stringify([s.query, s.page, s.verdict, s.use]);
    if (document.activeElement !== search.control) search.control.value = s.query;
    verdict.set(s.verdict);
    use.set(s.use);
    if (key === shown) return;
    shown = key;
    const ask = new URLSearchParams({ page: s.page });
    for (const k of ["query", "verdict", "use"]) if (s[k]) ask.set(k, s[k]);
    try {
      const answer = await app.api.get(`/evidence?${ask}`);
      if (shown === key) draw(answer, s);
    } catch (problem) {
      shown = "";
      setText(count, problemText(problem));
    }
  };
  const draw = (answer, s) => {
    const rows = answer.rows || [];
    const near = !rows.length && answer.nearest ? answer.nearest : [];
    setText(count, rows.length
      ? `${answer.total} rows${answer.pages > 1 ? `, page ${answer.page} of ${answer.pages}` : ""}${answer.out_of_date ? `. ${OLD}` : "."}`
      : `Nothing matches “${s.query}”.${near.length ? " The nearest studies:" : ""}`);
    put(body, [...rows, ...near].map((r) => boardRow(app, r)));
    back.disabled = !(s.page > 1);
    next.disabled = !(answer.pages > s.page);
  };
  return { root, sync };
}

function boardRow(app, r) {
  const c = boardCells(r, app.format);
  const open = () => {
    app.replace(r.scenario, { view: "explore" });
    app.announce(`${c.study} loaded into Explore`);
  };
  const study = r.scenario ? button(c.study, open, { class: "btn link", "aria-label": `Open ${c.study} in Explore` }) : c.study;
  return el("tr", {}, el("th", { scope: "row" }, study), el("td", {}, c.what), el("td", {}, c.arm),
    el("td", {}, c.when), el("td", { class: "num" }, c.observed), el("td", { class: "num" }, c.predicted),
    el("td", { class: "num" }, c.z), el("td", {}, el("span", { class: `verdict h-${c.verdict.replace(" ", "-")}` },
      el("span", { "aria-hidden": "true" }, { hit: "●", miss: "✕" }[c.verdict] || "–"), ` ${c.verdict}`)), el("td", {}, c.use));
}
