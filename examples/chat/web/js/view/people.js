// The right column: who is in the room, and who is elsewhere. A click begins a private conversation.

import { byId, h, reconcile, setText } from "../dom.js";
import { store } from "../store.js";
import { avatar } from "./avatar.js";

/** mountPeople calls open(key) for a private conversation that is wanted. */
export function mountPeople(open) {
  store.on(["presence", "active", "status"], () => render(open));
}

function render(open) {
  const current = store.current;
  if (!current) return;
  const here = store.people.filter((person) =>
    current.isRoom ? person.rooms.includes(current.name) : person.nickname === current.name || person.nickname === store.nickname);
  const elsewhere = store.people.filter((person) => !here.includes(person));

  setText(byId("here-heading"), `${current.isRoom ? "In this room" : "In this conversation"} · ${here.length}`);
  setText(byId("elsewhere-heading"), `Elsewhere · ${elsewhere.length}`);
  byId("elsewhere").hidden = elsewhere.length === 0;
  reconcile(byId("people-here"), here.sort(byName), (person) => person.nickname, (person) => personItem(person, open));
  reconcile(byId("people-elsewhere"), elsewhere.sort(byName), (person) => person.nickname, (person) => personItem(person, open));
}

const byName = (a, b) => a.nickname.localeCompare(b.nickname);

function personItem(person, open) {
  const mark = { "data-testid": "person", "data-nickname": person.nickname };
  const name = h("span", { class: "name" }, person.nickname);
  if (person.nickname === store.nickname) {
    return h("li", {}, h("div", { class: "person", ...mark }, avatar(person.nickname, "small"), name, h("span", { class: "hint" }, "you")));
  }
  return h("li", {},
    h("button", { class: "person", type: "button", title: `Write to ${person.nickname}`, ...mark, onclick: () => open(`@${person.nickname}`) },
      avatar(person.nickname, "small"), name, h("span", { class: "hint" }, "write")));
}
