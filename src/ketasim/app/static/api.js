// The only module that talks to the server. Every failure is a `Problem` with the server's own fields.

const BASE = "/api/v1";
const RETRY_MS = 2000;

/** What went wrong, as `application/problem+json` says it; `status` 0 means that nobody answered. */
export class Problem extends Error {
  constructor(fields) {
    super(fields.detail || fields.title || "The request failed.");
    this.name = "Problem";
    this.status = fields.status ?? 0;
    this.code = fields.code ?? "unknown";
    this.title = fields.title ?? "The request failed";
    this.detail = fields.detail ?? "";
    this.errors = fields.errors ?? [];
    this.retry_after_s = fields.retry_after_s ?? null;
    this.raw = fields;
  }

  get lost() {
    return this.code === "connection_lost";
  }
}

async function problemOf(response) {
  const body = await response.json().catch(() => ({}));
  const title = `The server answered ${response.status}`;
  return new Problem({ code: "http", title, ...body, status: response.status });
}

let listener = null;
let silence = null;

/** Tell `listener` (true) when nobody answers any more, and (false) when the server is back; asked each 2 s. */
export function watchConnection(run) {
  listener = run;
}

function silent() {
  if (silence) return;
  silence = setInterval(() => call("GET", "/meta", {}).catch(() => {}), RETRY_MS);
  listener?.(true);
}

function heard() {
  if (!silence) return;
  clearInterval(silence);
  silence = null;
  listener?.(false);
}

async function call(method, path, { body, signal } = {}) {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  const request = { method, headers, signal, credentials: "same-origin" };
  if (body !== undefined) request.body = JSON.stringify(body);
  let response;
  try {
    response = await fetch(BASE + path, request);
    heard();
  } catch (failure) {
    if (failure.name === "AbortError") throw failure;
    silent();
    throw new Problem({ code: "connection_lost", title: "Nobody answers", detail: failure.message });
  }
  if (!response.ok) throw await problemOf(response);
  return response;
}

async function json(method, path, options) {
  const response = await call(method, path, options);
  return response.status === 204 ? null : response.json();
}

function fileName(response) {
  const header = response.headers.get("Content-Disposition") ?? "";
  return /filename="?([^";]+)"?/.exec(header)?.[1] ?? "ketasim";
}

/** Server-sent events of `path`; returns a function which ends them. `lost` is told of every broken line. */
function events(path, handlers) {
  const source = new EventSource(BASE + path);
  for (const name of ["state", "progress", "partial", "done", "failed"]) {
    source.addEventListener(name, (event) => {
      handlers[name]?.(JSON.parse(event.data), event.lastEventId);
      if (name === "done" || name === "failed") source.close();
    });
  }
  source.onerror = () => handlers.lost?.(source.readyState === EventSource.CLOSED);
  return () => source.close();
}

/** Verbs of the JSON API. Paths are those after `/api/v1`. */
export const api = {
  get: (path, options) => json("GET", path, options),
  post: (path, body, options) => json("POST", path, { ...options, body }),
  del: (path, options) => json("DELETE", path, options),
  async blob(path, body, options) {
    const response = await call("POST", path, { ...options, body });
    return { blob: await response.blob(), name: fileName(response) };
  },
  events,
};

/**
 * A lane with one request in flight, where the latest wins.
 *
 * `send({body, patient})` posts to `path`. While a request is under way the newest waiting one replaces older
 * ones. A request marked `patient` (long, with bands) is aborted as soon as another comes. `onReply(answer, job)`
 * is never called for an answer that is older than one already given; `onProblem(problem, job)` likewise. What is
 * under way already (the same `key`) is not asked again.
 */
export function createLane(path, { onReply, onProblem, onState, post = api.post, wait = setTimeout }) {
  let flying = null;
  let waiting = null;
  let issued = 0;
  let given = 0;
  let timer = null;

  async function fly(job) {
    const control = new AbortController();
    flying = { job, control };
    onState?.("flying", job);
    try {
      const answer = await post(path, job.body, { signal: control.signal });
      if (job.number > given) {
        given = job.number;
        onReply(answer, job);
      }
    } catch (failure) {
      if (failure.name !== "AbortError") fail(failure, job);
    } finally {
      flying = null;
      next();
    }
  }

  function fail(problem, job) {
    if (!(problem instanceof Problem)) throw problem;
    if (job.number <= given) return;
    onProblem(problem, job);
    if (problem.retry_after_s && !waiting) timer = wait(() => send(job), problem.retry_after_s * 1000);
  }

  function next() {
    if (!waiting) {
      onState?.("idle");
      return;
    }
    const job = waiting;
    waiting = null;
    fly(job);
  }

  function send(job) {
    clearTimeout(timer);
    if (flying && job.key && flying.job.key === job.key && !flying.control.signal.aborted) {
      waiting = null;
      return;
    }
    issued += 1;
    const numbered = { ...job, number: issued };
    if (!flying) fly(numbered);
    else {
      waiting = numbered;
      if (flying.job.patient) flying.control.abort();
    }
  }

  return { send };
}
