// A service under test, whoever talks to it, and the proof that each socket was reported as it should be.

import assert from "node:assert/strict";
import { after, afterEach, before } from "node:test";

import { Client } from "./clients.mjs";
import { Control } from "./control.mjs";
import { NEVER, within } from "./inbox.mjs";
import { Service } from "./service.mjs";

/**
 * World is a running service for the tests of one file. Everything that a test opens through it is closed after that test, and then every socket
 * that was reported connected must be reported disconnected, once and in this order (I1); one that is recovered begins again.
 */
export class World {
  #opened = [];
  #ledger;

  /** Resolves when the service runs; tests need not wait for it, but hooks of a file do. */
  started;

  /** service and control, a gRPC client of it, are there while tests run. */
  static forThisFile(flags) {
    const world = new World();
    before(() => (world.started = world.#start(flags)));
    afterEach((t) => world.#endTest(t));
    after(() => world.#stop());
    return world;
  }

  async #start(flags) {
    this.service = await Service.start(flags);
    this.control = new Control(this.service.grpc);
    this.#ledger = new Ledger(await this.control.watch({ kinds: ["EVENT_KIND_CONNECTED", "EVENT_KIND_DISCONNECTED"] }));
  }

  /** connect opens a client; see Client.connect. */
  connect(mode, options) {
    return this.adopt(Client.connect(this.service.url, mode, options));
  }

  /** watch and admit are those of Control. */
  async watch(filter) {
    return this.adopt(await this.control.watch(filter));
  }

  async admit(namespaces, decide, options) {
    const admission = await this.control.admit(namespaces, decide, options);
    this.adopt({ close: () => admission.leave() });
    return admission;
  }

  /** adopt closes what it is given after the test. */
  adopt(closable) {
    this.#opened.push(closable);
    return closable;
  }

  /** settled closes everything and resolves when the service has taken notice. */
  async settled() {
    for (const closable of this.#opened.splice(0).reverse()) await closable.close();
    await this.#ledger.settled();
  }

  async #endTest(t) {
    try {
      await this.settled();
    } finally {
      if (t.passed === false) console.error(`${t.fullName} failed: ${t.error.cause?.message ?? t.error.message}\n${this.service.tail()}`);
    }
  }

  async #stop() {
    this.control?.close();
    const { code } = (await this.service?.terminate()) ?? { code: 0 };
    assert.equal(code, 0, this.service?.tail());
  }
}

/** Ledger checks that each socket is reported connected and then disconnected, each once. */
class Ledger {
  #sockets = new Map();
  #wrong = [];
  #onSettled = () => {};

  constructor(watch) {
    const read = async () => {
      for (;;) this.#enter(await watch.events.take(() => true, "the next event", NEVER));
    };
    read().catch(() => this.#onSettled());
  }

  #enter(event) {
    if (event.missed) this.#wrong.push(`${event.missed} events were missed`);
    const state = this.#sockets.get(event.socketId);
    const before = event.connected?.recovered ? "disconnected" : undefined;
    const expected = event.kind === "connected" ? before : "connected";
    if (state !== expected) this.#wrong.push(`${event.socketId} was reported ${event.kind} when it was ${state ?? "unknown"}`);
    this.#sockets.set(event.socketId, event.kind);
    this.#onSettled();
  }

  get #open() {
    return [...this.#sockets].filter(([, state]) => state === "connected").map(([id]) => id);
  }

  /** settled resolves when no socket is connected any longer. */
  async settled() {
    const empty = new Promise((resolve) => {
      this.#onSettled = () => {
        if (this.#open.length === 0) resolve();
      };
      this.#onSettled();
    });
    await within(empty, "all sockets to be reported disconnected").catch((error) => {
      throw new Error(`${error.message}; left: ${this.#open.join(", ")}`, { cause: error });
    });
    assert.deepEqual(this.#wrong.splice(0), []);
  }
}
