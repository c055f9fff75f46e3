/** The Export overlay: a file of what is shown, made by the server. */

import { el, setText } from "./dom.js";
import { DRAWS, PEOPLE } from "./session.js";
import { button, dialog, problemText, segmented } from "./widgets.js";

const FORMS = [
  ["csv", "CSV", "every curve as numbers, units in the header"],
  ["parquet", "Parquet", "the same table, for R and Python"],
  ["svg", "SVG", "the chain as a drawing"],
  ["png", "PNG", "the chain as a picture"],
  ["pdf", "PDF", "the chain on a page"],
  ["study", "Study file", "YAML that ketasim run reads"],
  ["python", "Python", "code that gives the same numbers"],
  ["html", "Report", "one HTML page with figures, rules and sources"],
];

/** Give a file to the reader. */
export function save(blob, name) {
  const address = URL.createObjectURL(blob);
  const link = el("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

/** @param {{job?: string, name?: string}} [of] a finished job instead of the scenarios on show */
export function open(app, of = {}) {
  const state = app.store.get();
  const { body } = dialog(of.job ? `Export ${of.name || "this run"}` : "Export", {});
  let form = "csv";
  let letter = "all";
  const group = el("fieldset", { class: "forms" }, el("legend", {}, "As"), FORMS.map(([id, name, what]) =>
    el("label", { class: "tick" },
      el("input", { type: "radio", name: "export-as", value: id, checked: id === form, on: { change: () => { form = id; } } }),
      el("span", {}, el("b", {}, name), ` ${what}`))));
  const which = segmented("Which scenarios", [{ id: "all", name: "All shown" },
    ...state.scenarios.map((s) => ({ id: s.letter, name: s.letter }))], (id) => { letter = id; });
  which.set("all");
  const message = el("p", { class: "field-error", role: "alert", hidden: true });
  const note = el("p", { class: "muted" });
  const press = button("Download", async () => {
    message.hidden = true;
    press.disabled = true;
    setText(note, "Making the file…");
    try {
      const file = await app.api.blob("/export", request());
      save(file.blob, file.name);
      setText(note, `${file.name} saved.`);
    } catch (problem) {
      message.hidden = false;
      setText(message, problemText((problem.errors || [])[0] ? { detail: problem.detail, ...problem.errors[0] } : problem));
      setText(note, "");
    }
    press.disabled = false;
  }, { class: "btn primary" });
  const request = () => {
    if (of.job) return { as: form, job: of.job };
    const chosen = app.store.get().scenarios.filter((s) => letter === "all" || s.letter === letter);
    const dark = getComputedStyle(document.documentElement).colorScheme === "dark";
    return { as: form, scenarios: chosen.map((s) => s.scenario), variables: app.variables(), bands: app.store.get().bands, draws: DRAWS,
      people: PEOPLE, axis: app.axisRequest(), theme: dark ? "dark" : "light" };
  };
  const failed = state.scenarios.map((s) => [s.letter, (app.resultOf(s.letter) || { rules: [] }).rules || []])
    .map(([l, list]) => [l, list.filter((r) => r.state === "fail").length]).filter(([, n]) => n);
  body.append(group, !of.job && state.scenarios.length > 1 ? which.root : "",
    failed.length && !of.job ? el("p", { class: "warn-line" }, failed.map(([l, n]) =>
      `${l} fails ${n} supervision ${n === 1 ? "rule" : "rules"}`).join("; "), ". The file says so.") : "",
    message, el("div", { class: "row-end" }, note, press));
}
