// Published points on the curves: asked once per drug, route, dose and schedule; drawn hollow with their spread.

import { clear, el, put, setAttr, svg } from "./dom.js";
import { number, range, timeWords, unitText } from "./format.js";

const SETTLE_MS = 300;
/** Schedules of the server by their mean time between visits in hours (its own table gives the period of a pattern). */
const SCHEDULES = {
  24: "daily",
  48: "every 2 days",
  56: "three times weekly",
  84: "twice weekly",
  168: "weekly",
  336: "every 2 weeks",
  672: "every 4 weeks",
};
const USES = {
  calibration: "Used to set the model",
  check: "Held out: not used to set the model",
  "not scored": "Not scored",
};
const AGAINST = { baseline: "change from baseline", control: "difference from control" };

/** What the server needs to know of a scenario to find the studies that match it; null without a dose. */
export function matchOf(result, scenario, rows, similar) {
  const visits = new Map();
  for (const event of result?.events ?? [])
    if (event.visit && !visits.has(event.visit)) visits.set(event.visit, event);
  const events = [...visits.values()];
  const first = events[0];
  if (!first) return null;
  const gap = (events[events.length - 1].time_h - first.time_h) / Math.max(1, events.length - 1);
  const away = (hours) => Math.abs(Math.log(hours / gap));
  const schedule =
    events.length < 2 ? "" : SCHEDULES[Object.keys(SCHEDULES).reduce((a, b) => (away(b) < away(a) ? b : a))];
  const query = new URLSearchParams({
    drug: first.drug,
    route: first.route,
    dose: `${first.amount} ${first.unit}`,
    schedule,
    looser: similar ? 1 : 0,
  });
  if (scenario?.person?.weight) query.set("weight", scenario.person.weight);
  for (const row of rows) query.append("variable", row);
  return query.toString();
}

/** An observation in the terms of the row: changes stand on the rest, differences on the control curve. */
export function onRow(item, rest, controlAt) {
  if (!item.relative) return item;
  const base = item.relative === "baseline" ? rest : controlAt(item.time_h);
  if (!Number.isFinite(base)) return null;
  const { spread } = item;
  const moved =
    spread && Number.isFinite(spread.low) ? { ...spread, low: spread.low + base, high: spread.high + base } : spread;
  return { ...item, y: item.value + base, on_row: moved };
}

function mark(item, x, y, low, high, show) {
  const held = item.use === "check";
  const shape = held
    ? svg("rect", { x: x - 3, y: y - 3, width: 6, height: 6 })
    : svg("circle", { cx: x, cy: y, r: 3.2 });
  const whisker = low === null ? null : svg("path", { d: `M${x} ${low.toFixed(1)}V${high.toFixed(1)}` });
  const node = svg(
    "g",
    {
      class: item.difference ? "observation similar" : "observation",
      tabindex: "-1",
      role: "img",
      "aria-label": words(item).join(". "),
    },
    whisker,
    shape,
  );
  node.addEventListener("pointerenter", () => show(item, node));
  node.addEventListener("pointerleave", () => show(null));
  node.addEventListener("focus", () => show(item, node));
  node.addEventListener("blur", () => show(null));
  return node;
}

/** What is said of one observation. */
export function words(item) {
  const unit = unitText(item.unit);
  const spread =
    item.spread?.low !== null && item.spread?.low !== undefined
      ? `, ${item.spread.kind ?? "range"} ${range(item.spread.low, item.spread.high)}`
      : "";
  const lines = [
    [`${number(item.value)} ${unit}${spread}`, AGAINST[item.relative]].filter(Boolean).join(", "),
    timeWords(item.time_h, 1),
  ];
  lines.push([item.n ? `n = ${item.n}` : null, item.population].filter(Boolean).join(", "));
  lines.push(USES[item.use] ?? item.use);
  if (item.difference) lines.push(`Similar, not the same: ${item.difference}`);
  return lines.filter(Boolean);
}

