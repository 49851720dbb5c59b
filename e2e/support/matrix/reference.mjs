// The Node reference as a target of the matrix: it proves that a scenario is what Socket.IO does. See ours.mjs.

import { createServer } from "node:http";

import { Server } from "socket.io";

import { DEADLINE, Inbox } from "../inbox.mjs";
import { fixedAddresses } from "../service.mjs";

/** ReferenceTarget is Node's socket.io, in this process. */
export class ReferenceTarget {
  #address;
  #connections = new Set();
  #events = new Inbox("the events of the reference");
  #http;
  #io;
  #setUp;

  /** options are those of its Server. */
  static async start({ namespaces, refusals, options = { allowEIO3: true, serveClient: false } }) {
    const target = new ReferenceTarget();
    target.#address = (await fixedAddresses()).listen;
    target.#setUp = { namespaces, refusals, options };
    await target.restart();
    return target;
  }

  async restart() {
    const { namespaces, refusals, options } = this.#setUp;
    // What socket.io answers elsewhere when it makes the HTTP server itself.
    this.#http = createServer((_, response) => response.writeHead(404).end());
    this.#http.on("connection", (socket) => {
      this.#connections.add(socket);
      socket.on("close", () => this.#connections.delete(socket));
    });
    this.#io = new Server(this.#http, options);
    // Otherwise a session that is closed between two polls keeps this process for half a minute.
    this.#io.engine.on("connection", (session) => (session.transport.closeTimeout = 500));
    for (const name of namespaces) this.#io.of(name).on("connection", (socket) => this.#follow(socket));
    for (const [name, { message, data }] of Object.entries(refusals)) {
      this.#io.of(name).use((_, next) => next(Object.assign(new Error(message), data === undefined ? {} : { data })));
    }
    const [host, port] = this.#address.split(":");
    await new Promise((resolve, reject) => this.#http.once("error", reject).listen(Number(port), host, resolve));
  }

  #follow(socket) {
    socket.onAny((name, ...args) => {
      const ack = typeof args.at(-1) === "function" ? args.pop() : null;
      this.#events.push({ kind: "received", socketId: socket.id, name, args, reply: ack && ((answer) => ack(...answer)) });
    });
    socket.on("disconnect", (reason) => this.#events.push({ kind: "disconnected", socketId: socket.id, reason }));
  }

  get edge() {
    return this.#address;
  }

  get url() {
    return `http://${this.#address}`;
  }

  received(socket, name) {
    const socketId = socket.id ?? socket;
    return this.#events.take((event) => event.kind === "received" && event.socketId === socketId && event.name === name, `${name} of ${socketId}`);
  }

  heard(socketId) {
    // A packet without a payload is an event without a name there, which no listener can be for.
    const sent = this.#events.rest.filter(({ kind, name, socketId: id }) => kind === "received" && id === socketId && /string|number/.test(typeof name));
    return sent.map(({ name, args }) => [name, args]);
  }

  async disconnected(socket) {
    const socketId = socket.id ?? socket;
    return (await this.#events.take((event) => event.kind === "disconnected" && event.socketId === socketId, `the end of ${socketId}`)).reason;
  }

  tell({ namespace = "/", rooms = [], sockets = [], exceptRooms = [], exceptSockets = [] }, event, args) {
    let operator = this.#io.of(namespace).except([...exceptRooms, ...exceptSockets]);
    if (rooms.length + sockets.length > 0) operator = operator.to([...rooms, ...sockets]);
    operator.emit(event, ...args);
  }

  ask(namespace, socketId, event, args) {
    const socket = this.#io.of(namespace).sockets.get(socketId);
    return new Promise((resolve, reject) => {
      socket.timeout(DEADLINE).emit(event, ...args, (error, ...answer) => (error ? reject(error) : resolve(answer)));
    });
  }

  join(namespace, sockets, rooms) {
    this.#io.of(namespace).in(sockets).socketsJoin(rooms);
  }

  leave(namespace, sockets, rooms) {
    this.#io.of(namespace).in(sockets).socketsLeave(rooms);
  }

  disconnect(namespace, socketId, closeConnection) {
    this.#io.of(namespace).in(socketId).disconnectSockets(closeConnection);
  }

  async kill() {
    const closed = new Promise((resolve) => this.#http.close(resolve));
    for (const socket of this.#connections) socket.resetAndDestroy();
    this.#io.close();
    await closed;
  }

  stop() {
    return this.kill();
  }

  tail() {
    return "";
  }
}
