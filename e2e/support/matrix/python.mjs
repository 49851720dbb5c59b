// Debian's python3-socketio, in one process that is told what to do in lines of JSON; see client.py.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { Inbox, within } from "../inbox.mjs";
import { fromLine, toLine } from "./binary.mjs";

/** The interpreter that Debian's packages are for: another one may be first on the PATH. */
const PYTHON = "/usr/bin/python3";

/** python starts the driver and resolves to it. */
export async function python() {
  const helper = new PythonProcess();
  const version = await helper.call({ do: "version" });
  return {
    name: `python3-socketio ${version}`,
    legacy: false,
    leavesOne: false,
    open: (url, mode, options) => new PythonConnection(helper, url, mode, options),
    close: () => helper.close(),
  };
}

class PythonProcess {
  #calls = new Map();
  #child = spawn(PYTHON, [fileURLToPath(new URL("client.py", import.meta.url))], { stdio: ["pipe", "pipe", "inherit"] });
  #connections = new Map();
  #last = 0;

  constructor() {
    this.#child.on("error", (error) => this.#fail(error));
    this.#child.on("close", (code) => this.#fail(new Error(`python ended with ${code}`)));
    createInterface(this.#child.stdout).on("line", (line) => this.#hear(fromLine(JSON.parse(line))));
  }

  #hear(message) {
    if (message.connection !== undefined) {
      this.#connections.get(message.connection)?.hear(message);
      return;
    }
    const { resolve, reject } = this.#calls.get(message.id);
    this.#calls.delete(message.id);
    if (message.error === undefined) resolve(message.result);
    else reject(new Error(message.error));
  }

  #fail(error) {
    for (const { reject } of this.#calls.values()) reject(error);
    this.#calls.clear();
  }

  /** connect gives a connection its number. */
  connect(connection) {
    const number = ++this.#last;
    this.#connections.set(number, connection);
    return number;
  }

  call(request) {
    const id = ++this.#last;
    const called = new Promise((resolve, reject) => this.#calls.set(id, { resolve, reject }));
    this.#child.stdin.write(`${JSON.stringify(toLine({ id, ...request }))}\n`);
    return within(called, `python to ${request.do}`);
  }

  close() {
    this.#child.stdin.end();
    return new Promise((resolve) => (this.#child.exitCode === null ? this.#child.once("close", resolve) : resolve()));
  }
}

class PythonConnection {
  #helper;
  #mode;
  #number;
  #opened;
  #sockets = {};

  constructor(helper, url, mode, { namespaces = ["/"], comesBack = false } = {}) {
    this.#helper = helper;
    this.#mode = mode;
    this.#number = helper.connect(this);
    for (const namespace of namespaces) {
      this.#sockets[namespace] = new PythonSocket(namespace, (request) => this.#call({ namespace, ...request }), () => this.close());
    }
    this.#opened = this.#call({ do: "connect", url, transports: mode.transports, namespaces, comesBack });
    this.#opened.catch(() => {});
  }

  #call(request) {
    return this.#helper.call({ on: this.#number, ...request });
  }

  hear({ namespace, ...event }) {
    this.#sockets[namespace].hear(event);
  }

  in(namespace) {
    return this.#sockets[namespace];
  }

  async settled() {
    await this.#opened;
    for (const socket of Object.values(this.#sockets)) await socket.connected();
    const carrier = await this.#call({ do: "carrier" });
    if (carrier !== this.#mode.carrier) throw new Error(`the connection is carried by ${carrier}`);
    return this;
  }

  drop() {
    return this.#call({ do: "drop" });
  }

  close() {
    return this.#call({ do: "close" });
  }
}

/** PythonSocket is as JavaScriptSocket. */
class PythonSocket {
  id;
  #call;
  #close;
  #events;
  #lifecycle;

  constructor(namespace, call, close) {
    this.namespace = namespace;
    this.#call = call;
    this.#close = close;
    this.#events = new Inbox(`the events of ${namespace}`);
    this.#lifecycle = new Inbox(`the connection to ${namespace}`);
  }

  hear(event) {
    if (event.type === "connect") this.id = event.socketId;
    (event.type === "event" ? this.#events : this.#lifecycle).push(event);
  }

  async connected() {
    const { type, error } = await this.#lifecycle.take(({ type: kind }) => kind !== "disconnect", "a connection");
    if (type === "refused") throw new Error(`it was refused with ${JSON.stringify(error)}`);
  }

  cameBack() {
    return this.#lifecycle.take(({ type }) => type === "connect", "the connection to come back");
  }

  async refused() {
    return (await this.#lifecycle.take(({ type }) => type === "refused", "a refusal")).error;
  }

  async disconnected() {
    await this.#lifecycle.take(({ type }) => type === "disconnect", "the end");
    return null;
  }

  async next(name) {
    return (await this.#events.take((event) => event.name === name, `the event ${name}`)).args;
  }

  waiting(name) {
    return this.#events.rest.filter((event) => event.name === name).length;
  }

  emit(name, ...args) {
    return this.#call({ do: "emit", event: name, args });
  }

  ask(name, ...args) {
    return this.#call({ do: "ask", event: name, args });
  }

  leave() {
    return this.#close();
  }
}