/** The nearer look: a card beside the mark, which stays while it is pointed at. */
function createCard(root) {
  const card = el("div", { class: "near", role: "tooltip", hidden: true });
  root.append(card);
  let leaving = null;
  const hide = () => {
    card.hidden = true;
  };
  card.addEventListener("pointerenter", () => clearTimeout(leaving));
  card.addEventListener("pointerleave", hide);
  return (item, node) => {
    clearTimeout(leaving);
    if (!item) {
      leaving = setTimeout(hide, 250);
      return;
    }
    const link = item.url
      ? el("a", { href: item.url, target: "_blank", rel: "noreferrer" }, item.source ?? item.citation ?? item.url)
      : el("span", {}, item.source ?? item.citation ?? "");
    clear(card).append(...words(item).map((line) => el("p", {}, line)), el("p", {}, link));
    card.hidden = false;
    const at = node.getBoundingClientRect();
    const box = root.getBoundingClientRect();
    const left = Math.min(Math.max(8, at.left - box.left - card.offsetWidth / 2), box.width - card.offsetWidth - 8);
    card.style.left = `${left}px`;
    setAttr(card, "data-shown", item.id ?? "1");
    card.style.top = `${at.bottom - box.top + 8}px`;
  };
}

/** Points of one row in pixels, with the item of each. */
function placed(app, list, row, place) {
  const { active } = app.state();
  const control = (time) => app.controlAt(active, row.row.id, time - place.dose_h)?.value;
  const found = [];
  for (const item of list) {
    const x = place.x(item.time_h);
    const on = x < 0 || x > place.width ? null : onRow(item, app.restOf(active, row.row.id), control);
    if (!on) continue;
    const spread = on.on_row ?? on.spread ?? {};
    const known = Number.isFinite(spread.low) && Number.isFinite(spread.high);
    const [low, high] = known ? [row.y(spread.low), row.y(spread.high)] : [null, null];
    found.push({ item, at: [Number(x.toFixed(1)), row.y(on.y ?? on.value), low, high] });
  }
  return found;
}

/**
 * Observations of the active scenario, by row; asked when the scenario has come to rest.
 *
 * `draw(row, place)` puts those of a row (as createRow makes it) into its layer, anew only if one of them has moved;
 * `near(row, here)` shows the nearer look at the one whose time is `here`; `count` is null until there is an answer.
 */
export function createObservations(app, root, onChange) {
  const cache = new Map();
  const card = createCard(root);
  let key = null;
  let found = new Map();
  let similar = 0;
  let count = null;
  let timer = null;

  function refresh() {
    clearTimeout(timer);
    timer = setTimeout(load, SETTLE_MS);
  }

  async function load() {
    const state = app.store.get();
    if (app.isStale() && state.observations) return;
    const result = app.resultOf(state.active);
    const query = state.observations ? matchOf(result, app.active(), app.variables(), state.similar) : null;
    if (query === key) return;
    key = query;
    if (query === null) {
      take({ observations: [] });
      return;
    }
    if (!cache.has(query))
      cache.set(
        query,
        app.api.get(`/observations?${query}`).catch(() => cache.delete(query) && null),
      );
    const answer = await cache.get(query);
    if (key === query) take(answer ?? { observations: [] });
  }

  function take(answer) {
    found = new Map();
    similar = answer.similar ?? 0;
    count = answer.observations.length;
    for (const item of answer.observations) found.set(item.variable, [...(found.get(item.variable) ?? []), item]);
    onChange();
  }

  const of = (id) => (app.state().observations ? (found.get(id) ?? []) : []);

  function draw(row, place) {
    const list = placed(app, of(row.row.id), row, place);
    const drawn = list.map(({ at }) => at.join()).join(";");
    if (row.seen.drawn === drawn && list.every(({ item }, i) => row.seen.children[i].item === item)) return;
    row.seen.drawn = drawn;
    put(
      row.seen,
      list.map(({ item, at }) => Object.assign(mark(item, ...at, card), { item })),
    );
  }

  function near(row, here) {
    const node = [...row.seen.children].find(({ item }) => here(item.time_h));
    card(node?.item ?? null, node);
  }

  return {
    refresh,
    of,
    draw,
    near,
    count: () => count,
    similar: () => similar,
    sources: (rows) => [...new Set(rows.flatMap((id) => of(id)).map((item) => item.source ?? item.citation))],
  };
}
