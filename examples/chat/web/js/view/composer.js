// The line at the bottom: text, and pictures from the button, the clipboard or a drop.

import { byId } from "../dom.js";
import { prepare } from "../pictures.js";
import { store } from "../store.js";

/** At most so often the others hear that we are typing. */
const TYPING_EVERY_MS = 1500;

const form = byId("composer");
const input = byId("message");
const fileInput = byId("picture-file");

/** Unsent text, by conversation. */
const drafts = new Map();
let shown = null;
let lastTyping = 0;

/** mountComposer calls send(key, content), typing(key), and complain(text) when a picture cannot be sent. */
export function mountComposer({ send, typing, complain }) {
  store.on(["active", "presence", "status"], render);

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = input.value.trim();
    if (!text || input.disabled) return;
    send(store.active, { text });
    setInput("");
    lastTyping = 0;
    input.focus();
  });
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
  input.addEventListener("input", () => {
    resize();
    if (!input.value || Date.now() - lastTyping < TYPING_EVERY_MS) return;
    lastTyping = Date.now();
    typing(store.active);
  });
  mountPictures(send, complain);
}

function mountPictures(send, complain) {
  const sendAll = async (files) => {
    const target = store.active;
    for (const file of files) {
      try {
        send(target, { picture: await prepare(file) });
      } catch (refusal) {
        complain(refusal.message);
      }
    }
  };
  byId("attach").addEventListener("click", () => fileInput.click());
  fileInput.addEventListener("change", () => {
    sendAll([...fileInput.files]);
    fileInput.value = "";
  });
  input.addEventListener("paste", (event) => {
    if (event.clipboardData.files.length === 0) return;
    event.preventDefault();
    sendAll([...event.clipboardData.files]);
  });

  const area = byId("conversation");
  const hint = byId("drop-hint");
  area.addEventListener("dragover", (event) => {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    hint.hidden = false;
  });
  area.addEventListener("dragleave", (event) => {
    if (!area.contains(event.relatedTarget)) hint.hidden = true;
  });
  area.addEventListener("drop", (event) => {
    event.preventDefault();
    hint.hidden = true;
    if (!input.disabled) sendAll([...event.dataTransfer.files]);
  });
}

function render() {
  const current = store.current;
  if (!current) return;
  const away = !current.isRoom && store.status === "online" && !store.personByName(current.name);
  const elsewhere = store.status === "replaced";
  for (const control of [input, byId("attach"), byId("send")]) control.disabled = away || elsewhere;
  form.classList.toggle("closed", away || elsewhere);
  if (elsewhere) input.placeholder = "You are in the chat in another tab";
  else if (away) input.placeholder = `${current.name} is not here right now`;
  else input.placeholder = current.isRoom ? `Write to #${current.name}` : `Write to ${current.name}, privately`;
  if (shown === current.key) return;
  drafts.set(shown, input.value);
  shown = current.key;
  setInput(drafts.get(shown) ?? "");
}

function setInput(text) {
  input.value = text;
  resize();
}

function resize() {
  input.style.height = "auto";
  input.style.height = `${input.scrollHeight}px`;
}
