// The chain: rows built once on one time axis, with rail, cursor and seams. Moving the cursor changes texts only.

import { COLUMNS } from "./axis.js";
import { createHead } from "./clockhead.js";
import { clear, el, setAttr, setText } from "./dom.js";
import { createRail } from "./rail.js";
import { columnPixels } from "./curves.js";
import { canonical } from "./link.js";
import { createRow } from "./row.js";
import { button } from "./widgets.js";

const FLAG = "chain-time";
/** Above this many doses single spikes cannot be told apart: the envelope is drawn instead. */
const MOST_DOSES = 30;
const PHONE_ROW_PX = 54;
const PINNED_ROW_PX = 52;

/** Height of a plain row in pixels. */
function baseHeight(phone, pins) {
  if (phone) return PHONE_ROW_PX;
  const free = Math.round(Math.min(52, Math.max(39, (innerHeight - 330) / 14)));
  return pins > 1 ? Math.max(free, PINNED_ROW_PX) : free;
}

/** Rail lanes in pixels for the width at hand. */
const lanesFor = (phone) =>
  phone ? { harm: 3, fast: 8, right: 36, words: false } : { harm: 7, fast: 17, right: 52, words: true };

function frame(app, root, rows, head) {
  const rail = createRail(rows.map((each) => each.row));
  for (const each of rows)
    each.nodes.root.classList.toggle("side", each.row.group === "main" && !rail.trunk.has(each.row.id));
  const line = el("div", { class: "cursor", "aria-hidden": "true" });
  const more = button("More rows", () => app.store.set({ more: !app.state().more }), {
    class: "btn quiet more-rows",
  });
  const harms = el("h2", { class: "sub-head" }, el("b", {}, "Harms"), " from the same doses");
  const place = (group) => rows.filter((each) => each.row.group === group).map((each) => each.nodes.root);
  const extra = el("div", { class: "more-box", hidden: true }, place("more"));
  const stale = el("p", { class: "stale-mark", hidden: true });
  const sources = el("div", { class: "sources" });
  const body = el("div", { class: "rows" }, head.grid, rail.root, place("main"), harms, place("harms"), extra, line);
  clear(root).append(el("div", { class: "chain-card" }, stale, head.root, body, more, sources));
  return { rail, line, more, extra, body, stale, sources };
}

const shown = (c) => c.rows.filter((each) => each.row.group !== "more" || c.app.state().more);

/** Place everything for the room that there is; gives the rows whose size changed. */
function layout(c) {
  const { app, parts } = c;
  const state = app.state();
  const opened = c.byId.get(state.open) ?? null;
  // Measured before anything is changed, when it costs nothing; if a change moves it, the observer asks again.
  const first = c.rows[0].nodes.plot.parentElement;
  c.width = first.clientWidth;
  c.left = first.getBoundingClientRect().left - c.parts.body.getBoundingClientRect().left;
  if (opened?.row.group === "more" && !state.more) app.store.set({ more: true });
  c.slot.sync(opened);
  parts.extra.hidden = !app.state().more;
  setText(parts.more, app.state().more ? "Fewer rows" : "More rows");
  setAttr(parts.more, "aria-expanded", String(app.state().more));
  const base = baseHeight(app.phone(), state.scenarios.length);
  const resized = shown(c).filter((each) => each.resize(c.width, each.heightOf(each === opened, base)));
  c.root.style.setProperty("--plot-left", `${c.left}px`);
  c.root.style.setProperty("--plot-width", `${c.width}px`);
  placeRail(c);
  return resized;
}

function placeRail(c) {
  const box = c.parts.body.getBoundingClientRect();
  const points = new Map(
    shown(c).map((each) => {
      const at = each.nodes.dot.getBoundingClientRect();
      return [each.row.id, { x: at.left + at.width / 2 - box.left, y: at.top + at.height / 2 - box.top }];
    }),
  );
  c.height = c.parts.body.clientHeight;
  c.parts.rail.layout(points, lanesFor(c.app.phone()), c.height);
}

/** Pixels of the columns: the same list as long as nothing moves them, so that curves which stay are not made anew. */
function pixels(c, axis, time_h) {
  if (!time_h) return [];
  const key = [c.width, time_h[0], time_h.at(-1), time_h.length].join();
  if (c.pixels?.key !== key || c.pixels.axis !== axis) {
    c.pixels = { key, axis, xs: columnPixels(time_h, axis, c.width) };
  }
  return c.pixels.xs;
}

/** Draw what stands over all rows, and the curves of some of them. */
function draw(c, rows = shown(c)) {
  const { app, width } = c;
  const axis = app.axis();
  const { index, count } = app.dose();
  const results = app
    .ordered()
    .map((letter) => [letter, app.resultOf(letter)])
    .filter(([, result]) => result);
  const view = {
    results,
    xs: pixels(c, axis, results[0]?.[1].time_h),
    ghost: app.ghost(),
    axis,
    bands: app.shownBands(),
    examples: app.state().examples,
    dose: index,
    many: count > MOST_DOSES,
  };
  c.head.draw(
    axis,
    width,
    app.doses().map((dose) => ({ ...dose, clock: index })),
    c.height,
  );
  const place = { x: (time) => axis.x(time - axis.dose_h) * width, width, dose_h: axis.dose_h };
  for (const each of rows) {
    each.draw({ ...view, style: app.state().scales[each.row.id] ?? {} });
    c.observations.draw(each, place);
  }
  listSources(c);
  for (const each of c.rows) each.setSwitch(switchOf(c, each.row));
  markStale(c);
  point(c);
}

