// What opens below a row: its own buttons, its curve as a table, and the strip that stage.js fills.

import { clear, el, setAttr, setText } from "./dom.js";
import { seams, ticks } from "./ticks.js";
import { button, table } from "./widgets.js";

const TABLE_PX = 900;

/** Columns that a table shows: the ticks, the cursor and both ends, with their times since the dose. */
export function tableTimes(axis, tau, columns) {
  const marks = [...ticks(axis, TABLE_PX), ...seams(axis)].map((tick) =>
    Math.min(columns - 1, Math.floor(tick.x * columns)),
  );
  marks.push(axis.column(tau, columns), 0, columns - 1);
  return [...new Set(marks)].sort((a, b) => a - b).map((i) => ({ i, tau: axis.centre(i, columns) }));
}

function bar(app, row, columns) {
  const { id, log_allowed: log } = row.row;
  const holder = el("div", { class: "as-table", hidden: true });
  const pressed = (key) => String(Boolean(app.state().scales[id]?.[key]));
  const tell = (key, text) => {
    const press = button(
      text,
      () => {
        app.setScale(id, key);
        setAttr(press, "aria-pressed", pressed(key));
      },
      { class: "btn quiet", "aria-pressed": pressed(key) },
    );
    return press;
  };
  const show = button(
    "Show as table",
    () => {
      holder.hidden = !holder.hidden;
      setText(show, holder.hidden ? "Show as table" : "Hide table");
      setAttr(show, "aria-expanded", String(!holder.hidden));
      const { head, body } = row.asTable(tableTimes(app.axis(), app.tau(), columns));
      clear(holder).append(table(row.sentence(), head, body));
    },
    { class: "btn quiet", "aria-expanded": "false" },
  );
  const large = button("Open large", () => app.open("large", id), { class: "btn quiet" });
  return el(
    "div",
    { class: "row-bar" },
    log ? tell("log", "Log scale") : null,
    tell("fit", "Fit to curves"),
    show,
    large,
    holder,
  );
}

/** The slot; `sync(row)` opens it below a row (as createRow makes it), or closes it for null. */
export function createSlot(app, columns) {
  const root = el("div", { class: "slot", hidden: true });
  let unmount = null;
  let shown = null;

  async function fill(row, strip) {
    const stage = await app.load("stage");
    if (shown === row && stage) unmount = stage.mount(strip, app, row.row.id);
  }

  function sync(row) {
    if (row === shown) return;
    unmount?.();
    unmount = null;
    shown?.nodes.open.setAttribute("aria-expanded", "false");
    shown = row;
    root.hidden = !row;
    if (!row) return;
    row.nodes.open.setAttribute("aria-expanded", "true");
    row.nodes.root.after(root);
    const strip = el("div", { class: "strip" });
    clear(root).append(bar(app, row, columns), strip);
    fill(row, strip);
  }

  return { sync };
}
