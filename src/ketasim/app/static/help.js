/** Keyboard help. */

import { el } from "./dom.js";
import { dialog } from "./widgets.js";

const KEYS = [
  ["← →", "cursor one column; with Shift ten"],
  ["Page Up, Page Down", "previous or next event: dose, peak, visit, observation"],
  ["Home, End", "start or end of the axis"],
  ["↑ ↓", "row above or below"],
  ["Enter", "open or close the stage"],
  ["K", "switch the stage off or on"],
  ["[ ]", "clock starts at the dose before or after"],
  ["1 2 3 4", "widen Minutes, Hours, Days, Weeks"],
  ["0", "all clocks as default"],
  ["Space", "play or stop"],
  ["P", "pin this scenario"],
  ["L", "row linear or log"],
  ["F", "row fitted to its curves"],
  ["T", "Compare table"],
  ["?", "this help"],
];

export function open(app) {
  const { body } = dialog("Keys in the chain", {});
  const tick = el("input", { type: "checkbox", checked: app.store.get().letters_keys !== false,
    on: { change: () => app.store.set({ letters_keys: tick.checked }) } });
  body.append(
    el("p", { class: "muted" }, "They act while the focus is in the chain. The link “Skip to the chain” at the top of the page " +
      "takes you there."),
    el("dl", { class: "keys" }, KEYS.map(([key, what]) => [el("dt", {}, key.split(/, | (?!Up|Down)/).map((k) =>
      el("kbd", {}, k))), el("dd", {}, what)])),
    el("label", { class: "tick" }, tick, " ", el("span", {}, "Single-letter keys on")),
    el("p", { class: "muted" }, "In the days of the dose: arrows move, Enter adds or removes a dose, Shift with an arrow " +
      "moves it. Escape closes a box."));
}
