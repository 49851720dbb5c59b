// The state of the page. Views read it and listen for "change"; only connection.js and main.js write it, through the methods below.

import { randomID } from "./session.js";

/** How many messages of one conversation a page keeps. */
const KEEP = 500;
/** How long somebody seems to be typing after the last word of it. */
const TYPING_MS = 4000;
const NOTICE_CHARACTERS = 500;

/**
 * A conversation is a room ("#lobby") or a private one ("@Ada"). Its messages are sorted by time; each is
 * {key, id, at, from: {id, nickname}, text?, picture?, own, state: "sending"|"sent"|"failed", error?, of, seenBy: Set, ack?}, or a
 * notice, which is from nobody: {key, at, from, notice}.
 */
function conversation(key) {
  return { key, isRoom: key[0] === "#", name: key.slice(1), messages: [], byKey: new Map(), unread: 0, firstUnread: null, loaded: false, typing: new Map() };
}

class Store extends EventTarget {
  status = "signed out"; // "connecting", "online", "reconnecting", "replaced"
  detail = ""; // what carries the connection
  nickname = "";
  socketID = "";
  rooms = []; // {name, topic?, members}
  people = []; // {id, nickname, rooms}
  conversations = new Map();
  active = null;
  /** Asked whether somebody is looking at the page. */
  visible = () => true;

  #changed = new Set();

  /** change tells the views, once per turn, what has changed: "status", "presence", "conversations", "messages", "typing", "active". */
  change(...topics) {
    if (this.#changed.size === 0) {
      queueMicrotask(() => {
        const changed = this.#changed;
        this.#changed = new Set();
        this.dispatchEvent(Object.assign(new Event("change"), { topics: changed }));
      });
    }
    topics.forEach((topic) => this.#changed.add(topic));
  }

  on(topics, listener) {
    this.addEventListener("change", (event) => {
      if (topics.some((topic) => event.topics.has(topic))) listener();
    });
  }

  setStatus(status, detail = "") {
    this.status = status;
    this.detail = detail;
    this.change("status");
  }

  setPresence({ rooms, people }) {
    this.rooms = rooms;
    this.people = people;
    this.change("presence");
  }

  personByName(nickname) {
    return this.people.find((person) => person.nickname === nickname);
  }

  get joinedRooms() {
    return [...this.conversations.values()].filter((c) => c.isRoom).map((c) => c.name);
  }

  get current() {
    return this.conversations.get(this.active);
  }

  get unread() {
    return [...this.conversations.values()].reduce((sum, c) => sum + c.unread, 0);
  }

  open(key) {
    if (!this.conversations.has(key)) {
      this.conversations.set(key, conversation(key));
      this.change("conversations");
    }
    return this.conversations.get(key);
  }

  close(key) {
    this.conversations.delete(key);
    if (this.active === key) this.show(this.conversations.keys().next().value ?? null);
    this.change("conversations");
  }

  /** show makes a conversation the one on screen and remembers where reading goes on. */
  show(key) {
    const left = this.current;
    if (left) left.firstUnread = null;
    this.active = key;
    this.change("active", "messages", "typing");
    this.read();
  }

  /** read marks what is on screen as read and tells its senders so. */
  read() {
    const shown = this.current;
    if (!shown || !this.visible()) return;
    for (const message of shown.messages) {
      message.ack?.();
      delete message.ack;
    }
    if (shown.unread > 0) {
      shown.unread = 0;
      this.change("conversations");
    }
  }

  /** add puts a message into a conversation, or merges it with the one that is there already. */
  add(key, message, { fresh = true } = {}) {
    const target = this.open(key);
    const known = target.byKey.get(message.key);
    if (known) {
      const seenBy = new Set([...known.seenBy, ...(message.seenBy ?? [])]);
      Object.assign(known, { ...message, picture: known.picture ?? message.picture, of: message.of ?? known.of, seenBy });
      this.#sort(target);
    } else {
      const added = { of: 0, ...message, seenBy: new Set(message.seenBy) };
      target.byKey.set(added.key, added);
      target.messages.push(added);
      this.#sort(target);
      if (fresh && !added.own) this.#countUnread(target, added);
      this.stopTyping(key, added.from.nickname);
    }
    this.change("messages");
  }

  /** addNotice puts into the conversation on screen what the service was asked to tell everyone. */
  addNotice(text) {
    if (!this.current) return;
    const notice = String(text ?? "").slice(0, NOTICE_CHARACTERS);
    this.add(this.active, { key: `notice ${randomID()}`, at: this.nextTime(this.active), from: { id: "", nickname: "" }, notice }, { fresh: false });
  }

  /** nextTime puts a new message last even if this clock is behind the backend's. */
  nextTime(key) {
    return Math.max(Date.now(), (this.conversations.get(key)?.messages.at(-1)?.at ?? 0) + 1);
  }

  #countUnread(target, message) {
    if (this.active === target.key && this.visible()) return;
    if (target.unread === 0) target.firstUnread = message.key;
    target.unread++;
    this.change("conversations");
  }

  #sort(target) {
    target.messages.sort((a, b) => a.at - b.at);
    while (target.messages.length > KEEP) {
      const dropped = target.messages.shift();
      if (dropped.picture?.url) URL.revokeObjectURL(dropped.picture.url);
      target.byKey.delete(dropped.key);
    }
  }

  update(key, messageKey, changes) {
    const message = this.conversations.get(key)?.byKey.get(messageKey);
    if (!message) return;
    Object.assign(message, changes);
    this.change("messages");
  }

  /** seen notes that somebody has seen one of our messages. */
  seen(id, nickname) {
    const key = messageKey(this.nickname, id);
    for (const target of this.conversations.values()) {
      const message = target.byKey.get(key);
      if (!message) continue;
      message.seenBy.add(nickname);
      this.change("messages");
    }
  }

  /** forgetAcks drops the acknowledgements still owed: they belong to a connection that is gone. */
  forgetAcks() {
    for (const target of this.conversations.values()) for (const message of target.messages) delete message.ack;
  }

  startTyping(key, nickname) {
    const target = this.conversations.get(key);
    if (!target) return;
    clearTimeout(target.typing.get(nickname));
    target.typing.set(nickname, setTimeout(() => this.stopTyping(key, nickname), TYPING_MS));
    this.change("typing");
  }

  stopTyping(key, nickname) {
    const target = this.conversations.get(key);
    if (!target?.typing.has(nickname)) return;
    clearTimeout(target.typing.get(nickname));
    target.typing.delete(nickname);
    this.change("typing");
  }
}

/** messageKey is unique in the page: a message's id is chosen by its sender. */
export const messageKey = (nickname, id) => `${nickname}/${id}`;

export const store = new Store();
