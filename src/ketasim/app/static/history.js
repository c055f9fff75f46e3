// The address bar follows the state: each released change is one step back, the cursor only rewrites the step.

import { decode, encode, LONG_LINK } from "./link.js";
import { keep, kept } from "./store.js";

const SETTLE_MS = 400;
const LAST = "ketasim.last";

/** When the frame at hand is drawn: a browser takes its time over a new address, and nobody waits for it. */
const idle = () => new Promise((done) => requestIdleCallback(done, { timeout: SETTLE_MS }));

async function copyLink(app, notices) {
  const hash = await encode(app.state(), app.meta, app.figures());
  const address = location.origin + location.pathname + hash;
  try {
    await navigator.clipboard.writeText(address);
  } catch {
    notices.show("link", { text: `The browser did not allow copying. The link is: ${address}` });
    return;
  }
  app.announce("Link copied.");
  if (address.length > LONG_LINK) {
    notices.show("link", {
      text: `Link copied. It has ${address.length} characters, which some programs cut off. A study file holds the same.`,
      actions: [["Save a study file", () => app.open("exporting")]],
    });
  } else notices.show("link", { text: "Link copied. It opens this very view on any machine with Ketasim." });
}

/** Keep address and store in step; gives `copyLink`. */
export function createHistory(app, notices) {
  const { store } = app;
  let timer = null;
  let dragging = false;
  let restoring = false;
  let queue = Promise.resolve();

  function write(push) {
    clearTimeout(timer);
    const state = store.get();
    if (!state.scenarios.length) return;
    queue = queue.then(async () => {
      await idle();
      const hash = await encode(state, app.meta);
      keep(LAST, hash);
      if (hash === location.hash) return;
      if (push) history.pushState(null, "", hash);
      else history.replaceState(null, "", hash);
    });
  }

  store.subscribe((now, before, options) => {
    if (restoring) return;
    if (options.history) {
      dragging = false;
      write(true);
      return;
    }
    if (now.scenarios !== before.scenarios && before.scenarios.length) dragging = true;
    clearTimeout(timer);
    if (!dragging) timer = setTimeout(() => write(false), SETTLE_MS);
  });

  addEventListener("popstate", async () => {
    const read = await readLink(location.hash, notices);
    if (!read) return;
    clearTimeout(timer);
    restoring = true;
    store.set(read.state);
    restoring = false;
  });

  /** What was changed while the server was away is a step of its own. */
  app.on("back", () => write(true));

  return { copyLink: () => copyLink(app, notices) };
}

/** State in a link, or null after saying why it cannot be opened. */
export async function readLink(hash, notices) {
  try {
    return await decode(hash);
  } catch (failure) {
    notices.show("link", { kind: "fail", text: failure.message });
    return null;
  }
}

/** The last state that this browser showed, or null. */
export async function readLast() {
  try {
    return await decode(kept(LAST) ?? "");
  } catch {
    return null;
  }
}
