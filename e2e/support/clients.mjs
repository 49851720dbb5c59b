// What a browser does: the stock Socket.IO client, in Node.

import { io } from "socket.io-client";

import { DEADLINE, Inbox, within } from "./inbox.mjs";

/** The three ways in which a client may connect; carrier is what carries it in the end. */
export const modes = [
  { name: "polling only", transports: ["polling"], carrier: "polling" },
  { name: "WebSocket only", transports: ["websocket"], carrier: "websocket" },
  { name: "polling, then upgraded", transports: ["polling", "websocket"], carrier: "websocket" },
];
export const [polling, websocket, upgrading] = modes;

const isAnswer = ({ type }) => type !== "disconnect";

/** Client is one socket: a client in one namespace. */
export class Client {
  /** What has come: {name, args, ack}; ack is the function to answer with, if the other side asked for that. */
  events;
  /** The id it has, or had when it was connected last. */
  id;
  #lifecycle;

  /** url names a service; more are options of the stock client. Nothing connects again by itself unless they say so. */
  static connect(url, mode, { namespace = "/", ...more } = {}) {
    const options = { forceNew: true, reconnection: false, transports: mode.transports, ...more };
    return new Client(io(new URL(namespace, url).href, options));
  }

  constructor(socket) {
    this.socket = socket;
    this.events = new Inbox(`the events of ${socket.nsp}`);
    this.#lifecycle = new Inbox(`the connection to ${socket.nsp}`);
    socket.on("connect", () => {
      this.id = socket.id;
      this.#lifecycle.push({ type: "connect", id: socket.id });
    });
    socket.on("connect_error", (error) => this.#lifecycle.push({ type: "refused", error }));
    socket.on("disconnect", (reason, details) => this.#lifecycle.push({ type: "disconnect", reason, details }));
    socket.onAny((name, ...args) => {
      const ack = typeof args.at(-1) === "function" ? args.pop() : null;
      this.events.push({ name, args, ack });
    });
  }

  /** of makes a socket in another namespace over the same connection. */
  of(namespace, auth) {
    return new Client(this.socket.io.socket(namespace, { auth }));
  }

  get engine() {
    return this.socket.io.engine;
  }

  /** connected resolves when the socket is, and rejects if it is refused. */
  async connected() {
    const { type, error } = await this.#lifecycle.take(isAnswer, `${this.socket.nsp} to be connected`);
    if (type === "refused") throw error;
    return this;
  }

  /** cameBack resolves when the socket is connected once more, however often it was refused meanwhile. */
  async cameBack() {
    await this.#lifecycle.take(({ type }) => type === "connect", `${this.socket.nsp} to be connected again`);
    return this;
  }

  /** beginUpgrade starts the upgrade of a client that was made with `upgrade: false`, for tests that choose the moment. */
  beginUpgrade() {
    this.engine._probe("websocket");
  }

  /** upgraded resolves when WebSocket carries the connection. */
  async upgraded() {
    const { engine } = this;
    if (engine.transport.name !== "websocket") {
      await within(new Promise((resolve) => engine.once("upgrade", resolve)), "the upgrade to WebSocket");
    }
    return this;
  }

  /** settled resolves when the socket is connected and carried as its mode says. */
  async settled(mode) {
    await this.connected();
    return mode.carrier === "websocket" ? this.upgraded() : this;
  }

  /** refused resolves to the error of connect_error. */
  async refused() {
    const { type, error } = await this.#lifecycle.take(isAnswer, `${this.socket.nsp} to be refused`);
    if (type === "connect") throw new Error(`${this.socket.nsp} was connected instead of refused`);
    return error;
  }

  /** disconnected resolves to {reason, details} of the next disconnect. */
  disconnected() {
    return this.#lifecycle.take(({ type }) => type === "disconnect", `${this.socket.nsp} to be disconnected`);
  }

  /** next takes the next event called name. */
  next(name) {
    return this.events.take((event) => event.name === name, `the event ${name}`);
  }

  emit(name, ...args) {
    this.socket.emit(name, ...args);
  }

  /** ask emits an event and resolves with its acknowledgement. */
  ask(name, ...args) {
    return this.socket.timeout(DEADLINE).emitWithAck(name, ...args);
  }

  close() {
    this.socket.disconnect();
    this.socket.io.engine?.close();
  }
}
