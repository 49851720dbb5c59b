// The page's side of the conversation with the backend, over the stock Socket.IO client.
//
// A message is sent again until it is answered: its id is chosen here, and the backend takes a second copy for the same message. So what
// is written while the connection is away, or while the service restarts, arrives once.

import { randomID, session } from "./session.js";
import { messageKey, store } from "./store.js";

const ANSWER_MS = 8000;
/** How long until the page knocks again at a door that was closed to it for the moment; from the beginning after a connection that lasted. */
const RETRY_MS = [500, 1000, 2000, 4000];
const LASTING_MS = 10_000;

let socket = null;
let retries = 0;
let onlineSince = Infinity;
let retryTimer = 0;
let onRefused = () => {};
/** Whether who is here has been heard since the connection stands; before that, socket ids are those of the last one. */
let settled = false;
/** Our messages that have not been answered, by their key: {key, target, message, state: "waiting"|"asked"|"refused"}. */
const outbox = new Map();

/** connect signs in. It calls refused(text) if the nickname is not accepted, now or when it comes back after a break. */
export function connect(nickname, refused) {
  // As the backend does it: it is by this that we know our own messages.
  nickname = nickname.trim().replace(/\s+/g, " ");
  onRefused = refused;
  retries = 0;
  store.setStatus(store.status === "signed out" ? "connecting" : "reconnecting");
  session.remember({ nickname });
  // The rooms travel with the handshake: a socket that comes back is in them before it hears that it is connected.
  const auth = (done) => done({ nickname, key: session.key, rooms: session.rooms });
  socket = window.io({ auth, reconnectionDelay: 400, reconnectionDelayMax: 4000, forceNew: true });

  socket.on("connect", () => online(nickname));
  socket.on("connect_error", refusedOrAway);
  socket.on("disconnect", offline);

  socket.on("presence", receivePresence);
  socket.on("history", receiveHistory);
  socket.on("message", receive);
  socket.on("typing", ({ room, from }) => store.startTyping(room ? `#${room}` : `@${from.nickname}`, from.nickname));
  socket.on("seen", ({ id, by }) => store.seen(id, by));
  socket.on("news", (text) => store.addNotice(text));
  socket.on("replaced", () => {
    store.setStatus("replaced");
    disconnect();
  });
}

/** disconnect signs out. */
export function disconnect() {
  clearTimeout(retryTimer);
  socket?.off();
  socket?.disconnect();
  socket = null;
  settled = false;
  store.forgetAcks();
}

function online(nickname) {
  onlineSince = Date.now();
  store.nickname = nickname;
  store.socketID = socket.id;
  const engine = socket.io.engine;
  store.setStatus("online", engine.transport.name);
  engine.once("upgrade", (transport) => store.setStatus("online", transport.name));
  for (const room of session.rooms) store.open(`#${room}`);
}

function offline(reason) {
  if (Date.now() - onlineSince > LASTING_MS) retries = 0;
  settled = false;
  store.forgetAcks();
  store.setStatus("reconnecting");
  // The client comes back by itself unless the server has shown it the door.
  if (reason === "io server disconnect") retryLater();
}

function refusedOrAway(error) {
  if (socket.active) {
    // The connection failed; the client goes on trying.
    store.setStatus("reconnecting");
  } else if (error.data?.refused === "nickname") {
    disconnect();
    for (const entry of outbox.values()) turnDown(entry, error.message);
    store.setStatus("signed out");
    onRefused(error.message);
  } else {
    // The service is there but the chat's backend is not, or not yet again.
    store.setStatus("reconnecting");
    retryLater();
  }
}

function retryLater() {
  clearTimeout(retryTimer);
  const delay = RETRY_MS[Math.min(retries++, RETRY_MS.length - 1)];
  retryTimer = setTimeout(() => socket?.connect(), delay * (0.75 + Math.random() / 2));
}

// --- up ---

