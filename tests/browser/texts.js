// Finds texts that lie on each other or are cut. Run inside the page: layoutFaults(selector) gives sentences.

const LEAST_PX = 1.5;
/** What the arrow of a menu takes. */
const ARROW_PX = 14;
/** Share of a line's box that is not ink, above and below: lines may stand close. */
const AIR = 0.22;

function shown(element) {
  if (!element.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true })) return false;
  if (element.closest(".sr, .skip, option, noscript, script, style, title")) return false;
  return !element.closest("details:not([open]) > :not(summary)");
}

function clipped(element, box) {
  const view = { left: box.left, right: box.right, top: box.top, bottom: box.bottom };
  let cut = false;
  for (let node = element; node && node !== document.documentElement; node = node.parentElement) {
    const style = getComputedStyle(node);
    if (style.overflowX === "visible" && style.overflowY === "visible") continue;
    if (style.clipPath !== "none") return null;
    const area = node.getBoundingClientRect();
    const scrolls = ["auto", "scroll"].includes(style.overflowX) || ["auto", "scroll"].includes(style.overflowY);
    const out = Math.max(area.left - box.left, box.right - area.right, 0);
    const over = Math.max(area.top - box.top, box.bottom - area.bottom, 0);
    if (!scrolls && (out > LEAST_PX || over > box.height * AIR + LEAST_PX)) cut = true;
    view.left = Math.max(view.left, area.left);
    view.right = Math.min(view.right, area.right);
    view.top = Math.max(view.top, area.top);
    view.bottom = Math.min(view.bottom, area.bottom);
  }
  return view.right - view.left > 0 && view.bottom - view.top > 0 ? { ...view, cut } : cut ? { ...view, cut } : null;
}

function layer(element) {
  for (let node = element; node; node = node.parentElement) {
    if (["fixed", "sticky"].includes(getComputedStyle(node).position)) return node;
  }
  return document.body;
}

function texts(root) {
  const found = [];
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    const text = node.nodeValue.trim();
    if (!text || !element || !shown(element)) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const boxes = [...range.getClientRects()].filter((box) => box.width > 0.5 && box.height > 0.5);
    for (const box of boxes) {
      const view = clipped(element, box);
      if (view) found.push({ text, element, block: element.closest("p, li, td, th, h1, h2, h3, dd, dt, label, button, summary, math"), layer: layer(element), box: view });
    }
  }
  return found;
}

const name = ({ text, element }) => `“${text.slice(0, 40)}” (${element.closest("[class]")?.getAttribute("class") ?? element.tagName})`;

function overlap(a, b) {
  const height = (each) => each.box.bottom - each.box.top;
  const across = Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left);
  const bottom = Math.min(a.box.bottom - AIR * height(a), b.box.bottom - AIR * height(b));
  const top = Math.max(a.box.top + AIR * height(a), b.box.top + AIR * height(b));
  return across > LEAST_PX && bottom - top > LEAST_PX;
}

/** Whether the chosen text of a menu is wider than its place beside the arrow. */
function choiceIsCut(menu) {
  const style = getComputedStyle(menu);
  const pen = document.createElement("canvas").getContext("2d");
  pen.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
  const room = menu.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight) - ARROW_PX;
  return menu.selectedOptions.length > 0 && pen.measureText(menu.selectedOptions[0].text).width > room + LEAST_PX;
}

function layoutFaults(selector) {
  const root = document.querySelector(selector);
  const all = texts(root);
  const faults = new Set();
  for (const each of all) if (each.box.cut) faults.add(`cut: ${name(each)}`);
  for (let i = 0; i < all.length; i += 1) {
    for (let j = i + 1; j < all.length; j += 1) {
      const [a, b] = [all[i], all[j]];
      // A bar that stays in place lies over what is scrolled below it; a block of text wraps its own lines.
      if (a.layer !== b.layer || a.element === b.element || (a.block && a.block === b.block && a.block.tagName === "P")) continue;
      if (overlap(a, b)) faults.add(`overlap: ${name(a)} and ${name(b)}`);
    }
  }
  for (const element of root.querySelectorAll("button, select, .row-title, .row-measure, td, th, label")) {
    if (!shown(element)) continue;
    const style = getComputedStyle(element);
    if (style.textOverflow === "ellipsis" && element.scrollWidth > element.clientWidth + 1) faults.add(`cut short: ${element.textContent.slice(0, 40)}`);
  }
  for (const menu of root.querySelectorAll("select")) if (shown(menu) && choiceIsCut(menu)) faults.add(`cut: choice “${menu.selectedOptions[0].text}”`);
  const page = document.documentElement;
  if (selector === "body" && page.scrollWidth > page.clientWidth + 1) faults.add(`the page is ${page.scrollWidth} px wide in ${page.clientWidth}`);
  return [...faults];
}
