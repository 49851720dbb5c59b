// Nothing is lost, doubled or reordered by an upgrade (I2), however much is on its way.

import assert from "node:assert/strict";
import { test } from "node:test";

import { modes, upgrading } from "./support/clients.mjs";
import { within } from "./support/inbox.mjs";
import { World } from "./support/world.mjs";

const world = World.forThisFile({ watchBuffer: "64MiB" });

const COUNT = 10_000;
const LONG = 60_000;

/** Sequence checks that numbers come as 0, 1, 2 and so on. */
class Sequence {
  #next = 0;
  done = new Promise((resolve, reject) => Object.assign(this, { resolve, reject }));

  constructor(count) {
    this.count = count;
    this.done.catch(() => {}); // reported where it is awaited
  }

  add(n) {
    if (n !== this.#next) this.reject(new Error(`${n} came where ${this.#next} was due`));
    if (++this.#next === this.count) this.resolve();
  }

  /** How many have come. */
  get length() {
    return this.#next;
  }
}

/** numbersUp collects what a client sends as "n". */
async function numbersUp() {
  const watch = await world.watch({ kinds: ["EVENT_KIND_RECEIVED"], eventNames: ["n"] });
  const sequence = new Sequence(COUNT);
  const read = async () => {
    while (sequence.length < COUNT) {
      const event = await watch.take({ kind: "received" });
      sequence.add(JSON.parse(event.received.arguments)[0]);
    }
  };
  read().catch(sequence.reject);
  return sequence;
}

/** allOf resolves when a sequence is complete. */
function allOf(sequence) {
  return within(sequence.done, "the last number", LONG).catch((error) => assert.fail(`${error.message}; ${sequence.length} had come in order`));
}

test(`${COUNT} events up, across an upgrade`, async () => {
  const sequence = await numbersUp();
  const client = await world.connect(upgrading, { upgrade: false }).connected();
  let sent = 0;
  let sentAtUpgrade = null;
  client.engine.once("upgrade", () => { sentAtUpgrade = sent; });
  // Some with every turn, so that the upgrade happens between them.
  await within(new Promise((resolve) => {
    const turn = () => {
      for (let i = 0; i < 20 && sent < COUNT; i++) client.emit("n", sent++, "some text to carry along");
      if (sent === 1_000) client.beginUpgrade();
      if (sent < COUNT) setImmediate(turn);
      else resolve();
    };
    turn();
  }), "the client to send", LONG);
  await allOf(sequence);
  assert.ok(sentAtUpgrade > 1_000 && sentAtUpgrade < COUNT, `the upgrade came after ${sentAtUpgrade} events, not in between`);
});

test(`${COUNT} events down, across an upgrade`, async () => {
  const sequence = new Sequence(COUNT);
  const watch = await world.watch({ kinds: ["EVENT_KIND_CONNECTED"] });
  const client = world.connect(upgrading, { upgrade: false });
  client.socket.on("n", (n) => sequence.add(n));
  let comeAtUpgrade = null;
  client.engine.once("upgrade", () => { comeAtUpgrade = sequence.length; });
  // The server knows the socket before the client does: what it is told now comes first of all.
  const { socketId } = await watch.take({ kind: "connected" });
  for (let i = 0; i < COUNT; i++) {
    if (i === 1_000) client.beginUpgrade();
    const { delivered } = await world.control.tell({ sockets: [socketId] }, "n", [i]);
    assert.equal(delivered, 1, `of event ${i}`);
  }
  await allOf(sequence);
  assert.ok(comeAtUpgrade > 0 && comeAtUpgrade < COUNT, `the upgrade came after ${comeAtUpgrade} events, not in between`);
});

test("both ways at once, text and binary, over thirty upgrades", async () => {
  const COUNT_EACH = 100;
  const watch = await world.watch({ kinds: ["EVENT_KIND_RECEIVED"], eventNames: ["n"] });
  for (let round = 0; round < 30; round++) {
    const down = new Sequence(COUNT_EACH);
    const client = world.connect(upgrading);
    client.socket.on("n", (n, data) => down.add(data.length === n ? n : -1));
    await client.connected();
    const { id } = client;
    const telling = (async () => {
      for (let i = 0; i < COUNT_EACH; i++) {
        await world.control.emit({
          target: { sockets: [id] }, event: "n", arguments: `[${i},{"_placeholder":true,"num":0}]`, attachments: [Buffer.alloc(i)],
        });
      }
    })();
    for (let i = 0; i < COUNT_EACH; i++) {
      client.emit("n", i, Buffer.alloc(i));
      if (i % 3 === round % 3) await new Promise(setImmediate);
    }
    await telling;
    for (let i = 0; i < COUNT_EACH; i++) {
      const { arguments: text, attachments } = await watch.received(id, "n");
      assert.equal(JSON.parse(text)[0], i);
      assert.equal(attachments[0].length, i);
    }
    await allOf(down);
    await client.upgraded();
    client.close();
  }
});

test("two callers' emits keep each caller's order in every mode", async () => {
  const clients = await Promise.all(modes.map((mode) => world.connect(mode).connected()));
  const target = { sockets: clients.map(({ id }) => id) };
  const speak = async (who) => {
    for (let i = 0; i < 300; i++) await world.control.tell(target, who, [i]);
  };
  await Promise.all(["a", "b"].map(speak));
  for (const client of clients) {
    for (const who of ["a", "b"]) for (let i = 0; i < 300; i++) assert.deepEqual((await client.next(who)).args, [i]);
  }
});