/** ask emits an event and resolves with the backend's answer; it rejects with a text for people. */
async function ask(event, ...args) {
  if (!socket?.connected) throw new Error("There is no connection right now.");
  let answer;
  try {
    answer = await socket.timeout(ANSWER_MS).emitWithAck(event, ...args);
  } catch {
    throw new Error("The chat did not answer. Please try again.");
  }
  if (answer?.error) throw new Error(answer.error);
  return answer;
}

/** join enters a room, creating it if nobody is there, and resolves with its proper name. */
export async function join(room) {
  const answer = await ask("join", room);
  store.open(`#${answer.room}`);
  session.remember({ rooms: store.joinedRooms });
  return answer.room;
}

export async function leave(room) {
  await ask("leave", room);
  store.close(`#${room}`);
  session.remember({ rooms: store.joinedRooms });
}

/** typing says that we are; lost when the connection is busy, which is what volatile is for. */
export function typing(target) {
  const address = addressOf(target);
  if (socket?.connected && address) socket.volatile.emit("typing", address);
}

/** fetchPicture gets a picture that the history only mentions. */
export const fetchPicture = (id) => ask("picture", id);

/** send posts {text} or {picture: {name, type, data}} to a conversation. */
export function send(target, content) {
  const id = randomID();
  const key = messageKey(store.nickname, id);
  const picture = content.picture && { ...content.picture };
  const from = { id: store.socketID, nickname: store.nickname };
  store.add(target, { key, id, at: store.nextTime(target), from, text: content.text, picture, own: true, state: "sending" });
  const entry = { key, target, message: { id, ...content }, state: "waiting" };
  outbox.set(key, entry);
  transmit(entry);
}

/** resend tries a message again that was refused. */
export function resend(key) {
  const entry = outbox.get(key);
  if (!entry) return;
  entry.state = "waiting";
  store.update(entry.target, key, { state: "sending", error: undefined });
  transmit(entry);
}

/** addressOf is the room, or the id of the socket that a person has now; null if the person is not here. */
function addressOf(target) {
  if (target[0] === "#") return { room: target.slice(1) };
  const person = store.personByName(target.slice(1));
  return person ? { to: person.id } : null;
}

/** transmit sends what is waiting, if it can go now. It is called again whenever that may have changed. */
function transmit(entry) {
  const address = addressOf(entry.target);
  if (entry.state !== "waiting" || !settled || !address) return;
  entry.state = "asked";
  socket.timeout(ANSWER_MS).emit("message", { ...address, ...entry.message }, (timeout, answer) => {
    if (timeout) {
      entry.state = "waiting";
      transmit(entry);
    } else if (answer.error) {
      turnDown(entry, answer.error);
    } else {
      outbox.delete(entry.key);
      store.add(entry.target, { key: entry.key, id: entry.message.id, at: answer.at, of: answer.of, state: "sent" });
    }
  });
}

function turnDown(entry, error) {
  entry.state = "refused";
  store.update(entry.target, entry.key, { state: "failed", error });
}

// --- down ---

function receivePresence(presence) {
  store.setPresence(presence);
  settled = true;
  for (const entry of outbox.values()) transmit(entry);
}

function receive(message, ack) {
  const target = message.room ? `#${message.room}` : `@${message.from.nickname}`;
  // Acknowledged when somebody has seen it, not when it has arrived.
  store.add(target, { ...local(message), ack });
  store.read();
}

function receiveHistory({ room, messages }) {
  const target = store.open(`#${room}`);
  for (const message of messages) {
    const received = local(message);
    if (received.own && target.byKey.has(received.key)) outbox.delete(received.key);
    store.add(target.key, received, { fresh: target.loaded });
  }
  target.loaded = true;
  store.read();
  store.change("messages");
}

function local(message) {
  const own = message.from.nickname === store.nickname;
  return { ...message, key: messageKey(message.from.nickname, message.id), own, state: own ? "sent" : undefined };
}
