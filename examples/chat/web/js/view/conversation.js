// The middle column: what is being talked about, the messages, and who is typing.

import { byId, h, reconcile, setText } from "../dom.js";
import { dayKey, dayOf, names } from "../format.js";
import { store } from "../store.js";
import { messageItem, updateMessage } from "./message.js";

/** Messages of one person within this time stand together. */
const GROUP_MS = 5 * 60_000;
/** So close to the end a reader is taken to be at the end. */
const NEAR_END_PX = 80;

const frame = byId("messages");
const list = byId("message-list");
const jump = byId("jump");

let shown = null;
let atEnd = true;

/** mountConversation calls resend(key) for a message to be sent again and leave() when the room is to be left. */
export function mountConversation({ resend, leave }) {
  store.on(["active", "presence", "status"], renderTitle);
  store.on(["messages", "active", "presence"], () => renderMessages(resend));
  store.on(["typing", "active"], renderTyping);
  byId("leave-room").addEventListener("click", leave);
  jump.addEventListener("click", toEnd);

  let top = 0;
  frame.addEventListener("scroll", () => {
    // Only going up leaves the end: what grows below a reader who is there must not.
    const near = frame.scrollHeight - frame.scrollTop - frame.clientHeight < NEAR_END_PX;
    atEnd = near || (atEnd && frame.scrollTop >= top);
    top = frame.scrollTop;
    if (near) jump.hidden = true;
  });
  // Pictures that load and a keyboard that opens change the height: who was at the end stays there.
  const stay = new ResizeObserver(() => { if (atEnd) toEnd(); });
  stay.observe(list);
  stay.observe(frame);
}

function renderTitle() {
  const current = store.current;
  if (!current) return;
  const room = store.rooms.find((one) => one.name === current.name);
  const members = room?.members ?? 0;
  setText(byId("title"), current.isRoom ? `# ${current.name}` : current.name);
  setText(byId("subtitle"), current.isRoom
    ? [room?.topic, members === 1 ? "only you" : members > 0 && `${members} here`].filter(Boolean).join(" · ")
    : store.personByName(current.name) ? "Private · only the two of you" : "Private · not here right now");
  byId("leave-room").textContent = current.isRoom ? "Leave" : "Close";
}

function renderMessages(resend) {
  const current = store.current;
  if (!current) return;
  const switched = shown !== current.key;
  const before = list.lastElementChild?.dataset.key;
  if (switched) {
    // A conversation that is opened is not news: it is not to be read out from its beginning.
    frame.setAttribute("aria-live", "off");
    list.replaceChildren();
    shown = current.key;
  }

  reconcile(list, itemsOf(current), (item) => item.key, (item) => create(item, resend), update);
  renderEmpty(current);

  const last = current.messages.at(-1);
  if (switched || last?.own && last.key !== before) toEnd();
  else if (last && last.key !== before && !atEnd) jump.hidden = false;
  if (switched) requestAnimationFrame(() => frame.removeAttribute("aria-live"));
}

/** itemsOf lays dividers between the messages and says which of them go on from the one above. */
function itemsOf(conversation) {
  const items = [];
  let above = null;
  for (const message of conversation.messages) {
    const newDay = !above || dayKey(above.at) !== dayKey(message.at);
    const fresh = message.key === conversation.firstUnread;
    if (newDay) items.push({ key: `day ${dayKey(message.at)}`, day: message.at });
    if (fresh) items.push({ key: "fresh", fresh });
    const continued = !newDay && !fresh && above.from.nickname === message.from.nickname && message.at - above.at < GROUP_MS;
    items.push({ key: message.key, message, continued });
    above = message;
  }
  return items;
}

function create(item, resend) {
  if (item.message?.notice) return h("li", { class: "notice", "data-testid": "notice" }, item.message.notice);
  if (item.message) return messageItem(item.message, resend);
  if (item.fresh) return h("li", { class: "divider fresh", "data-testid": "new-divider" }, "New");
  return h("li", { class: "divider" }, dayOf(item.day));
}

function update(element, item) {
  if (item.message && !item.message.notice) updateMessage(element, item.message, item.continued);
}

function renderEmpty(current) {
  const empty = byId("empty");
  empty.hidden = current.messages.length > 0;
  if (empty.hidden || empty.dataset.of === current.key) return;
  empty.dataset.of = current.key;
  empty.replaceChildren(
    h("span", { class: "glyph", "aria-hidden": "true" }, current.key[0]),
    h("b", {}, current.isRoom ? `This is #${current.name}` : `You and ${current.name}`),
    h("span", {}, current.isRoom ? "Nothing has been said yet. Say something, or drop a picture here." : "What you write here goes to one socket only, and nobody keeps it."));
}

function renderTyping() {
  const who = [...(store.current?.typing.keys() ?? [])];
  const line = byId("typing");
  if (who.length === 0) return line.replaceChildren();
  line.replaceChildren(
    h("span", { class: "dots", "aria-hidden": "true" }, h("i"), h("i"), h("i")),
    `${names(who)} ${who.length === 1 ? "is" : "are"} typing…`);
}

function toEnd() {
  frame.scrollTop = frame.scrollHeight;
  atEnd = true;
  jump.hidden = true;
}
