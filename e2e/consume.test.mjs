// Consumer groups with the stock client: members that are killed, groups that have no room, and answers from another process.

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { describe, test } from "node:test";

import { modes, websocket } from "./support/clients.mjs";
import { eventually, within } from "./support/inbox.mjs";
import { Process } from "./support/process.mjs";
import { usage } from "./support/usage.mjs";
import { World } from "./support/world.mjs";

const PING = { pingInterval: "300ms", pingTimeout: "300ms" };
const world = World.forThisFile({ ...PING, groupBuffer: "3MiB", groupSocketBuffer: "256KiB" });
// Groups outlive their members, and hold back whoever they want something of: each test has events of its own.

/** worker starts a member in a process of its own; deliveries is what it was given so far. */
async function worker(open, handler) {
  const script = fileURLToPath(new URL("support/worker.mjs", import.meta.url));
  const process_ = new Process(`worker ${handler}`, process.execPath, [script, world.service.grpc, JSON.stringify(open), handler]);
  world.adopt({ close: () => process_.end() });
  const deliveries = [];
  await process_.line((line) => line.includes("opened") || null, "it to be a member");
  process_.line((line) => void deliveries.push(JSON.parse(line)), "nothing").catch(() => {});
  return { deliveries: () => deliveries.filter(({ id }) => id), kill: () => process_.end("SIGKILL") };
}

const member = async (open) => world.adopt(await world.control.consume(open));

/** drain takes deliveries and acknowledges them, until there were count of received events; it returns [socket, number, attempt]. */
async function drain(from, count) {
  const got = [];
  while (got.length < count) {
    const { id, attempt, event } = await from.take();
    from.settle({ acks: [id] });
    if (event.received) got.push([event.socketId, JSON.parse(event.received.arguments)[0], attempt]);
  }
  return got;
}

/** inOrder checks that every socket's numbers are 0, 1, 2 and so on up to count. */
function inOrder(got, clients, count) {
  for (const { id } of clients) {
    const numbers = got.filter(([socket]) => socket === id).map(([, number]) => number);
    assert.deepEqual(numbers, [...Array(count).keys()], `the events of ${id}`);
  }
}

describe("a member is killed", () => {
  test("with 1,000 unacknowledged events: the others get all of them, in order", async (t) => {
    const open = { group: "killed", kinds: ["EVENT_KIND_RECEIVED"], eventNames: ["k"], maxEvents: 2_000, ackTimeout: { seconds: 3600 } };
    const doomed = await worker(open, "hold");
    const clients = await Promise.all([...Array(10).keys()].map((i) => world.connect(modes[i % 3]).settled(modes[i % 3])));
    for (let n = 0; n < 100; n++) for (const client of clients) client.emit("k", n);
    await eventually(() => doomed.deliveries().length === 1_000, () => `the member to have 1,000, not ${doomed.deliveries().length}`);
    const others = [await member(open), await member(open)];
    assert.deepEqual(others[0].deliveries.rest, [], "nothing is to be had before");

    await doomed.kill();
    const killed = performance.now();
    const got = [];
    await Promise.all(others.map(async (other) => {
      while (got.length < 1_000) {
        const delivery = await Promise.race([other.take().catch(() => null), eventually(() => got.length >= 1_000, "the rest").then(() => null)]);
        if (!delivery) return;
        other.settle({ acks: [delivery.id] });
        got.push([delivery.event.socketId, JSON.parse(delivery.event.received.arguments)[0], delivery.attempt]);
      }
    }));
    t.diagnostic(`all 1,000 after ${(performance.now() - killed).toFixed(0)} ms`);
    assert.equal(got.length, 1_000);
    assert.ok(got.every(([, , attempt]) => attempt === 2));
    inOrder(got, clients, 100);
  });
});

