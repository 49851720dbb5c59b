// The page: signs in, mounts the views and connects them with the connection. Nothing here knows the wire, nothing there knows the document.

import { connect, disconnect, join, leave, resend, send, typing } from "./connection.js";
import { byId } from "./dom.js";
import { session } from "./session.js";
import { store } from "./store.js";
import { mountComposer } from "./view/composer.js";
import { mountConversation } from "./view/conversation.js";
import { mountLogin, showRefusal } from "./view/login.js";
import { mountPeople } from "./view/people.js";
import { mountBanner, mountSidebar } from "./view/sidebar.js";

const TOAST_MS = 6000;
const narrow = matchMedia("(max-width: 720px)");
const withoutPeople = matchMedia("(max-width: 1080px)");

function enter(nickname) {
  if (!window.io) {
    showRefusal("The Socket.IO client could not be loaded: this build of realtime-svc serves none.");
    return;
  }
  connect(nickname, showRefusal);
}

/** open shows a conversation; a room is joined first if need be. */
async function open(key) {
  closeDrawers();
  try {
    if (key[0] === "@") store.open(key);
    else if (!store.conversations.has(key)) key = `#${await join(key.slice(1))}`;
  } catch (refusal) {
    toast(refusal.message);
    return;
  }
  show(key);
}

function show(key) {
  store.show(key);
  session.remember({ active: key });
  if (!narrow.matches) byId("message").focus();
}

async function leaveCurrent() {
  const current = store.current;
  try {
    if (current.isRoom) await leave(current.name);
    else store.close(current.key);
  } catch (refusal) {
    toast(refusal.message);
  }
  if (!store.active) open("#lobby");
}

function signOut() {
  disconnect();
  session.remember({ nickname: "", rooms: ["lobby"], active: undefined });
  location.replace(location.pathname);
}

let toastTimer = 0;
function toast(text) {
  const element = byId("toast");
  element.textContent = text;
  element.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { element.hidden = true; }, TOAST_MS);
}

// --- drawers, on narrow screens ---

function openDrawer(id) {
  byId(id).classList.add("open");
  byId("scrim").hidden = false;
  byId(id).querySelector(".icon-button").focus();
}

function closeDrawers() {
  for (const id of ["sidebar", "people"]) byId(id).classList.remove("open");
  byId("scrim").hidden = true;
}

byId("sidebar-open").addEventListener("click", () => openDrawer("sidebar"));
byId("people-open").addEventListener("click", () => openDrawer("people"));
for (const id of ["sidebar-close", "people-close", "scrim"]) byId(id).addEventListener("click", closeDrawers);
addEventListener("keydown", (event) => { if (event.key === "Escape") closeDrawers(); });
withoutPeople.addEventListener("change", closeDrawers);

// --- what concerns the whole page ---

store.visible = () => document.visibilityState === "visible";
document.addEventListener("visibilitychange", () => store.read());

store.on(["conversations", "active", "status"], () => {
  const unread = store.unread;
  document.title = `${unread > 0 ? `(${unread}) ` : ""}${store.current ? `${store.current.key} · ` : ""}Chat · realtime-svc`;
});

// The first time inside, a conversation is opened: the one of the address, the one before the reload, or the lobby.
store.on(["status"], () => {
  if (store.status !== "online" || store.active) return;
  const wanted = decodeURIComponent(location.hash) || session.active || "#lobby";
  if (wanted[0] === "#" && wanted.length > 1) open(wanted);
  else show(store.conversations.keys().next().value ?? "#lobby");
});

mountLogin(enter);
mountSidebar({ open, join: async (name) => show(`#${await join(name)}`), signOut });
mountBanner(() => enter(session.nickname));
mountPeople(open);
mountConversation({ resend, leave: leaveCurrent });
mountComposer({ send, typing, complain: toast });

if (session.nickname) enter(session.nickname);
store.change("status");
