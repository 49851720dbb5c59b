// The stock JavaScript clients of ten years behind one interface; python.mjs is another behind the same.

import { createRequire } from "node:module";

import { Inbox, within } from "../inbox.mjs";
import { asBuffers } from "./binary.mjs";

const require = createRequire(import.meta.url);

/** What a server says in the scenarios. The oldest clients cannot listen to everything. */
export const DOWN = ["down", "marked", "end"];
/** The event that every client answers with the arguments it came with. */
export const QUESTION = "question";

/** How soon clients come back whose scenario wants them to. */
export const QUICK = { delay: 50, delayMax: 200 };

/** javascript is the driver for one version of socket.io-client. */
export function javascript(version, packageName) {
  const { Manager } = require(packageName);
  const installed = require(`${packageName}/package.json`).version;
  if (!installed.startsWith(`${version}.`)) throw new Error(`${packageName} is ${installed}, not ${version}`);
  const generation = Number(version.split(".")[0]);
  return {
    name: `socket.io-client ${installed}`,
    /** Whether it speaks revision 3 of Engine.IO. */
    legacy: generation < 3,
    /** Whether it garbles what is not ASCII in a polling payload. */
    pollsInAscii: generation === 1,
    /** Whether it can leave one namespace and stay in another. */
    leavesOne: true,
    open: (url, mode, { namespaces = ["/"], comesBack = false } = {}) => new JavaScriptConnection(Manager, generation < 3, url, mode, namespaces, comesBack),
    close() {},
  };
}

class JavaScriptConnection {
  #manager;
  #mode;
  #sockets = {};

  constructor(Manager, legacy, url, mode, namespaces, comesBack) {
    this.#mode = mode;
    this.#manager = new Manager(url, {
      transports: mode.transports, reconnection: comesBack, reconnectionDelay: QUICK.delay, reconnectionDelayMax: QUICK.delayMax, randomizationFactor: 0,
    });
    for (const namespace of namespaces) this.#sockets[namespace] = new JavaScriptSocket(this.#manager, namespace, legacy);
  }

  in(namespace) {
    return this.#sockets[namespace];
  }

  /** settled resolves when all sockets are connected and what carries them is what the mode says. */
  async settled() {
    for (const socket of Object.values(this.#sockets)) await socket.connected();
    const { engine } = this.#manager;
    if (engine.transport.name !== this.#mode.carrier) await within(new Promise((resolve) => engine.once("upgrade", resolve)), "the upgrade");
    if (engine.transport.name !== this.#mode.carrier) throw new Error(`the connection is carried by ${engine.transport.name}`);
    return this;
  }

  /** drop closes the connection without a word to the namespaces. */
  drop() {
    this.#manager.engine.close();
  }

  close() {
    this.#manager.reconnection(false);
    for (const socket of Object.values(this.#sockets)) socket.leave();
    this.#manager.engine?.close();
  }
}

class JavaScriptSocket {
  id;
  #events;
  #lifecycle;
  #socket;

  constructor(manager, namespace, legacy) {
    this.#events = new Inbox(`the events of ${namespace}`);
    this.#lifecycle = new Inbox(`the connection to ${namespace}`);
    this.namespace = namespace;
    this.#socket = manager.socket(namespace);
    this.#socket.on("connect", () => {
      // Clients of revision 3 make up the id themselves, and the oldest do not do it as the server does (PROTOCOL 2.7).
      this.id = legacy ? (namespace === "/" ? "" : `${namespace}#`) + manager.engine.id : this.#socket.id;
      this.#lifecycle.push({ type: "connect" });
    });
    const refused = legacy ? (reason) => ({ reason }) : ({ message, data }) => ({ message, ...(data === undefined ? {} : { data }) });
    this.#socket.on(legacy ? "error" : "connect_error", (error) => this.#lifecycle.push({ type: "refused", error: refused(error) }));
    this.#socket.on("disconnect", (reason) => this.#lifecycle.push({ type: "disconnect", reason }));
    for (const name of DOWN) this.#socket.on(name, (...args) => this.#events.push({ name, args: asBuffers(args) }));
    this.#socket.on(QUESTION, (...args) => args.pop()(...args));
  }

  async connected() {
    const { type, error } = await this.#lifecycle.take(({ type: kind }) => kind !== "disconnect", "a connection");
    if (type === "refused") throw new Error(`it was refused with ${JSON.stringify(error)}`);
  }

  /** cameBack resolves when it is connected once more, whatever came in between. */
  cameBack() {
    return this.#lifecycle.take(({ type }) => type === "connect", "the connection to come back");
  }

  /** refused resolves to {message, data} or, with revision 3, to {reason}: what its error event says. */
  async refused() {
    return (await this.#lifecycle.take(({ type }) => type === "refused", "a refusal")).error;
  }

  /** disconnected resolves to why, or to null if this client does not say so. */
  async disconnected() {
    return (await this.#lifecycle.take(({ type }) => type === "disconnect", "the end")).reason;
  }

  /** next resolves to the arguments of the next event called name. */
  async next(name) {
    return (await this.#events.take((event) => event.name === name, `the event ${name}`)).args;
  }

  /** waiting is how many events called name nobody has taken. */
  waiting(name) {
    return this.#events.rest.filter((event) => event.name === name).length;
  }

  emit(name, ...args) {
    this.#socket.emit(name, ...args);
  }

  /** ask emits an event and resolves to the arguments of its acknowledgement. */
  ask(name, ...args) {
    return within(new Promise((resolve) => this.#socket.emit(name, ...args, (...answer) => resolve(asBuffers(answer)))), `the answer to ${name}`);
  }

  /** leave leaves the namespace, and ends the connection if it was the last. */
  leave() {
    this.#socket.disconnect();
  }
}
