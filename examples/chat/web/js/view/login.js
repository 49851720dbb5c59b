// The door: a nickname, and the reason why it was not accepted.

import { byId } from "../dom.js";
import { session } from "../session.js";
import { store } from "../store.js";

const form = byId("login-form");
const input = byId("nickname");
const button = byId("login-button");
const error = byId("login-error");

/** mountLogin calls enter(nickname) when somebody wants in. */
export function mountLogin(enter) {
  input.value = session.nickname;
  byId("login").classList.toggle("returning", session.nickname !== "");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    showRefusal("");
    enter(input.value);
  });
  input.addEventListener("input", () => showRefusal(""));
  store.on(["status"], render);
}

/** showRefusal says why not; an empty text takes it back. */
export function showRefusal(text) {
  error.textContent = text;
  byId("login").classList.remove("returning");
  if (!text) {
    input.removeAttribute("aria-invalid");
    return;
  }
  input.setAttribute("aria-invalid", "true");
  input.focus();
  input.select();
}

function render() {
  const inside = store.nickname !== "" && store.status !== "signed out";
  const busy = store.status === "connecting" || store.status === "reconnecting";
  if (!inside && byId("login").hidden) queueMicrotask(() => input.focus());
  byId("login").hidden = inside;
  byId("app").hidden = !inside;
  button.disabled = busy;
  button.querySelector(".label").textContent = store.status === "reconnecting" ? "Waiting for the chat…" : busy ? "Knocking…" : "Enter the chat";
}
