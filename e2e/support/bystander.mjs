// Somebody who talks through the service while others attack it.

import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";

import { within } from "./inbox.mjs";

/** The longest that a round trip may take, in ms. Attackers and bystanders share a process, and this counts what that costs. */
const PATIENCE = 2_000;

/** Between two questions, in ms, so that bystanders are not the load themselves. */
const PAUSE = 5;

/** Bystander is a client that asks something all the time, and the service that answers it. */
export class Bystander {
  /** The slowest round trip of all, in ms. */
  static slowest = 0;

  #client;
  #watch;
  #control;
  #running = true;
  #rounds = 0;
  #slowest = 0;
  #failure = null;
  #done;

  /** begin lets one talk until the end of the test, which fails if it was not served all the time. */
  static async begin(world, mode) {
    const watch = await world.control.watch({ eventNames: ["bystander"] });
    const client = await world.connect(mode).settled(mode);
    const bystander = new Bystander(world.control, watch, client);
    world.adopt({ close: () => bystander.unharmed() });
  }

  constructor(control, watch, client) {
    this.id = client.id;
    this.#control = control;
    this.#watch = watch;
    this.#client = client;
    client.socket.once("disconnect", (reason) => { this.#failure ??= new Error(`a client beside was disconnected: ${reason}`); });
    this.#done = this.#run().catch((error) => { this.#failure ??= error; });
  }

  async #run() {
    while (this.#running && !this.#failure) {
      const begin = performance.now();
      const answer = this.#client.ask("bystander", this.#rounds);
      const { arguments: text, ackToken } = await this.#watch.received(this.id, "bystander");
      await this.#control.reply({ ackToken, arguments: text });
      assert.equal(await answer, this.#rounds);
      this.#slowest = Math.max(this.#slowest, performance.now() - begin);
      this.#rounds++;
      await setTimeout(PAUSE);
    }
  }

  /** unharmed ends it and checks that it was served all the time. */
  async unharmed() {
    this.#running = false;
    await within(this.#done, "the client beside to be answered");
    this.#watch.close();
    Bystander.slowest = Math.max(Bystander.slowest, this.#slowest);
    if (this.#failure) throw this.#failure;
    assert.ok(this.#rounds > 0, "the client beside had not one answer");
    assert.ok(this.#slowest < PATIENCE, `the client beside waited up to ${Math.round(this.#slowest)} ms, of ${this.#rounds} round trips`);
  }
}