describe("a group that has no room", () => {
  for (const mode of modes) {
    test(`holds its clients back, keeps them connected and loses nothing, ${mode.name}`, async () => {
      const open = { group: `full ${mode.name}`, kinds: ["EVENT_KIND_RECEIVED"], eventNames: [mode.name], maxEvents: 100_000, ackTimeout: { seconds: 3600 } };
      const stalls = await member(open);
      const other = await member({ ...open, group: `other ${mode.name}`, eventNames: ["free"] });
      const bystander = await world.connect(websocket).connected();
      const clients = await Promise.all([1, 2, 3].map(() => world.connect(mode).settled(mode)));
      const padding = "x".repeat(10_000);
      const before = usage(world.service.pid).rss;
      for (let n = 0; n < 300; n++) for (const client of clients) client.emit(mode.name, n, padding);

      await eventually(() => metric("realtime_sessions_paused").then((n) => n === 3), "the clients to be held");
      const held = performance.now();
      let pings = 0;
      for (const client of clients) client.engine.on("ping", () => pings++);
      // Their heartbeats go on, three times as long as one of them may take.
      await eventually(() => pings >= 12 && performance.now() - held > 2_000, () => `heartbeats, not ${pings}`);
      for (const client of clients) assert.ok(client.socket.connected);
      for (let n = 0; n < 10; n++) {
        bystander.emit("free", n);
        const { id, event } = await other.take("free");
        assert.equal(event.received.arguments, JSON.stringify([n]));
        other.settle({ acks: [id] });
        await world.control.tell({ sockets: clients.map(({ id: socket }) => socket) }, "down", [n]);
        for (const client of clients) assert.deepEqual((await client.next("down")).args, [n]);
      }
      const more = usage(world.service.pid).rss - before;
      assert.ok(more < 32 << 20, `the service holds ${more} bytes more`);

      inOrder(await drain(stalls, 900), clients, 300);
      await eventually(() => metric("realtime_sessions_paused").then((n) => n === 0), "all clients to be read again");
      for (const client of clients) assert.ok(client.socket.connected);
    });
  }
});

/** metric reads one number of /metrics. */
async function metric(name) {
  const text = await (await fetch(`http://${world.service.admin}/metrics`)).text();
  return Number(text.match(new RegExp(`^${name} (.+)$`, "m"))[1]);
}

test("a socket's acknowledgement is answered by a member in another process", async () => {
  await worker({ group: "answers", eventNames: ["ask"] }, "reply");
  for (const mode of modes) {
    const client = await world.connect(mode).settled(mode);
    assert.deepEqual(await client.ask("ask", { n: 1 }), { n: 1 });
  }
});

test("members share the sockets out, and a member that leaves hands its sockets over", async () => {
  const open = { group: "shared", eventNames: ["s"], kinds: ["EVENT_KIND_RECEIVED"] };
  const leaves = await member(open);
  const stays = await member(open);
  const clients = await Promise.all([...Array(8)].map(() => world.connect(websocket).connected()));
  for (const client of clients) client.emit("s", 0);
  const first = await leaves.take("s");
  const left = leaves.leave(); // while that one is in flight
  for (const client of clients) client.emit("s", 1);
  leaves.settle({ acks: [first.id] });
  const mine = [[first.event.socketId, 0]];
  for (;;) {
    const delivery = await leaves.take().catch(() => null); // until the server ends the stream
    if (!delivery) break;
    leaves.settle({ acks: [delivery.id] });
    mine.push([delivery.event.socketId, JSON.parse(delivery.event.received.arguments)[0]]);
  }
  assert.equal(await within(left, "the member to have left"), null);
  const got = (await drain(stays, 16 - mine.length)).map(([socket, n]) => [socket, n]);
  inOrder([...mine, ...got], clients, 2);
});

test("a stream of emits reaches the stock client in order, and says what failed", async () => {
  const client = await world.connect(websocket).connected();
  const stream = world.control.emitStream();
  const target = { sockets: [client.id] };
  for (let n = 0; n < 200; n++) stream.send({ target, event: "n", arguments: JSON.stringify([n]) });
  const bad = stream.send({ target, event: "" });
  const keyed = { target, event: "once", idempotencyKey: "e2e" };
  stream.send(keyed);
  stream.send(keyed);
  for (let n = 0; n < 200; n++) {
    const { id, emitted } = await stream.responses.take();
    assert.deepEqual([id, emitted.delivered], [String(n + 1), 1]);
  }
  const failed = await stream.responses.take();
  assert.deepEqual([failed.id, failed.error.code], [bad, 3]);
  assert.equal((await stream.responses.take()).emitted.replayed, false);
  assert.equal((await stream.responses.take()).emitted.replayed, true);
  await stream.finish();
  for (let n = 0; n < 200; n++) assert.deepEqual((await client.next("n")).args, [n]);
  await client.next("once");
  assert.deepEqual(client.events.rest, []);
});

test("a socket's data is replaced for whoever asks", async () => {
  const client = await world.connect(websocket).connected();
  const { matched } = await world.control.updateSockets({ target: { sockets: [client.id] }, data: '{"seen":1}' });
  assert.equal(matched, 1);
  assert.equal((await world.control.getSocket({ socketId: client.id })).socket.data, '{"seen":1}');
});
