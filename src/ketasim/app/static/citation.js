/** The citation card, and the words for how well a number is known. */

import { el, put } from "./dom.js";
import { dialog, problemText } from "./widgets.js";

const seen = new Map();

export const GRADES = {
  measured: "Measured: read from a publication.",
  derived: "Derived: computed from published numbers.",
  calibrated: "Calibrated: fitted to published results.",
  assumed: "Assumed: no source; the range says how unsure it is.",
};

/** A small mark with the grade of a number. */
export const gradeChip = (grade) =>
  el("span", { class: `chip grade-${grade}`, title: GRADES[grade] || grade }, grade);

const isKey = (text) => /^[A-Za-z][\w-]*$/.test(String(text));

/** A press on a citation key that opens its card; a text which is no key stays a text. */
export function citeLink(app, key) {
  if (!key || key === "none" || key === "assumed") return null;
  const keys = String(key).split(/[;,]\s*/).filter(Boolean);
  return el("span", { class: "cites" }, keys.map((k, i) => [i ? ", " : "", isKey(k)
    ? el("button", { type: "button", class: "btn link", on: { click: () => cite(app, k) } }, k) : k]));
}

/** Open the card of one source. */
export async function cite(app, key) {
  const { body } = dialog("Source", { class: "narrow" });
  body.append(el("p", { class: "muted" }, "Looking it up…"));
  try {
    if (!seen.has(key)) seen.set(key, await app.api.get(`/citations/${encodeURIComponent(key)}`));
    const c = seen.get(key);
    const url = c.url || (c.doi ? `https://doi.org/${c.doi}` : "");
    const authors = Array.isArray(c.authors) ? c.authors.join(", ") : c.authors;
    put(body, el("p", {}, el("b", {}, c.title || key)), el("p", {}, [authors, c.year].filter(Boolean).join(", ")),
      c.journal && el("p", {}, el("i", {}, c.journal)),
      c.doi && el("p", { class: "muted" }, `doi ${c.doi}`),
      /^https?:\/\//.test(url) && el("p", {}, el("a", { href: url, target: "_blank", rel: "noopener noreferrer" },
        "Open at the publisher"), el("span", { class: "muted" }, " (leaves this machine)")),
      c.note && el("p", { class: "muted" }, c.note), el("p", { class: "muted" }, `Key ${key}`));
  } catch (problem) {
    put(body, el("p", { class: "field-error" }, problemText(problem)), el("p", { class: "muted" }, `Key ${key}`));
  }
}
