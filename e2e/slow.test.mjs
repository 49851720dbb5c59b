// Those who do not keep up cost what they are allowed to, and delay nobody.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Bystander } from "./support/bystander.mjs";
import { modes, polling, websocket } from "./support/clients.mjs";
import { usage } from "./support/usage.mjs";
import { World } from "./support/world.mjs";

const MEGABYTE = 1_000_000;
const world = World.forThisFile({ maxOutbox: `${MEGABYTE}`, watchBuffer: "3MiB", pingInterval: "1h", pingTimeout: "1h" });

/** stalled connects a WebSocket client that reads nothing any more. */
async function stalled() {
  const client = await world.connect(websocket).connected();
  client.engine.transport.ws.pause();
  world.adopt({ close: () => client.engine.transport.ws?.terminate() });
  return client;
}

describe("a client that stops reading", () => {
  test("is closed when too much waits for it, and nobody else waits", async () => {
    for (const mode of modes) await Bystander.begin(world, mode);
    const watch = await world.watch({ kinds: ["EVENT_KIND_DISCONNECTED"] });
    const client = await stalled();
    const target = { sockets: [client.id] };
    const before = usage(world.service.pid).rss;
    let taken = 0;
    while ((await world.control.tell(target, "n", ["x".repeat(100_000)])).delivered === 1) taken += 100_000;

    const { reason, description } = await watch.disconnected(client.id);
    assert.match(reason, /^(FORCED_CLOSE|TRANSPORT_ERROR|TRANSPORT_CLOSE)$/);
    assert.notEqual(description, "", "why is said");
    assert.ok(taken >= MEGABYTE, `it was closed after ${taken} bytes`);
    const more = usage(world.service.pid).rss - before;
    assert.ok(more < 32 * MEGABYTE, `the service holds ${more} bytes more`);
  });

  test("gets no volatile events while others wait for it, and stays", async () => {
    const client = await stalled();
    const target = { sockets: [client.id] };
    const padding = "x".repeat(400_000);
    while ((await world.control.tell(target, "maybe", [padding], { volatile: true })).delivered === 1); // until the kernel takes no more
    assert.equal((await world.control.tell(target, "must", [padding])).delivered, 1); // which waits in the service
    assert.equal((await world.control.tell(target, "maybe", [], { volatile: true })).delivered, 0);
    assert.equal((await world.control.tell(target, "end")).delivered, 1);
    client.engine.transport.ws.resume();
    await client.next("end");
    assert.ok(client.socket.connected);
  });

  test("over polling is closed, too, when too much waits for its next poll", async () => {
    const watch = await world.watch({ kinds: ["EVENT_KIND_DISCONNECTED"] });
    const client = await world.connect(polling).connected();
    client.engine.transport.doPoll = () => {}; // never asks again
    let taken = 0;
    while ((await world.control.tell({ sockets: [client.id] }, "n", ["x".repeat(100_000)])).delivered === 1) taken += 100_000;
    await watch.disconnected(client.id);
    assert.ok(taken >= MEGABYTE / 2 && taken <= 3 * MEGABYTE, `it was closed after ${taken} bytes`);
  });
});

test("a watcher that reads too slowly loses events, is told how many, and slows down nobody", async () => {
  await Bystander.begin(world, websocket);
  const watch = await world.watch({ kinds: ["EVENT_KIND_RECEIVED"], eventNames: ["n"] });
  const others = await world.watch({ eventNames: ["all sent"] });
  const client = await world.connect(websocket).connected();
  watch.pause();
  const COUNT = 2_000;
  const padding = "x".repeat(10_000);
  for (let i = 0; i < COUNT; i++) client.emit("n", i, padding);
  client.emit("all sent");
  await others.received(client.id, "all sent");
  watch.resume();
  client.emit("n", COUNT);
  let missed = 0;
  let next = 0;
  while (next <= COUNT) {
    const event = await watch.events.take();
    if (event.missed) {
      missed += Number(event.missed);
      next += Number(event.missed);
      continue;
    }
    assert.equal(JSON.parse(event.received.arguments)[0], next);
    next++;
  }
  assert.ok(missed > 0, "nothing was missed");
});
