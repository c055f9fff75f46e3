// The pointer on the chain: press or drag to move the cursor, hold a dot for a partial switch, flick to change clock.

import { button, choose } from "./widgets.js";
import { el } from "./dom.js";

const FLICK_MS = 280;
const FLICK_PX = 60;
const HOLD_MS = 500;

/** `area()` gives the left edge and the width of the plots in page pixels. */
export function createScrub(root, app, { area, columns }) {
  function at(event) {
    const { left, width } = area();
    const share = Math.min(0.999999, Math.max(0, (event.clientX - left) / width));
    return app.axis().centre(Math.floor(share * columns), columns);
  }

  function press(event) {
    if (event.button !== 0 || !event.target.closest(".plot-box, .clock-scale, .flag, .cursor")) return;
    if (event.target.closest(".observation")) return;
    const start = { x: event.clientX, time: event.timeStamp, tau: app.state().tau_h };
    const move = (step) => app.setTau(at(step));
    const end = (last) => {
      root.removeEventListener("pointermove", move);
      root.removeEventListener("pointerup", end);
      root.removeEventListener("pointercancel", end);
      const shift = last.clientX - start.x;
      const quick = last.timeStamp - start.time < FLICK_MS && Math.abs(shift) > FLICK_PX;
      if (last.pointerType === "touch" && quick && app.clockShown() !== null) {
        app.setTau(start.tau);
        app.nextClock(shift < 0 ? 1 : -1);
      } else app.release();
    };
    app.play(false);
    if (event.pointerType !== "touch") root.setPointerCapture(event.pointerId);
    move(event);
    root.addEventListener("pointermove", move);
    root.addEventListener("pointerup", end);
    root.addEventListener("pointercancel", end);
  }

  root.addEventListener("pointerdown", press);
  holdDots(root, app);
}

/** A long press on a dot opens a field for a partial switch instead of switching. */
function holdDots(root, app) {
  let timer = null;
  let held = false;
  root.addEventListener("pointerdown", (event) => {
    const dot = event.target.closest("button.dot:not([disabled])");
    if (!dot) return;
    held = false;
    timer = setTimeout(() => {
      held = true;
      partly(dot, app, dot.closest(".row").dataset.row);
    }, HOLD_MS);
  });
  for (const type of ["pointerup", "pointercancel", "pointerleave"])
    root.addEventListener(type, () => clearTimeout(timer));
  root.addEventListener(
    "click",
    (event) => {
      if (held && event.target.closest("button.dot")) {
        event.preventDefault();
        event.stopPropagation();
        held = false;
      }
    },
    true,
  );
}

function partly(dot, app, rowId) {
  const row = app.meta.rows.find((each) => each.id === rowId);
  const value = app.active().mechanism?.switches?.[row.switch] ?? 1;
  const steps = [100, 90, 75, 50, 25, 10, 0].map((step) => ({ id: String(step), name: `${step} %` }));
  const box = el("div", { class: "partly" });
  const choice = choose(`${row.name}, share of its effect`, steps, (step) =>
    app.setSwitch(row.switch, Number(step) / 100),
  );
  choice.set(
    String(
      steps
        .map((s) => Number(s.id))
        .reduce((a, b) => (Math.abs(b - value * 100) < Math.abs(a - value * 100) ? b : a)),
    ),
  );
  box.append(
    choice.root,
    button("Close", () => box.remove(), { class: "btn quiet" }),
  );
  box.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key !== "Escape") return;
    box.remove();
    dot.focus();
  });
  dot.closest(".row").append(box);
  choice.control.focus();
}
