// The service as a target of the matrix: what reference.mjs does in JavaScript is done here over gRPC.

import { Control } from "../control.mjs";
import { fixedAddresses, Service } from "../service.mjs";
import { gather, scatter } from "./binary.mjs";

/** Socket.IO's own words for the reasons of Watch that are not the same words in lower case. */
const REASONS = {
  CLIENT_DISCONNECT: "client namespace disconnect", SERVER_DISCONNECT: "server namespace disconnect", SHUTTING_DOWN: "server shutting down",
};

/**
 * place is what an event of a socket has. Clients of revision 3 put their namespace before their id outside of the main one; a target of the control
 * plane may be written so too, but an event has the 20 characters, and the namespace beside them.
 */
function place(socket) {
  if (typeof socket === "string") return { socketId: socket };
  return { socketId: socket.id.slice(socket.id.indexOf("#") + 1), namespace: socket.namespace };
}

/** OurTarget is the real binary and a service that talks to it. */
export class OurTarget {
  /** What is sent to clients of revision 3 is ASCII, which those of 1.x read as well. */
  escapesForRevision3 = true;
  #control;
  #service;

  /** refusals is what a client hears per namespace that turns everybody away: {message, data}; flags are those of Service.start. */
  static async start({ namespaces, refusals, flags = { allowEio3: true } }) {
    const target = new OurTarget();
    target.#service = await Service.start({ ...(await fixedAddresses()), namespaces: [...namespaces, ...Object.keys(refusals)].join(","), ...flags });
    await target.#attach();
    await target.#control.admit(Object.keys(refusals), ({ socket }) => {
      const { message, data } = refusals[socket.namespace];
      return { refuse: { message, data: data === undefined ? "" : JSON.stringify(data) } };
    });
    return target;
  }

  async #attach() {
    this.#control = new Control(this.#service.grpc);
    this.#watch = await this.#control.watch();
  }

  #watch;

  /** Where it listens, as host:port. */
  get edge() {
    return this.#service.edge;
  }

  get url() {
    return this.#service.url;
  }

  /** received takes the next event called name of a socket, or of the one with this id: its arguments, and reply(args) if it is to be answered. */
  async received(socket, name) {
    const { received: { arguments: text, attachments, ackToken } } = await this.#watch.take({ kind: "received", ...place(socket) }, name);
    const reply = ackToken && ((args) => this.#control.reply({ ackToken, ...scatter(args) }));
    return { args: gather(text, attachments), reply: reply || null };
  }

  /** heard is what a socket has sent so far that nobody took: [name, args] of each, where name is as the client wrote it. */
  heard(socketId) {
    const sent = this.#watch.events.rest.filter((event) => event.kind === "received" && event.socketId === socketId);
    return sent.map(({ received: { name, nameIsNumber, arguments: text, attachments } }) => [nameIsNumber ? Number(name) : name, gather(text, attachments)]);
  }

  /** disconnected resolves to why a socket is gone, in Socket.IO's words. */
  async disconnected(socket) {
    const { disconnected } = await this.#watch.take({ kind: "disconnected", ...place(socket) });
    const reason = disconnected.reason.replace("DISCONNECT_REASON_", "");
    return REASONS[reason] ?? reason.toLowerCase().replaceAll("_", " ");
  }

  /** tell emits an event to {namespace, rooms, sockets, exceptRooms, exceptSockets}. */
  tell(target, event, args) {
    return this.#control.emit({ target, event, ...scatter(args) });
  }

  /** ask emits an event to one socket and resolves to the arguments of its answer. */
  async ask(namespace, socketId, event, args) {
    const { answers } = await this.#control.emitWithAck({ target: { namespace, sockets: [socketId] }, event, timeout: { seconds: 10 }, ...scatter(args) });
    if (answers.length !== 1) throw new Error(`${answers.length} answers came`);
    return gather(answers[0].arguments, answers[0].attachments);
  }

  join(namespace, sockets, rooms) {
    return this.#control.joinRooms({ target: { namespace, sockets }, rooms });
  }

  leave(namespace, sockets, rooms) {
    return this.#control.leaveRooms({ target: { namespace, sockets }, rooms });
  }

  disconnect(namespace, socketId, closeConnection) {
    return this.#control.disconnectSockets({ target: { namespace, sockets: [socketId] }, closeConnection });
  }

  /** kill ends it as a crash would. */
  async kill() {
    this.#control.close();
    await this.#service.kill();
  }

  /** restart brings it back under the same address. Nobody is turned away any longer. */
  async restart() {
    await this.#service.restart();
    await this.#attach();
  }

  async stop() {
    this.#control.close();
    await this.#service.close();
  }

  tail() {
    return this.#service.tail();
  }
}
