// The left column: rooms, private conversations, and who we are.

import { byId, h, icon, reconcile, setText } from "../dom.js";
import { store } from "../store.js";
import { avatar } from "./avatar.js";

const STATUS = {
  "connecting": "Connecting…",
  "online": "Online",
  "reconnecting": "Reconnecting…",
  "replaced": "Signed out here",
};

/** mountSidebar calls open(key) for a conversation that is wanted, which may be a room we are not in yet, and join(name) from the form. */
export function mountSidebar({ open, join, signOut }) {
  store.on(["presence", "conversations", "active"], () => {
    renderRooms(open);
    renderPrivate(open);
    byId("menu-badge").hidden = store.unread === 0;
  });
  store.on(["status"], renderMe);
  byId("sign-out").addEventListener("click", signOut);

  const form = byId("room-form");
  const input = byId("room-name");
  const error = byId("room-error");
  input.addEventListener("input", () => { error.textContent = ""; });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!input.value.trim()) return;
    try {
      await join(input.value);
      input.value = "";
    } catch (refusal) {
      error.textContent = refusal.message;
    }
  });
}

function renderRooms(open) {
  const known = new Map(store.rooms.map((room) => [room.name, room]));
  for (const name of store.joinedRooms) if (!known.has(name)) known.set(name, { name, members: 0 });
  reconcile(byId("room-list"), [...known.values()], (room) => room.name, (room) => roomItem(room, open), updateRoom);
}

function roomItem(room, open) {
  return h("li", {},
    h("button", { class: "nav-item", type: "button", "data-testid": "room", "data-room": room.name, onclick: () => open(`#${room.name}`) },
      h("span", { class: "hash", "aria-hidden": "true" }, "#"),
      h("span", { class: "name" }, room.name),
      h("span", { class: "visually-hidden said" }),
      h("span", { class: "badge", "data-testid": "unread", "aria-hidden": "true", hidden: true }),
      h("span", { class: "count", "data-testid": "room-members", "aria-hidden": "true" })));
}

function updateRoom(item, room) {
  const button = item.firstElementChild;
  const conversation = store.conversations.get(`#${room.name}`);
  updateItem(button, `#${room.name}`, conversation?.unread ?? 0);
  button.classList.toggle("joined", Boolean(conversation));
  button.title = room.topic ?? "";
  setText(button.querySelector(".count"), room.members > 0 ? String(room.members) : "");
  const unread = conversation?.unread ? `, ${conversation.unread} unread` : "";
  setText(button.querySelector(".said"), `, ${room.members} here${conversation ? "" : ", not joined"}${unread}`);
}

function renderPrivate(open) {
  const all = [...store.conversations.values()].filter((c) => !c.isRoom);
  byId("private-section").hidden = all.length === 0;
  reconcile(byId("private-list"), all, (c) => c.name, (c) => privateItem(c, open), updatePrivate);
}

function privateItem(conversation, open) {
  return h("li", {},
    h("button", { class: "nav-item", type: "button", "data-testid": "private", "data-nickname": conversation.name, onclick: () => open(conversation.key) },
      avatar(conversation.name, "small"),
      h("span", { class: "name" }, conversation.name),
      h("span", { class: "visually-hidden said" }),
      h("span", { class: "badge", "data-testid": "unread", "aria-hidden": "true", hidden: true })));
}

function updatePrivate(item, conversation) {
  const button = item.firstElementChild;
  const away = !store.personByName(conversation.name);
  updateItem(button, conversation.key, conversation.unread);
  button.classList.toggle("away", away);
  setText(button.querySelector(".said"), `${away ? ", not here" : ""}${conversation.unread ? `, ${conversation.unread} unread` : ""}`);
}

function updateItem(button, key, unread) {
  if (store.active === key) button.setAttribute("aria-current", "true");
  else button.removeAttribute("aria-current");
  button.classList.toggle("unread", unread > 0);
  const badge = button.querySelector(".badge");
  badge.hidden = unread === 0;
  setText(badge, unread > 99 ? "99+" : String(unread));
}

function renderMe() {
  if (!store.nickname) return;
  byId("me-avatar").replaceChildren(avatar(store.nickname));
  setText(byId("me-name"), store.nickname);
  const status = byId("status");
  status.dataset.state = store.status;
  status.title = store.status === "online" ? `Socket ${store.socketID}` : "";
  setText(byId("status-text"), (STATUS[store.status] ?? "") + (store.status === "online" ? ` · ${store.detail}` : ""));
}

/** renderBanner shows across the conversation what is wrong with the connection. */
export function mountBanner(comeBack) {
  const banner = byId("banner");
  store.on(["status"], () => {
    banner.dataset.state = store.status;
    banner.hidden = store.status !== "reconnecting" && store.status !== "replaced";
    if (store.status === "reconnecting") {
      banner.replaceChildren(h("i", { class: "spinner", "aria-hidden": "true" }), "Reconnecting… You can go on writing, it will be sent.");
    } else if (store.status === "replaced") {
      banner.replaceChildren(icon("alert"), "You are in the chat in another tab.", h("button", { type: "button", onclick: comeBack }, "Use this one"));
    }
  });
}
