/** The Trial view: a design, its progress, its result, and the runs that are kept. */

import { el, put, setText } from "./dom.js";
import { button, problemText } from "./widgets.js";
import { designForm } from "./trialdesign.js";
import { resultNodes } from "./trialresult.js";

const ALIVE = new Set(["queued", "running", "stopping"]);
const RETRY_MS = 2000;
const SOON = "The first results come within seconds.";

const big = (v) => Math.round(v || 0).toLocaleString("en-US");

/** "640 of 1,000 trials, 128,000 people, about 40 s left" from a job. */
export function progressText(job, format) {
  const p = job.progress || {};
  if (job.state === "stopping") return "Stopping after the trials that are running…";
  if (job.state === "queued") {
    return job.position > 0 ? `Waiting: ${job.position} ${job.position === 1 ? "run is" : "runs are"} before this one` : "Starting";
  }
  const people = p.unit || "people";
  const parts = p.trials ? [`${big(p.trials_done)} of ${big(p.trials)} trials`, `${big(p.done)} ${people}`]
    : [`${big(p.done)} of ${big(p.total)} ${people}`];
  if (Number.isFinite(p.eta_s)) parts.push(`about ${format.duration(p.eta_s)} left`);
  if (Number.isFinite(p.rate)) parts.push(`${format.number(p.rate)} a second`);
  return parts.join(", ");
}

/** What is to be said of a run beside its progress. */
export function noteText(job) {
  return [job.note, job.state === "failed" && job.problem ? `The run failed. ${problemText(job.problem)}` : "",
    job.state === "stopped" && !job.has_result ? "Stopped before the first trial was finished; there is nothing to keep." : "",
    job.state === "interrupted" ? "The app was closed during this run. Resume goes on where it was." : ""].filter(Boolean).join(" ");
}

export function mount(root, app) {
  const run = runner(app);
  const form = designForm(app, run.start);
  const kept = keptRuns(app, run);
  run.onChange(() => kept.load());
  put(root, el("div", { class: "trial-page" }, el("div", { class: "trial-design" }, form.root, kept.root), run.root));
  let begun = false;
  const show = async () => {
    const state = app.store.get();
    if (state.view !== "trial") return;
    form.sync();
    if (begun) return;
    begun = true;
    const jobs = await kept.load();
    const newest = [...jobs].sort((a, b) => (a.created < b.created ? 1 : -1));
    const job = newest.find((j) => ALIVE.has(j.state)) || newest.find((j) => j.has_result);
    if (job && run.idle()) run.attach(job.job);
  };
  app.store.subscribe((now, before) => {
    if (["view", "scenarios", "trial"].some((key) => now[key] !== before[key])) show();
  });
  show();
}

function drawState(r, job) {
  const p = job.progress || {};
  r.job = job;
  r.line.hidden = !ALIVE.has(job.state);
  setText(r.words, progressText(job, r.app.format));
  r.bar.value = p.total ? p.done / p.total : 0;
  r.bar.setAttribute("aria-label", r.words.textContent);
  r.stop.disabled = job.state === "stopping";
  setText(r.note, noteText(job));
  offer(r);
}

/** A run is exported when it has ended and its own last result is on show. */
const offer = (r) => { r.after.hidden = !r.last || !r.job || ALIVE.has(r.job.state); };

function drawResult(r, id, result) {
  if (r.id !== id) return;
  r.last = result.preliminary ? null : result;
  r.body.dataset.job = id;
  put(r.body, resultNodes(r.app, result));
  offer(r);
}

/** Take away what another run has left, at once: a result on show is always that of the run which is named. */
function blank(r, ...nodes) {
  r.close();
  clearTimeout(r.timer);
  Object.assign(r, { id: null, job: null, last: null });
  r.line.hidden = r.after.hidden = true;
  setText(r.note, "");
  delete r.body.dataset.job;
  put(r.body, ...nodes);
}

const says = (text) => el("p", { class: "muted" }, text);

async function attach(r, id) {
  if (r.id !== id) blank(r, says("Opening the run…"));
  r.close();
  clearTimeout(r.timer);
  r.id = id;
  try {
    const job = await r.app.api.get(`/jobs/${id}`);
    if (r.id !== id) return;
    drawState(r, job);
    if (ALIVE.has(job.state)) {
      if (r.body.dataset.job !== id) put(r.body, says(SOON));
      listen(r, id);
    } else if (job.has_result) drawResult(r, id, await r.app.api.get(`/jobs/${id}/result`));
    else put(r.body);
  } catch (problem) {
    if (r.id === id) setText(r.note, problemText(problem));
  }
}

