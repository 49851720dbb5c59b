import { h } from "../dom.js";
import { hue, initials } from "../format.js";

/** avatar is a disc with somebody's initials, in the colour that goes with the nickname. */
export function avatar(nickname, size = "") {
  const element = h("span", { class: `avatar ${size}`, "aria-hidden": "true" }, initials(nickname));
  tint(element, nickname);
  return element;
}

/** tint gives an element the colour of a nickname. */
export function tint(element, nickname) {
  element.style.setProperty("--hue", hue(nickname));
}
