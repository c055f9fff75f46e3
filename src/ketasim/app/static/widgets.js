/** The controls and boxes of the panels: fields with messages, choices, tables, charts in cards, dialogs. */

import { el, put, setText, uid } from "./dom.js";

export const button = (text, onPress, props = {}) =>
  el("button", { type: "button", class: "btn", ...props, on: { click: onPress } }, text);

/** A part of a panel with its title. */
export const section = (title, ...kids) => el("section", { class: "panel" }, title && el("h2", {}, title), kids);

/** A labelled control with a place for its message. */
export function field(label, control, after) {
  if (!control.id) control.id = uid("f");
  const message = el("p", { class: "field-error", id: `${control.id}-error`, hidden: true });
  const root = el("div", { class: "fld" }, el("label", { for: control.id }, label), control, after, message);
  const error = (text) => {
    message.hidden = !text;
    setText(message, text || "");
    if (text) {
      control.setAttribute("aria-invalid", "true");
      control.setAttribute("aria-describedby", message.id);
    } else {
      control.removeAttribute("aria-invalid");
      control.removeAttribute("aria-describedby");
    }
  };
  return { root, control, error };
}

/** A choice as {id, name}, whether it came as a text or as an object. */
export const asChoice = (c) => {
  if (typeof c === "string") return { id: c, name: c.replace(/_/g, " ") };
  return { ...c, name: c.name || c.label || String(c.id).replace(/_/g, " ") };
};

/** A select with a label; `choices` are texts or {id, name}. */
export function choose(label, choices, onChange) {
  const control = el("select");
  let listed = "";
  const set = (value, list) => {
    const key = list ? JSON.stringify(list) : listed;
    if (key !== listed) put(control, list.map(asChoice).map((c) => el("option", { value: c.id }, c.name)));
    listed = key;
    if (value !== undefined && value !== null && control.value !== value) control.value = value;
  };
  set(null, choices || []);
  control.addEventListener("change", () => onChange(control.value));
  return { ...field(label, control), set };
}

// So many equal characters at the start make two sentences the same: a hint may be the detail cut short.
const SAME = 60;

/** A problem of the server as sentences for one field: what is wrong, what is allowed, what to do. */
export function problemText(error) {
  const given = error.value === null || error.value === undefined || typeof error.value === "object" ? "" : `“${error.value}” cannot be used.`;
  const parts = [error.detail || error.message || given];
  const allowed = error.allowed && [].concat(error.allowed);
  if (allowed && allowed.length) parts.push(`Allowed: ${allowed.slice(0, 12).join(", ")}.`);
  const near = error.nearest && [].concat(error.nearest).filter(Boolean);
  if (near && near.length && !parts[0].includes(near[0]) && !(allowed && allowed.length === 1)) parts.push(`Did you mean ${near.join(" or ")}?`);
  if (error.hint) parts.push(error.hint);
  return parts.filter((p, i) => p && !parts.slice(0, i).some((q) => q.includes(p.slice(0, SAME)))).join(" ");
}

/** A radio group drawn as one bar. `choices`: [{id, name}]. */
export function segmented(label, choices, onChange) {
  const name = uid("seg");
  const inputs = new Map();
  const root = el("div", { class: "segmented", role: "radiogroup", "aria-label": label });
  for (const c of choices) {
    const input = el("input", { type: "radio", name, value: c.id, on: { change: () => onChange(c.id) } });
    inputs.set(c.id, input);
    root.append(el("label", {}, input, el("span", {}, c.name)));
  }
  return { root, set: (id) => inputs.has(id) && (inputs.get(id).checked = true) };
}

/** A table with real headers in its own scrolling box. `rows`: arrays whose first cell heads the row. */
export function table(caption, head, rows) {
  const numeric = (c) => typeof c === "string" && /^[−+\d]/.test(c);
  const cell = (c, i) =>
    i === 0 ? el("th", { scope: "row" }, c) : el("td", { class: right[i] ? "num" : null }, c);
  const right = head.map((_, i) => i > 0 && rows.some((r) => numeric(r[i])) && rows.every((r) => !r[i] || numeric(r[i])));
  return el("div", { class: "table-box", tabindex: 0, role: "region", "aria-label": caption },
    el("table", {},
      el("caption", {}, caption),
      el("thead", {}, el("tr", {}, head.map((h, i) => el("th", { scope: "col", class: right[i] ? "num" : null }, h)))),
      el("tbody", {}, rows.map((r) => el("tr", {}, r.map(cell))))));
}

/** A chart in a card: title, note, drawing, one sentence, and the same numbers as a table on request. */
export function figure({ title, note, sentence, drawing, head, rows, key }) {
  const holder = el("div", { class: "as-table", hidden: true });
  const press = button("Show as table", () => {
    holder.hidden = !holder.hidden;
    if (!holder.hidden && !holder.firstChild) holder.append(table(title, head, rows));
    press.setAttribute("aria-expanded", String(!holder.hidden));
    setText(press, holder.hidden ? "Show as table" : "Hide table");
  }, { class: "btn quiet", "aria-expanded": "false" });
  const id = uid("fig");
  drawing.setAttribute("role", "img");
  drawing.setAttribute("aria-labelledby", id);
  return el("section", { class: "card", dataset: { key: key || title } },
    el("h3", {}, title), note && el("p", { class: "muted" }, note),
    drawing, el("p", { class: "chart-sentence", id }, sentence), press, holder);
}

/** A modal over the page; the focus returns to where it was, unless it is elsewhere by then. Gives {body, close, node}. */
export function dialog(title, props = {}) {
  const before = document.activeElement;
  const head = uid("dlg");
  const body = el("div", { class: "dialog-body" });
  const node = el("dialog", { class: `overlay ${props.class || ""}`, "aria-labelledby": head });
  const close = () => node.close();
  node.append(el("header", {}, el("h2", { id: head }, title), button("Close", close, { class: "btn quiet" })), body);
  node.addEventListener("close", () => {
    node.remove();
    if (props.onClose) props.onClose();
    const nowhere = !document.activeElement || document.activeElement === document.body;
    if (nowhere && before && before.isConnected) before.focus();
  });
  node.addEventListener("click", (e) => e.target === node && close());
  (document.getElementById("overlays") || document.body).append(node);
  node.showModal();
  return { body, close, node };
}
