/** The strip of days on which doses stand: add, remove and move them by pointer or by keys. */

import { el, put, setAttr, setText as say } from "./dom.js";
import { button } from "./widgets.js";

const DAY = 24;
const PAGE = 28;

/** The day (1 is the day of time zero) of a time in hours. */
export const dayOf = (timeH) => Math.floor(timeH / DAY + 1e-9) + 1;

/** Days with doses: Map of day to the positions of its events. */
export function byDay(events) {
  const days = new Map();
  events.forEach((e, i) => {
    const day = dayOf(e.time_h);
    days.set(day, [...(days.get(day) || []), i]);
  });
  return days;
}

const ordered = (events) => [...events].sort((a, b) => a.time_h - b.time_h);

/** Events with a dose on `day`, copied from the dose before it (else from the first, else from `fresh`). */
export function addDose(events, day, fresh) {
  const time = (day - 1) * DAY;
  const earlier = events.filter((e) => e.time_h <= time);
  const like = earlier[earlier.length - 1] || events[0] || fresh;
  if (!like) return events;
  const clock = like.time_h % DAY;
  return ordered([...events, { ...like, time_h: time + (like === fresh ? 0 : clock) }]);
}

export const removeDay = (events, day) => events.filter((e) => dayOf(e.time_h) !== day);

/** Events with all doses of day `from` put on day `to` at the same time of day. */
export function moveDay(events, from, to) {
  if (to < 1 || from === to) return events;
  const shift = (to - from) * DAY;
  return ordered(events.map((e) => (dayOf(e.time_h) === from ? { ...e, time_h: e.time_h + shift } : e)));
}

const doseWords = (e) => (e.amount ? `${Number(e.amount.toPrecision(4))} ${e.unit} ${e.drug || ""}` : e.drug || "dose").trim();

/** What is said of a day. */
export function dayText(day, list) {
  if (!list.length) return `Day ${day}, no dose`;
  const doses = list.map((e) => `${doseWords(e)}${clockText(e.time_h)}`);
  return `Day ${day}, ${list.length === 1 ? "dose" : `${list.length} doses`}: ${doses.join("; ")}`;
}

function clockText(timeH) {
  const hour = timeH % DAY;
  return hour > 0.01 ? ` at ${Number(hour.toFixed(2))} h of the day` : "";
}

const pageOf = (day) => Math.floor((day - 1) / PAGE);
const dayAt = (s, i) => s.page * PAGE + i + 1;
const lastShown = (s) => (pageOf(s.lastDay) + 1) * PAGE;

function draw(s) {
  const days = byDay(s.events);
  s.cells.forEach((cell, i) => {
    const day = dayAt(s, i);
    const list = (days.get(day) || []).map((k) => s.events[k]);
    const text = dayText(day, list);
    cell.classList.toggle("has-dose", list.length > 0);
    cell.classList.toggle("target", Boolean(s.drag && s.drag.to === day && s.drag.moved));
    setAttr(cell, "aria-pressed", String(list.length > 0));
    setAttr(cell, "aria-label", text);
    setAttr(cell, "title", text);
    setAttr(cell, "tabindex", day === s.focus ? 0 : -1);
  });
  say(s.first, `day ${dayAt(s, 0)}`);
  say(s.last, `day ${dayAt(s, PAGE - 1)}`);
  s.back.hidden = s.on.hidden = s.lastDay <= PAGE;
  s.back.disabled = s.page === 0;
  s.on.disabled = s.page >= pageOf(s.lastDay);
}

function show(s, day) {
  s.focus = Math.max(1, Math.min(lastShown(s), day));
  s.page = pageOf(s.focus);
  draw(s);
}

function give(s, events, words, day) {
  if (events === s.events) return;
  s.events = events;
  show(s, day);
  s.hooks.onChange(events, words);
}

function toggle(s, day) {
  const has = byDay(s.events).has(day);
  if (has) give(s, removeDay(s.events, day), `Dose on day ${day} removed`, day);
  else give(s, addDose(s.events, day, s.hooks.fresh()), `Dose added on day ${day}`, day);
}

function move(s, from, to) {
  if (to < 1 || to > lastShown(s) || !byDay(s.events).has(from)) return;
  give(s, moveDay(s.events, from, to), `Dose moved from day ${from} to day ${to}`, to);
}

function cellDay(s, target) {
  const cell = target && target.closest && target.closest(".day");
  return cell && s.strip.contains(cell) ? dayAt(s, Number(cell.dataset.at)) : null;
}

function focusDay(s, day) {
  show(s, day);
  s.cells[s.focus - dayAt(s, 0)].focus();
}