/** What of the scenarios is drawn before their curves have come. */
const shapeOf = ({ scenarios }) =>
  canonical(scenarios.map(({ letter, scenario }) => [letter, scenario.mechanism ?? null]));

const switchOf = (c, row) => (row.switch ? (c.app.active()?.mechanism?.switches?.[row.switch] ?? 1) : 1);

/** Only on paper: where the published points come from. */
function listSources(c) {
  const list = c.observations.sources(shown(c).map((each) => each.row.id));
  setText(c.parts.sources, list.length ? `Sources of the points: ${list.join("; ")}.` : "");
}

function markStale({ app, parts }) {
  const held = app.resultOf(app.state().active);
  const bad = app.problem() && app.isStale() && held;
  parts.stale.hidden = !bad;
  if (bad) setText(parts.stale, `The curves are still for: ${held.sentence}`);
}

function point(c) {
  const { app, parts } = c;
  const axis = app.axis();
  const tau = app.tau();
  const i = axis.column(tau, COLUMNS);
  const x = ((i + 0.5) / COLUMNS) * c.width;
  const column = app.columnOf(app.state().active, tau);
  for (const each of shown(c)) each.point(column, x.toFixed(1));
  const off = new Set(c.rows.filter((each) => switchOf(c, each.row) < 1).map((each) => each.row.id));
  parts.rail.update((id) => c.byId.get(id)?.strength(column) ?? 0, off);
  parts.line.style.transform = `translateX(${c.left + x}px)`;
  c.head.point(i, tau, app.dose().index);
}

/** The nearer look at a published point of a row, if one stands at the cursor. */
function near(c, id) {
  const axis = c.app.axis();
  const now = axis.column(c.app.tau(), COLUMNS);
  if (id) c.observations.near(c.byId.get(id), (time) => axis.column(time - axis.dose_h, COLUMNS) === now);
}

/** One frame does what was asked for since the last: a layout draws the rows that it resized, a drawing all. */
function scheduler(c) {
  const due = new Set();
  return (what) => {
    if (!due.size) {
      requestAnimationFrame(() => {
        const all = new Set(due);
        due.clear();
        const resized = all.has("layout") ? layout(c) : [];
        if (all.has("draw")) draw(c);
        else if (all.has("layout")) draw(c, resized);
        else point(c);
      });
    }
    due.add(what);
  };
}

function follow(c, later) {
  const { app } = c;
  const { store } = app;
  store.watch(["open", "more"], () => later("layout"));
  store.watch(["more"], () => later("draw"));
  store.watch(["scenarios"], (now, before) => {
    if (now.scenarios.length !== before.scenarios.length) later("layout");
    // A drawing waits for its curves; only switches and letters show before.
    if (shapeOf(now) !== shapeOf(before)) later("draw");
  });
  store.watch(["axis", "scales", "bands", "active"], () => later("draw"));
  store.watch(["tau_h"], () => later("point"));
  store.watch(["observations", "similar"], () => c.observations.refresh());
  app.on("results", () => {
    c.observations.refresh();
    later("draw");
  });
  app.on("problem", () => later("draw"));
  new ResizeObserver(() => later("layout")).observe(c.parts.body);
  addEventListener("resize", () => later("layout"));
}

/** What stands for the published points until their module is there. */
const NO_POINTS = { refresh() {}, draw() {}, near() {}, of: () => [], count: () => null, similar: () => 0, sources: () => [] };

/** What is not seen at first: the pointer, what opens below a row, the published points. */
async function complete(c, later) {
  const { app, root } = c;
  const [scrub, slot, points] = await Promise.all(["scrub", "slot", "observations"].map(app.load));
  scrub?.createScrub(root, app, {
    columns: COLUMNS,
    area: () => ({ left: c.parts.body.getBoundingClientRect().left + c.left, width: c.width }),
  });
  if (slot) c.slot = slot.createSlot(app, COLUMNS);
  if (points) {
    c.observations = points.createObservations(app, c.parts.body, () => {
      later("draw");
      app.emit("observations");
    });
    c.observations.refresh();
  }
  later("layout");
}

/** Mount the chain into `root`; gives what keys and tools need. `complete` fetches what is not seen at first. */
export function mount(root, app) {
  const actions = {
    open: (id) => app.store.set({ open: app.state().open === id ? null : id }, { history: true }),
    toggle: app.toggle,
    fit: (id) => app.setScale(id, "fit"),
  };
  const rows = app.meta.rows.map((row) => createRow(row, actions, FLAG));
  const c = { app, root, rows, byId: new Map(rows.map((each) => [each.row.id, each])), width: 0, left: 0, height: 0 };
  const later = scheduler(c);
  c.head = createHead({ widen: app.widen, shares: app.setShares }, FLAG);
  c.parts = frame(app, root, rows, c.head);
  c.slot = { sync() {} };
  c.observations = NO_POINTS;
  follow(c, later);
  layout(c);
  draw(c);
  return {
    rows: () => shown(c),
    near: (id) => near(c, id),
    complete: () => complete(c, later),
    get observations() {
      return c.observations;
    },
  };
}
