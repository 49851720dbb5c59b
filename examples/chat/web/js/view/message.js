// One message: a bubble with text or a picture, the time, and for our own how far it has come.

import { h, icon, setText } from "../dom.js";
import { names, timeOf } from "../format.js";
import { avatar, tint } from "./avatar.js";
import { pictureElement } from "./picture.js";

const LINK = /https?:\/\/[^\s<>"']*[^\s<>"'.,;:!?)\]}]/g;
const ONLY_EMOJI = /^(?:\p{Extended_Pictographic}[\u{FE0F}\u{200D}\u{1F3FB}-\u{1F3FF}]*){1,3}$/u;

/** messageItem builds the list item of a message. resend(key) is called when a person wants a failed one sent again. */
export function messageItem(message, resend) {
  const author = h("span", { class: "author", "data-testid": "message-author" }, message.from.nickname);
  tint(author, message.from.nickname);
  const bubble = h("div", { class: "bubble" }, content(message), foot(message));
  bubble.classList.toggle("with-picture", Boolean(message.picture));
  const time = `${message.own ? "You" : message.from.nickname}, ${timeOf(message.at)}`;
  return h("li", {
    "class": `message${message.own ? " own" : ""}`, "data-testid": "message", "data-author": message.from.nickname, "data-id": message.id,
  }, h("span", { class: "visually-hidden" }, `${time}: `), avatar(message.from.nickname), author, bubble, message.own ? problem(message, resend) : null);
}

/** problem is the line below a message that could not be sent. */
function problem(message, resend) {
  return h("p", { class: "problem", "data-testid": "message-problem", hidden: true },
    h("span", {}), h("button", { type: "button", "data-testid": "retry", onclick: () => resend(message.key) }, "Try again"));
}

/** updateMessage brings an item up to date; continued: it belongs to the one above. */
export function updateMessage(item, message, continued) {
  item.classList.toggle("continued", continued);
  const time = item.querySelector("time");
  setText(time, timeOf(message.at));
  time.dateTime = new Date(message.at).toISOString();
  if (!message.own) return;
  updateState(item.querySelector(".state"), message);
  const line = item.querySelector(".problem");
  line.hidden = message.state !== "failed";
  setText(line.firstElementChild, `Not sent. ${message.error ?? ""}`);
}

function content(message) {
  if (message.picture) return pictureElement(message.picture, message.from.nickname);
  const text = h("p", { class: "text", "data-testid": "message-text" }, ...linked(message.text));
  text.classList.toggle("large", ONLY_EMOJI.test(message.text.trim()));
  return text;
}

/** linked splits a text into text nodes and links. Only http and https become links. */
function linked(text) {
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(LINK)) {
    parts.push(text.slice(end, match.index), h("a", { href: match[0], target: "_blank", rel: "noopener noreferrer nofollow" }, match[0]));
    end = match.index + match[0].length;
  }
  parts.push(text.slice(end));
  return parts;
}

function foot(message) {
  return h("span", { class: "foot" }, h("time", {}), message.own ? h("span", { class: "state", "data-testid": "message-state" }) : null);
}

function updateState(element, message) {
  const seen = message.seenBy.size;
  const state = message.state === "sent" && seen > 0 ? "seen" : message.state;
  const shown = `${state} ${seen} ${message.of}`;
  if (element.dataset.shown === shown) return;
  Object.assign(element.dataset, { shown, state, seen });
  const people = [...message.seenBy];
  const said = { sending: "Sending", sent: "Sent", seen: `Seen by ${names(people)}`, failed: "Not sent" }[state];
  element.title = said;
  element.replaceChildren(
    icon({ sending: "clock", sent: "tick", seen: "ticks", failed: "alert" }[state]),
    // How many only matters where there is more than one who could have seen it.
    ...(state === "seen" && message.of > 1 ? [h("span", { "aria-hidden": "true" }, seen >= message.of ? "all" : String(seen))] : []),
    h("span", { class: "visually-hidden" }, said));
}
