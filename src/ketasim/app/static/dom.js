// Elements are made with DOM calls and text nodes only: no text from outside is ever read as markup.

const SVG = "http://www.w3.org/2000/svg";
const PROPERTIES = new Set(["value", "checked", "disabled", "hidden"]);

function apply(node, props) {
  for (const [key, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "on") for (const [type, run] of Object.entries(value)) node.addEventListener(type, run);
    else if (key === "dataset") Object.assign(node.dataset, value);
    else if (key === "text") node.textContent = value;
    else if (PROPERTIES.has(key) && key in node) node[key] = value;
    else node.setAttribute(key, value === true ? "" : value);
  }
  return node;
}

function fill(node, children) {
  node.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false));
  return node;
}

/** An HTML element: `el("button", {class, text, on: {click}, ...attributes}, ...children)`. */
export const el = (tag, props, ...children) => fill(apply(document.createElement(tag), props), children);

/** An SVG element, made like `el`. */
export const svg = (tag, props, ...children) => fill(apply(document.createElementNS(SVG, tag), props), children);

/** Remove all children. */
export function clear(node) {
  node.replaceChildren();
  return node;
}

/** Replace what a node holds. */
export const put = (node, ...children) => fill(clear(node), children);

/** Write text only when it differs, so that unchanged values cost no layout and are not read out again. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Write an attribute only when it differs; null removes it. */
export function setAttr(node, name, value) {
  if (value === null) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

let count = 0;

/** An id that no other element of the page has. */
export function uid(prefix) {
  count += 1;
  return `${prefix}-${count}`;
}
