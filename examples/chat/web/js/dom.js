// Building and updating the document. Text from people only ever becomes text nodes: nothing here parses HTML.

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

/** h makes an element. Props: `class`, `data-*`, `aria-*` and other attributes by name, `on…` listeners; null and false are left out. */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** icon refers to one of the symbols at the top of the page. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const use = document.createElementNS(SVG, "use");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/**
 * reconcile makes the children of parent show items in order, one element per key. Elements that stay are not moved or rebuilt, so that
 * focus, selection, loaded pictures and what a screen reader has already announced survive.
 */
export function reconcile(parent, items, keyOf, create, update) {
  const kept = new Map([...parent.children].map((element) => [element.dataset.key, element]));
  const keys = new Set(items.map(keyOf));
  for (const [key, element] of kept) if (!keys.has(key)) element.remove();

  let next = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    let element = kept.get(key);
    if (!element) {
      element = create(item);
      element.dataset.key = key;
    }
    if (element === next) next = next.nextElementSibling;
    else parent.insertBefore(element, next);
    update?.(element, item);
  }
}

/** setText changes an element's text only if it differs, so that live regions stay quiet. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
