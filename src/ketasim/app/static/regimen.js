/** The regimen in words, as a form and as days: each change gives the other two through `/regimen`. */

import { el, put, setText } from "./dom.js";
import { field, problemText, section } from "./widgets.js";
import { doseList, mount as mountCalendar } from "./calendar.js";
import { doseForm } from "./doseform.js";

const TYPING_MS = 500;
const REMEMBERED = 200;

/** Answers of `/regimen` by their text; the latest question wins. */
function asker(api, refuse) {
  const seen = new Map();
  let turn = 0;
  return {
    known: (text) => seen.get(text),
    remember(text, answer) {
      if (seen.size > REMEMBERED) seen.clear();
      seen.set(text, answer);
    },
    async ask(body) {
      turn += 1;
      const mine = turn;
      try {
        const answer = await api.post("/regimen", body);
        this.remember(answer.text, answer);
        return mine === turn ? answer : null;
      } catch (problem) {
        if (mine === turn && problem.name !== "AbortError") refuse(problem, body);
        return null;
      }
    },
  };
}

/** Show what is wrong at the field that it is about; the last valid curves stay and are named. */
function refusal(r, problem, body) {
  if (problem.lost) {
    r.unsent = body;
    return;
  }
  const first = (problem.errors || [])[0];
  const text = `${problemText(first ? { detail: problem.detail, ...first } : problem)} Curves are for: ${r.ctx.now().regimen}`;
  const part = /^\/form\/(\w+)/.exec((first && first.path) || "");
  if (!part || !r.form.refuse(part[1], text)) r.box.error(text);
}

function accept(r, answer, { text, history = true } = {}) {
  if (!answer) return;
  r.box.error("");
  r.form.refuse(null);
  r.asker.remember(text || answer.text, answer);
  r.shown = answer;
  r.ctx.change(["regimen"], text || answer.text, history);
}

async function typed(r) {
  clearTimeout(r.timer);
  const text = r.area.value.trim();
  if (!text) return;
  if (text === r.ctx.now().regimen) r.box.error("");
  else accept(r, await r.asker.ask({ text }), { text });
}

/** While the slider moves the amount is changed in the words, without a question to the server. */
function dragged(r, amount) {
  const before = r.shown && r.shown.form && r.shown.form.amount;
  const text = r.ctx.now().regimen;
  if (!before || !text.includes(before)) return;
  const next = text.split(before).join(amount);
  r.shown = { ...r.shown, text: next, form: { ...r.shown.form, amount } };
  r.asker.remember(next, r.shown);
  r.ctx.change(["regimen"], next, false);
}

function draw(r, answer, state) {
  r.shown = answer;
  setText(r.sentence, answer.sentence || "");
  put(r.warnings, (answer.warnings || []).map((w) => el("li", {}, w)));
  r.warnings.hidden = !r.warnings.childElementCount;
  r.form.sync(answer);
  r.calendar.set(answer.events, Math.ceil((state.axis.end_h || 0) / 24));
  if (r.details.open) r.list.set(answer.events);
  r.details.hidden = !answer.events.length;
}

async function sync(r, scenario, state) {
  const busy = document.activeElement === r.area;
  if (!busy || !r.area.value.trim()) r.area.value = scenario.regimen;
  const answer = r.asker.known(scenario.regimen) || (await r.asker.ask({ text: scenario.regimen }));
  if (!answer || r.ctx.now().regimen !== scenario.regimen) return;
  r.asker.remember(scenario.regimen, answer);
  draw(r, answer, state);
}

/** The Regimen and Dose parts of the panel. */
export function regimen(ctx) {
  const { app } = ctx;
  const r = { ctx, shown: null, timer: 0, unsent: null, area: el("textarea", { rows: 2, spellcheck: "false", autocomplete: "off" }),
    sentence: el("p", { class: "muted" }), warnings: el("ul", { class: "warnings" }) };
  r.box = field("Regimen in words", r.area);
  ctx.problems.set("regimen", r.box.error);
  r.asker = asker(app.api, (problem, body) => refusal(r, problem, body));
  r.form = doseForm({ app, form: () => r.shown && r.shown.form, drag: (amount) => dragged(r, amount),
    none: async () => accept(r, await r.asker.ask({ text: "none" })), give: async (form) => accept(r, await r.asker.ask({ form })) });
  const giveDays = async (events, words) => {
    accept(r, await r.asker.ask(events.length ? { events } : { text: "none" }));
    app.announce(words);
  };
  const days = el("div", { class: "calendar" });
  r.calendar = mountCalendar(days, { onChange: giveDays, fresh: () => ({ time_h: 0, ...r.form.fresh() }) });
  r.list = doseList({ onChange: giveDays });
  r.details = el("details", {}, el("summary", {}, "Doses as a list"), r.list.root);
  r.details.addEventListener("toggle", () => r.details.open && r.shown && r.list.set(r.shown.events));
  r.area.addEventListener("input", () => {
    clearTimeout(r.timer);
    r.timer = setTimeout(() => typed(r), TYPING_MS);
  });
  r.area.addEventListener("change", () => typed(r));
  app.on("back", () => {
    const body = r.unsent;
    r.unsent = null;
    if (body) r.asker.ask(body).then((answer) => accept(r, answer, { text: body.text }));
  });
  const root = el("div", {}, section(null, r.box.root, r.sentence, r.warnings), section("Dose", r.form.root, days, r.details));
  return { root, reads: (scenario, state) => [scenario.regimen, state.axis.end_h], sync: (scenario, state) => sync(r, scenario, state) };
}
