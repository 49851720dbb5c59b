// Many clients that come, talk, upgrade and go in every way, all at once: each one's events come in order and without gaps (I1, I2).

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { modes } from "./support/clients.mjs";
import { World } from "./support/world.mjs";

const world = World.forThisFile({ pingInterval: "500ms", pingTimeout: "5s", watchBuffer: "64MiB" });

const AT_ONCE = 40;
const LIVES = 8;

/** chance makes numbers that only look random: the same seed gives the same ones. */
function chance(seed) {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** How clients go: in good order, by closing what carries them, or by breaking off. */
const goodbyes = [
  (client) => client.socket.disconnect(),
  (client) => client.engine.close(),
  (client) => (client.engine.transport.ws ? client.engine.transport.ws.terminate() : client.close()),
];

/** Numbers that must come as 0, 1, 2 and so on. */
class Numbers {
  count = 0;

  add(n, what) {
    assert.equal(n, this.count, what);
    this.count++;
  }
}

/** live is one life of a client: it comes, talks both ways and goes. It resolves to {id, sent}: how many events it sent. */
async function live(random) {
  const mode = modes[random(modes.length)];
  const down = new Numbers();
  let wrong = null;
  const client = world.connect(mode);
  client.socket.on("n", (n, data) => {
    try {
      down.add(n, `down to ${client.id}`);
      assert.equal(data?.length ?? 0, n % 3 ? 0 : n);
    } catch (error) {
      wrong ??= error;
    }
  });
  await client.connected();
  const { id } = client;

  const rounds = random(60);
  let delivered = 0;
  const telling = (async () => {
    for (let i = 0; i < rounds; i++) {
      const binary = i % 3 === 0;
      const answer = await world.control.emit({
        target: { sockets: [id] }, event: "n",
        arguments: binary ? `[${i},{"_placeholder":true,"num":0}]` : `[${i}]`, attachments: binary ? [Buffer.alloc(i)] : [],
      });
      delivered += answer.delivered;
      if (answer.delivered === 0) break; // it has gone
    }
  })();
  for (let i = 0; i < rounds; i++) {
    client.emit("n", i, i % 5 ? "text" : Buffer.alloc(i));
    if (random(4) === 0) await pause(random(8));
  }
  if (random(2)) await telling; // or it goes in the middle
  goodbyes[random(goodbyes.length)](client);
  await telling;
  if (wrong) throw wrong;
  assert.ok(down.count <= delivered, `${down.count} came of ${delivered} delivered`);
  return { id, sent: rounds };
}

test(`${AT_ONCE} clients live ${LIVES} lives each`, async (t) => {
  const seed = Number(process.env.SEED) || Date.now() % 1_000_000;
  t.diagnostic(`SEED=${seed}`);
  const watch = await world.watch();
  const heard = new Map();
  const gone = new Set();
  const reading = (async () => {
    while (gone.size < AT_ONCE * LIVES) {
      const event = await watch.events.take(() => true, "the next event");
      const { socketId } = event;
      assert.ok(!event.missed, "events were missed");
      if (event.kind === "connected") heard.set(socketId, new Numbers());
      assert.ok(heard.has(socketId) && !gone.has(socketId), `${event.kind} of ${socketId} out of order`);
      if (event.kind === "disconnected") gone.add(socketId);
      if (event.kind === "received") heard.get(socketId).add(JSON.parse(event.received.arguments)[0], `up from ${socketId}`);
    }
  })();
  reading.catch(() => {}); // reported where it is awaited

  const lives = await Promise.all(Array.from({ length: AT_ONCE }, async (_, i) => {
    const random = chance(seed + i);
    const mine = [];
    for (let n = 0; n < LIVES; n++) mine.push(await live(random));
    return mine;
  }));
  await reading;
  for (const { id, sent } of lives.flat()) {
    assert.ok(heard.get(id).count <= sent, `${heard.get(id).count} came from ${id}, which sent ${sent}`);
  }
  const total = [...heard.values()].reduce((sum, { count }) => sum + count, 0);
  t.diagnostic(`${gone.size} sockets, ${total} events up`);
});