/** Ask for a run. What was on show goes away before the answer comes, and comes back if the run is refused. */
async function start(r, request) {
  const before = r.id;
  blank(r, says("Asking for the run…"));
  r.asking = true;
  try {
    const { job } = await r.app.api.post("/jobs", request);
    r.changed();
    await attach(r, job);
    if (r.app.phone()) r.root.scrollIntoView();
  } catch (problem) {
    if (before) attach(r, before);
    else put(r.body, r.empty);
    throw problem;
  } finally {
    r.asking = false;
  }
}

function listen(r, id) {
  const here = (act) => (data) => r.id === id && act(data);
  const end = async () => {
    r.close();
    r.changed();
    await attach(r, id);
  };
  r.close = r.app.api.events(`/jobs/${id}/events`, {
    state: here((data) => drawState(r, { ...r.job, ...data })),
    progress: here((progress) => drawState(r, { ...r.job, state: r.job.state === "queued" ? "running" : r.job.state, progress })),
    partial: here((result) => drawResult(r, id, result)),
    done: here(async () => {
      await end();
      r.app.announce("The run is finished");
    }),
    failed: here(end),
    lost: here((gone) => { if (gone) r.timer = setTimeout(() => r.id === id && attach(r, id), RETRY_MS); }),
  });
}

async function stopAndKeep(r) {
  r.stop.disabled = true;
  try {
    await r.app.api.post(`/jobs/${r.id}/stop`, { keep: true });
    drawState(r, { ...r.job, state: "stopping" });
  } catch (problem) {
    setText(r.note, problemText(problem));
  }
}

function runner(app) {
  const empty = el("div", { class: "empty" }, el("h2", {}, "No run yet"), says("Arms are the scenarios on " +
    `show in Explore: pin a second one to compare two drugs. Press Run. ${SOON} A run goes on if you reload this page.`));
  const r = { app, empty, id: null, job: null, last: null, asking: false, timer: 0, close() {}, changed() {}, words: el("span", {}),
    bar: el("progress", { max: 1, value: 0 }), note: el("p", { class: "muted", role: "status" }),
    body: el("div", { class: "run-body" }, empty) };
  r.stop = button("Stop and keep", () => stopAndKeep(r));
  r.line = el("div", { class: "progress-line", hidden: true }, r.words, r.bar, r.stop);
  r.after = el("p", { class: "row-end", hidden: true },
    button("Export this run", () => app.open("exporting", { job: r.id, name: r.last.name })));
  r.root = el("div", { class: "trial-result" }, r.line, r.note, r.body, r.after);
  return {
    root: r.root,
    attach: (id) => attach(r, id),
    idle: () => r.id === null && !r.asking,
    start: (request) => start(r, request),
    forget: (id) => r.id === id && blank(r, empty),
    onChange: (act) => { r.changed = act; },
  };
}

const STATES = { queued: "waiting", running: "running", stopping: "stopping", finished: "finished", stopped: "stopped, kept",
  failed: "failed", interrupted: "interrupted" };

function keptRuns(app, run) {
  const list = el("ul", { class: "runs" });
  const note = el("p", { class: "muted" });
  const root = el("section", { class: "panel" }, el("h2", {}, "Runs"), note, list);
  async function load() {
    let jobs = [];
    try {
      jobs = (await app.api.get("/jobs")).jobs || [];
      setText(note, jobs.length ? "" : "Finished runs are kept here by name.");
    } catch (problem) {
      setText(note, problemText(problem));
    }
    note.hidden = !note.textContent;
    put(list, jobs.map(item));
    return jobs;
  }
  const act = (fn) => async () => {
    try {
      await fn();
    } catch (problem) {
      note.hidden = false;
      setText(note, problemText(problem));
      return;
    }
    load();
  };
  function item(job) {
    const name = job.name || job.job;
    const when = job.created ? job.created.replace("T", " ").slice(0, 16) : "";
    const state = job.state === "stopped" && !job.has_result ? "stopped" : STATES[job.state] || job.state;
    const again = ["stopped", "failed", "interrupted"].includes(job.state);
    return el("li", { dataset: { job: job.job } }, el("div", {}, button(name, () => run.attach(job.job), { class: "btn link" }),
      el("span", { class: "muted block" }, `${state}, ${when}`)),
    el("span", {}, again ? button("Resume", act(async () => {
      await app.api.post(`/jobs/${job.job}/resume`, {});
      await run.attach(job.job);
    }), { class: "btn quiet", "aria-label": `Resume ${name}` }) : "",
    button("Delete", act(async () => {
      await app.api.del(`/jobs/${job.job}`);
      run.forget(job.job);
    }), { class: "btn quiet", "aria-label": `Delete ${name}` })));
  }
  return { root, load };
}
