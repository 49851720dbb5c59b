// What a service does: it calls realtime-svc over gRPC.

import { Inbox, within } from "./inbox.mjs";
import { stub } from "./protos.mjs";

/** Control is one service's connection. Every unary method is here by its name and returns a promise. */
export class Control {
  #stubs = {};
  #calls = new Set();

  constructor(address) {
    let channel; // shared by all
    for (const name of ["Admission", "Emit", "Event", "Room", "Socket"]) {
      const client = stub(`${name}Service`, address, channel);
      channel ??= client.getChannel();
      this.#stubs[name] = client;
      this.#addUnary(client);
    }
  }

  #addUnary(client) {
    for (const [name, { requestStream, responseStream, originalName }] of Object.entries(Object.getPrototypeOf(client).constructor.service)) {
      if (requestStream || responseStream) continue;
      const method = originalName ?? name;
      this[method] = (request) => new Promise((resolve, reject) => {
        client[method](request, { deadline: Date.now() + 30_000 }, (error, response) => (error ? reject(error) : resolve(response)));
      });
    }
  }

  /** tell emits an event with args, which JSON can say, to a target. more are further fields of the request. */
  tell(target, event, args = [], more = {}) {
    return this.emit({ target, event, arguments: JSON.stringify(args), ...more });
  }

  /** emitWithAck resolves to {answers, summary} at the end of the stream. */
  async emitWithAck(request) {
    const call = this.#keep(this.#stubs.Emit.emitWithAck(request));
    const answers = [];
    let summary = null;
    await new Promise((resolve, reject) => {
      call.on("data", (message) => {
        if (summary) reject(new Error("something came after the summary"));
        if (message.result === "answer") answers.push(message.answer);
        else summary = message.summary;
      });
      call.on("error", reject);
      call.on("end", resolve);
    });
    return { answers, summary };
  }

  /** listSockets resolves to every socket that the target selects. */
  async listSockets(target) {
    const call = this.#keep(this.#stubs.Socket.listSockets({ target }));
    const sockets = [];
    for await (const batch of call) sockets.push(...batch.sockets);
    return sockets;
  }

  /** watch resolves when the subscription stands. */
  async watch(filter = {}) {
    const watch = new Watch(this.#keep(this.#stubs.Event.watch(filter)));
    await watch.begun;
    return watch;
  }

  /**
   * admit attaches this service to admission and resolves when it is. decide(question) returns an answer's verdict, {accept} or {refuse}, or a
   * promise of it, or nothing if the question is to stay open. With handshakes, it is asked about them, too.
   */
  async admit(namespaces, decide, { handshakes = false } = {}) {
    const admission = new Admission(this.#keep(this.#stubs.Admission.admit()), { namespaces, handshakes }, decide);
    await admission.begun;
    return admission;
  }

  /** consume joins a consumer group and resolves when the membership stands. open is ConsumeOpen. */
  async consume(open) {
    const member = new Member(this.#keep(this.#stubs.Event.consume()), open);
    await member.begun;
    return member;
  }

  /** emitStream opens a stream of emits; see EmitStream. */
  emitStream() {
    return new EmitStream(this.#keep(this.#stubs.Emit.emitStream()));
  }

  #keep(call) {
    this.#calls.add(call);
    call.on("close", () => this.#calls.delete(call));
    return call;
  }

  close() {
    for (const call of this.#calls) call.cancel();
    for (const client of Object.values(this.#stubs)) client.close();
  }
}

/**
 * beginning is {begun, ended} of a stream: begun resolves with its first message, which must be the one called first, and ended to the error
 * that ended it, or to null.
 */
function beginning(call, first) {
  const ended = new Promise((resolve) => {
    call.on("error", resolve);
    call.on("end", () => resolve(null));
  });
  const message = new Promise((resolve, reject) => {
    call.once("data", (response) => (response.message === first ? resolve() : reject(new Error(`the stream began with ${response.message}`))));
    ended.then((error) => reject(error ?? new Error(`the stream ended before ${first} came`)));
  });
  return { begun: within(message, `a stream's ${first}`), ended };
}

/** Watch is a stream of what clients do. */
class Watch {
  #call;

  /** What nobody has taken: events, and {missed} where some were lost. */
  events = new Inbox("Watch");
  constructor(call) {
    this.#call = call;
    Object.assign(this, beginning(call, "opened"));
    this.ended.then((error) => this.events.fail(error ?? new Error("the stream has ended")));
    call.on("data", ({ batch }) => {
      if (!batch) return;
      if (batch.missed !== "0") this.events.push({ missed: batch.missed });
      for (const event of batch.events) this.events.push(event);
    });
  }

  /** take removes the next event that has all of these, e.g. {kind: "received", socketId}, and is called so, if it is a received one. */
  take(fields, name) {
    const called = (event) => name === undefined || event.received?.name === name;
    const wanted = (event) => called(event) && Object.entries(fields).every(([key, value]) => event[key] === value);
    return this.events.take(wanted, `an event with ${JSON.stringify(fields)}${name === undefined ? "" : ` called ${name}`}`);
  }

  /** received, connected and disconnected take the next event of their kind of one socket and return what is special to it. */
  async received(socketId, name) {
    return (await this.take({ kind: "received", socketId }, name)).received;
  }

  async connected(socketId) {
    return (await this.take({ kind: "connected", socketId })).connected;
  }

  async disconnected(socketId) {
    const { disconnected } = await this.take({ kind: "disconnected", socketId });
    return { ...disconnected, reason: disconnected.reason.replace("DISCONNECT_REASON_", "") };
  }

  /** pause stops reading, resume goes on. */
  pause() {
    this.#call.pause();
  }

  resume() {
    this.#call.resume();
  }

  close() {
    this.#call.cancel();
  }
}

/** Admission is a service that decides who may in. */
class Admission {
  #call;

  /** The questions, answered or not. */
  questions = new Inbox("the questions of Admit");
  /** The answers that were turned down. */
  rejected = new Inbox("the rejected answers of Admit");

  constructor(call, attach, decide) {
    this.#call = call;
    Object.assign(this, beginning(call, "attached"));
    call.on("data", async ({ message, question, rejected }) => {
      if (message === "rejected") this.rejected.push(rejected);
      if (message !== "question") return;
      this.questions.push(question);
      const verdict = await decide(question);
      if (verdict) this.answer(question.id, verdict);
    });
    call.write({ attach });
  }

  answer(questionId, verdict) {
    this.#call.write({ answer: { questionId, ...verdict } });
  }

  /** leave detaches in good order and resolves when it has. */
  leave() {
    this.#call.end();
    return within(this.ended, "Admit to end");
  }
}

/** Member is one member of a consumer group. */
class Member {
  #call;

  /** What nobody has taken: deliveries, {id, attempt, event}. */
  deliveries = new Inbox("the deliveries of Consume");
  /** The replies that did not reach their client. */
  failed = new Inbox("the failed replies of Consume");

  constructor(call, open) {
    this.#call = call;
    Object.assign(this, beginning(call, "opened"));
    this.ended.then((error) => this.deliveries.fail(error ?? new Error("the stream has ended")));
    call.on("data", ({ message, batch, replyFailed }) => {
      if (message === "batch") for (const delivery of batch.deliveries) this.deliveries.push(delivery);
      if (message === "replyFailed") this.failed.push(replyFailed);
    });
    call.write({ open });
  }

  /** take removes the next delivery, or the next received event of that name. */
  take(name) {
    return this.deliveries.take(({ event }) => name === undefined || event.received?.name === name, `a delivery${name ? ` of ${name}` : ""}`);
  }

  /** settle is ConsumeSettle. */
  settle(settle) {
    this.#call.write({ settle });
  }

  credit(credit) {
    this.#call.write({ credit });
  }

  /** leave asks for no further deliveries and resolves when the server has ended the stream. */
  leave() {
    this.#call.write({ leave: {} });
    return within(this.ended, "Consume to end");
  }

  close() {
    this.#call.cancel();
  }
}

/** EmitStream is a stream of emits, and of their results. */
class EmitStream {
  #call;
  #sent = 0;

  /** The responses, in order. */
  responses = new Inbox("the responses of EmitStream");

  constructor(call) {
    this.#call = call;
    call.on("data", (response) => this.responses.push(response));
    call.on("error", (error) => this.responses.fail(error));
    this.ended = new Promise((resolve) => call.on("end", resolve));
  }

  /** send sends an emit ahead and returns its id. */
  send(emit) {
    this.#call.write({ id: ++this.#sent, emit });
    return String(this.#sent);
  }

  /** finish half-closes and resolves when the server has ended the stream. */
  finish() {
    this.#call.end();
    return within(this.ended, "EmitStream to end");
  }
}