function pressed(s, event) {
  const day = cellDay(s, event.target);
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -7, ArrowDown: 7 }[event.key];
  if (!day) return;
  if (step) {
    if (event.shiftKey) move(s, day, day + step);
    focusDay(s, day + step);
  } else if (event.key === "Home") focusDay(s, dayAt(s, 0));
  else if (event.key === "End") focusDay(s, dayAt(s, PAGE - 1));
  else if (event.key === "Delete" || event.key === "Backspace") {
    if (byDay(s.events).has(day)) toggle(s, day);
  } else return;
  event.preventDefault();
  event.stopPropagation();
}

/** Drag a dose to another day; a press without a move adds or removes. */
function pointer(s) {
  s.strip.addEventListener("pointerdown", (event) => {
    const day = cellDay(s, event.target);
    if (day && byDay(s.events).has(day)) s.drag = { from: day, to: day, moved: false };
  });
  s.strip.addEventListener("pointermove", (event) => {
    const day = s.drag && cellDay(s, document.elementFromPoint(event.clientX, event.clientY));
    if (!day || day === s.drag.to) return;
    s.drag = { ...s.drag, to: day, moved: true };
    draw(s);
  });
  const stop = (event) => {
    const { drag } = s;
    if (!drag) return;
    s.drag = null;
    if (drag.moved && event.type === "pointerup") {
      s.moved = true;
      setTimeout(() => { s.moved = false; }, 0);
      move(s, drag.from, drag.to);
    }
    draw(s);
  };
  window.addEventListener("pointerup", stop);
  window.addEventListener("pointercancel", stop);
  s.strip.addEventListener("click", (event) => {
    const day = cellDay(s, event.target);
    if (day && !s.moved) toggle(s, day);
  });
}

/**
 * Mount the days.
 * @param {Element} root where they go
 * @param {{onChange: (events: object[], words: string) => void, fresh: () => object}} hooks
 * @returns {{set: (events: object[], lastDay: number) => void}}
 */
export function mount(root, hooks) {
  const turn = (step) => show(s, (Math.max(0, Math.min(pageOf(s.lastDay), s.page + step))) * PAGE + 1);
  const s = { events: [], lastDay: PAGE, page: 0, focus: 1, drag: null, moved: false, hooks,
    strip: el("div", { class: "days", role: "group", "aria-label": "Days with a dose. Arrow keys move, Enter adds or " +
      "removes a dose, Shift with an arrow key moves it." }),
    first: el("span", { class: "muted" }), last: el("span", { class: "muted" }),
    back: button("‹", () => turn(-1), { class: "btn small", "aria-label": "Earlier days" }),
    on: button("›", () => turn(1), { class: "btn small", "aria-label": "Later days" }),
    cells: Array.from({ length: PAGE }, (_, i) => el("button", { type: "button", class: "day", tabindex: -1, dataset: { at: i } })) };
  s.strip.append(...s.cells);
  root.append(s.strip, el("div", { class: "days-foot" }, s.back, s.first, s.last, s.on));
  s.strip.addEventListener("keydown", (event) => pressed(s, event));
  pointer(s);
  return {
    set(events, lastDay) {
      s.events = ordered(events);
      const top = events.length ? dayOf(Math.max(...events.map((x) => x.time_h))) : 1;
      s.lastDay = Math.max(PAGE, lastDay || 0, top);
      if (s.page > pageOf(s.lastDay)) show(s, 1);
      else draw(s);
    },
  };
}

/** The doses as a list with exact times, for those who need more than a day. */
export function doseList(hooks) {
  const body = el("div", { class: "dose-list" });
  const set = (events) => put(body, events.slice(0, 60).map((e, i) => {
    const input = el("input", { type: "number", min: 0, step: "any", value: Number((e.time_h / DAY + 1).toFixed(4)),
      "aria-label": `Day of dose ${i + 1}` });
    input.addEventListener("change", () => {
      const day = Number(input.value);
      if (!(day >= 1)) return;
      hooks.onChange(ordered(events.map((x, k) => (k === i ? { ...x, time_h: (day - 1) * DAY } : x))),
        `Dose ${i + 1} put on day ${day}`);
    });
    return el("div", { class: "dose-row" }, el("span", {}, "day"), input, el("span", { class: "muted" }, doseWords(e)),
      button("Remove", () => hooks.onChange(events.filter((_, k) => k !== i), `Dose ${i + 1} removed`),
        { class: "btn quiet", "aria-label": `Remove dose ${i + 1}` }));
  }), events.length > 60 && el("p", { class: "muted" }, `and ${events.length - 60} more; use the words above.`));
  return { root: body, set };
}
