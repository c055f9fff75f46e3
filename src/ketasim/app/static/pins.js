// The scenarios on show: A, and what was pinned as B to D, each with its stroke and what differs from A.

import { button, dialog } from "./widgets.js";
import { el, put, setText, svg } from "./dom.js";
import { canonical } from "./link.js";

const FEW = 3;

function leaves(value, path = []) {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return [[path.join("."), value]];
  return Object.entries(value).flatMap(([key, each]) => leaves(each, [...path, key]));
}

const words = (path) => path.split(".").pop().replaceAll("_", " ");

function told(path, value, names) {
  if (path === "regimen") return value;
  if (path.startsWith("mechanism.switches.")) {
    const id = path.split(".").pop();
    return `${names.get(id) ?? words(path)} ${value === undefined || value >= 1 ? "on" : value === 0 ? "off" : `at ${Math.round(value * 100)} %`}`;
  }
  if (value === undefined) return `${words(path)} as default`;
  return `${words(path)} ${Array.isArray(value) ? value.join(", ") || "none" : (value ?? "none")}`;
}

/** What scenario `other` has that `first` has not, in words; empty when they are the same. */
export function differences(first, other, meta) {
  const names = new Map((meta?.switches ?? []).map((each) => [each.id, each.name]));
  const before = new Map(leaves(first));
  const after = new Map(leaves(other));
  const paths = [...new Set([...before.keys(), ...after.keys()])];
  return paths
    .filter((path) => path !== "mechanism.switches" && canonical(before.get(path)) !== canonical(after.get(path)))
    .map((path) => told(path, after.get(path), names));
}

function name(each, first, meta) {
  if (each === first) return each.scenario.regimen;
  const found = differences(first.scenario, each.scenario, meta);
  if (!found.length) return "the same as " + first.letter;
  const rest = found.length > FEW ? ` and ${found.length - FEW} more` : "";
  return found.slice(0, FEW).join("; ") + rest;
}

/** How many supervision rules a result fails, in words; null when none. */
function failed(result) {
  const count = (result?.rules ?? []).filter((rule) => rule.state === "fail").length;
  return count ? `\u2715 ${count} rule${count === 1 ? " fails" : "s fail"}` : null;
}

/** Ask which of B, C and D gives way to a fifth scenario. */
function askWhich(app) {
  const { scenarios, active } = app.state();
  const { body, close } = dialog("Four scenarios are pinned. Which one may go?");
  const others = scenarios.filter((each) => each.letter !== active);
  body.append(
    ...others.map((each) =>
      button(
        `Replace ${each.letter}: ${name(each, scenarios[0], app.meta)}`,
        () => {
          app.pin(each.letter);
          close();
        },
        { class: "btn wide" },
      ),
    ),
    button("Keep all four", close, { class: "btn quiet" }),
  );
}

function tab(app, each, first) {
  const { active, scenarios } = app.state();
  const result = app.resultOf(each.letter);
  const stroke = svg(
    "svg",
    { class: "stroke-sample", width: 28, height: 4, "aria-hidden": "true" },
    svg("path", { d: "M0 2H28", class: `curve stroke-${each.letter}` }),
  );
  const mark = failed(result);
  const choose = el(
    "button",
    {
      type: "button",
      class: "pin-choose",
      "aria-pressed": String(each.letter === active),
      on: { click: () => app.store.set({ active: each.letter }, { history: true }) },
    },
    stroke,
    el("b", {}, each.letter),
    el(
      "span",
      { class: "pin-name" },
      el("span", { class: "pin-text" }, name(each, first, app.meta)),
      mark && el("span", { class: "pin-fails" }, ` ${mark}`),
    ),
  );
  const drop =
    scenarios.length > 1 && each.letter !== first.letter
      ? button("\u00d7", () => app.unpin(each.letter), { class: "btn quiet", "aria-label": `Unpin ${each.letter}` })
      : null;
  return el("div", { class: `pin ${each.letter === active ? "pin-on" : ""}` }, choose, drop);
}

/** Mount the list of scenarios. */
export function mount(root, app) {
  const { store } = app;
  const add = () => {
    if (!app.pin()) askWhich(app);
  };

  let last = "";
  function draw() {
    const { scenarios, active } = store.get();
    const key = canonical([active, scenarios.map(({ letter }) => [letter, failed(app.resultOf(letter))])]);
    if (!scenarios.length) return;
    if (key === last) {
      // While a dose is dragged only the words change.
      const texts = root.querySelectorAll(".pin-text");
      scenarios.forEach((each, i) => setText(texts[i], name(each, scenarios[0], app.meta)));
      return;
    }
    last = key;
    const held = document.activeElement?.closest("#pins")
      ? [...root.querySelectorAll("button")].indexOf(document.activeElement)
      : -1;
    put(
      root,
      scenarios.map((each) => tab(app, each, scenarios[0])),
      button("+ Pin this one", add, { class: "btn pin-add" }),
      button("Table", () => app.open("compare"), { class: "btn quiet pin-table" }),
    );
    if (held >= 0) root.querySelectorAll("button")[held]?.focus();
  }

  store.watch(["scenarios", "active"], draw);
  app.on("results", draw);
  app.on("pin", add);
  draw();
}
