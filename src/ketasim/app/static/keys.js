// Keys of the chain. They act only while the focus is inside it; single letters can be turned off.

import { COLUMNS } from "./axis.js";

/** Columns at which something happens: doses, peaks and published points; sorted, each once. */
export function happenings(app, chain) {
  const axis = app.axis();
  const result = app.resultOf(app.state().active);
  const times = [...(result?.events ?? []), ...(result?.peaks ?? [])].map((each) => each.time_h);
  if (app.state().observations) {
    for (const { row } of chain.rows()) times.push(...chain.observations.of(row.id).map((each) => each.time_h));
  }
  const columns = times.map((time) => axis.x(time - axis.dose_h)).filter((x) => x >= 0 && x < 1);
  return [...new Set(columns.map((x) => Math.floor(x * COLUMNS)))].sort((a, b) => a - b);
}

function moves(app, chain, rowOf) {
  const axis = () => app.axis();
  const now = () => axis().column(app.tau(), COLUMNS);
  const go = (i) => app.setTau(axis().centre(Math.min(COLUMNS - 1, Math.max(0, i)), COLUMNS));
  const jump = (forward) => {
    const columns = happenings(app, chain);
    const next = forward ? columns.find((i) => i > now()) : columns.filter((i) => i < now()).pop();
    if (next !== undefined) go(next);
    chain.near(rowOf());
  };
  return {
    ArrowLeft: (event) => go(now() - (event.shiftKey ? 10 : 1)),
    ArrowRight: (event) => go(now() + (event.shiftKey ? 10 : 1)),
    PageDown: () => jump(true),
    PageUp: () => jump(false),
    Home: () => go(0),
    End: () => go(COLUMNS - 1),
  };
}

function letters(app, rowOf) {
  const widen = (n) => () => app.widenClock(n);
  return {
    k: () => rowOf() && app.toggle(rowOf()),
    "[": () => app.setDose(app.dose().index - 1),
    "]": () => app.setDose(app.dose().index + 1),
    1: widen(1),
    2: widen(2),
    3: widen(3),
    4: widen(4),
    0: () => app.setAxis({}),
    p: () => app.emit("pin"),
    l: () => rowOf() && app.meta.rows.find((row) => row.id === rowOf())?.log_allowed && app.setScale(rowOf(), "log"),
    f: () => rowOf() && app.setScale(rowOf(), "fit"),
    t: () => app.open("compare"),
    "?": () => app.open("help"),
  };
}

/** Keys for `root`; `chain` is what the cascade gave. */
export function bindKeys(root, app, chain) {
  const rowOf = () => document.activeElement?.closest(".row")?.dataset.row ?? null;
  const moving = moves(app, chain, rowOf);
  const named = letters(app, rowOf);

  function focusRow(step) {
    const buttons = chain.rows().map((each) => each.nodes.open);
    const at = buttons.findIndex((each) => each.closest(".row") === document.activeElement?.closest(".row"));
    const next = at < 0 ? (step > 0 ? 0 : buttons.length - 1) : Math.min(buttons.length - 1, Math.max(0, at + step));
    buttons[next].focus();
  }

  function act(event) {
    const { key, target } = event;
    if (moving[key]) moving[key](event);
    else if (key === "ArrowUp" || key === "ArrowDown") focusRow(key === "ArrowDown" ? 1 : -1);
    else if (key === " " && (target === root || target.closest(".flag, .row-name"))) app.play();
    else if (key === "Escape" && app.state().open) app.store.set({ open: null }, { history: true });
    else if (app.state().letters_keys && named[key.toLowerCase()]) named[key.toLowerCase()](event);
    else return false;
    return true;
  }

  root.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return;
    if (event.target.closest("input, select, textarea, .strip, .as-table, .seam-handle")) return;
    if (event.key !== " " || !event.target.closest("button:not(.row-name)")) {
      if (moving[event.key] && app.playing()) app.play(false);
      if (act(event)) event.preventDefault();
    }
  });
  root.addEventListener("focusin", (event) => {
    const row = event.target.closest(".row");
    for (const each of chain.rows()) each.nodes.open.tabIndex = each.nodes.root === row ? 0 : -1;
    if (!row) chain.rows()[0].nodes.open.tabIndex = 0;
  });
  chain.rows()[0].nodes.open.tabIndex = 0;
}
