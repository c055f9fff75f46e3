// Strips under the header: what failed, what is being prepared, what a link had to say.

import { button } from "./widgets.js";
import { el } from "./dom.js";
import { number } from "./format.js";

/** Notices by id: `show(id, {text, kind, actions: [[text, run]], bar})` replaces, `hide(id)` removes. */
export function createNotices(root) {
  const shown = new Map();

  function hide(id) {
    shown.get(id)?.remove();
    shown.delete(id);
  }

  function show(id, { text, kind = "info", actions = [], bar = false, more = null, closes = true }) {
    const key = JSON.stringify([text, kind, bar]);
    if (shown.get(id)?.dataset.key === key) return;
    hide(id);
    const node = el(
      "div",
      { class: `notice notice-${kind}`, role: kind === "fail" ? "alert" : "status", dataset: { key } },
      el("p", {}, text),
      bar === false ? null : el("progress", { "aria-label": text, max: 1, value: bar === true ? null : bar }),
      more,
      actions.map(([label, run]) => button(label, run, { class: "btn quiet" })),
      closes ? button("Close", () => hide(id), { class: "btn quiet" }) : null,
    );
    shown.set(id, node);
    root.append(node);
  }

  return { show, hide };
}

/** Show the problem of the last request for curves, or take it away when there is none. */
export function showProblem(app, notices, problem) {
  for (const id of ["compiling", "problem"]) if (idOf(problem) !== id) notices.hide(id);
  if (idOf(problem) === null) return;
  if (problem.code === "compiling") {
    const { elapsed_s, expected_s } = problem.raw;
    const done = expected_s ? Math.min(0.95, elapsed_s / expected_s) : true;
    notices.show("compiling", {
      bar: done,
      closes: false,
      text: `Preparing the model, once: about ${number(expected_s ?? 5, 1)} s. Controls can be used meanwhile.`,
    });
  } else {
    const details = JSON.stringify(problem.raw, null, 1);
    notices.show("problem", {
      kind: "fail",
      text: `${problem.title}. ${problem.detail}`.trim(),
      actions: [
        ...(problem.code === "solver_failed" ? [["Try the reference solver", () => app.session.reference()]] : []),
        ["Try again", () => app.session.again()],
        ["Copy details", () => navigator.clipboard.writeText(details)],
      ],
    });
  }
}

/** Say that the server has stopped, or take that away. */
export function showLost(notices, lost) {
  if (!lost) notices.hide("lost");
  else
    notices.show("lost", {
      kind: "fail",
      closes: false,
      text: "ketasim app has stopped. Start it again; your scenario is in this page\u2019s link. Trying again every 2 s.",
    });
}

function idOf(problem) {
  if (!problem || problem.status === 422 || problem.lost) return null;
  return problem.code === "compiling" ? "compiling" : "problem";
}
