// Connection state recovery (PROTOCOL 5): clients that lose their connection come back as if they had not been away.

import assert from "node:assert/strict";
import { Agent } from "node:http";
import { describe, test } from "node:test";

import { Client, modes, websocket } from "./support/clients.mjs";
import { Control } from "./support/control.mjs";
import { eventually } from "./support/inbox.mjs";
import { fixedAddresses, Service } from "./support/service.mjs";
import { World } from "./support/world.mjs";

// The heartbeat is how a polling client notices that its connection was killed.
const world = World.forThisFile({ namespaces: "/,/chat", recoveryMaxAge: "2m", pingInterval: "700ms", pingTimeout: "300ms" });

/** A client that comes back by itself, long enough after its end for something to be missed. */
const PATIENT = { reconnection: true, reconnectionDelay: 300, randomizationFactor: 0 };

/** The ways in which a connection may end that nobody wanted to end. */
const cuts = {
  "the engine is closed": async (client) => client.engine.close(),
  "the TCP connection is killed": async (client, agent) => {
    const { transport } = client.engine;
    if (transport.name === "websocket") return transport.ws.terminate();
    await eventually(() => transport._polling, "the client to poll");
    await world.control.countSockets({ target: {} }); // by the time that this is answered the poll is on its way, too
    agent.destroy();
  },
};

/** without is an event's arguments without the offset that ends them. */
const without = ({ args }) => args.slice(0, -1);

for (const mode of modes) {
  describe(mode.name, () => {
    for (const [how, cut] of Object.entries(cuts)) {
      test(`${how}, and the client comes back as the same socket, with its rooms, its user, its data, and what it missed`, async () => {
        const watch = await world.watch();
        const admission = await world.admit(["/"], () => ({ accept: { user: "ann", data: '{"n":1}', rooms: ["given"] } }));
        const agent = new Agent({ keepAlive: true });
        const client = await world.connect(mode, { ...PATIENT, agent }).settled(mode);
        const { id, socket } = client;
        assert.equal(socket.recovered, false);
        assert.equal((await watch.connected(id)).recovered, false);
        await world.control.joinRooms({ target: { sockets: [id] }, rooms: ["joined"] });
        await world.control.tell({ rooms: ["joined"] }, "before", ["text"]);
        assert.deepEqual(without(await client.next("before")), ["text"]);

        const order = [];
        socket.onAny((name) => order.push(name));
        socket.on("connect", () => {
          order.push(`connected, recovered: ${socket.recovered}`);
          queueMicrotask(() => order.push("the next task"));
        });
        await cut(client, agent);
        const { recoverable } = await watch.disconnected(id);
        assert.equal(recoverable, true);
        await world.control.tell({ rooms: ["joined"] }, "one");
        await world.control.tell({ users: ["ann"] }, "two", [{ a: [1] }]);
        await world.control.tell({ rooms: ["elsewhere"] }, "not for it");
        await world.control.emit({ target: {}, event: "three", arguments: '[{"_placeholder":true,"num":0}]', attachments: [Buffer.from([1, 2])] });
        assert.equal(order.length, 0, "it has been away until now");

        await client.cameBack();
        assert.equal((await watch.connected(id)).recovered, true);
        assert.equal(client.id, id);
        assert.deepEqual(order.toSorted(), ["connected, recovered: true", "one", "the next task", "three", "two"]);
        assert.deepEqual(order.filter((what) => /^(one|two|three|the next task)$/.test(what)), ["one", "two", "three", "the next task"]);
        assert.deepEqual(without(await client.next("two")), [{ a: [1] }]);
        assert.deepEqual(without(await client.next("three")), [Buffer.from([1, 2])]);

        const [{ rooms, user, data }] = await world.control.listSockets({ sockets: [id] });
        assert.deepEqual({ rooms, user, data }, { rooms: ["given", "joined"], user: "ann", data: '{"n":1}' });
        await world.control.tell({ rooms: ["joined"] }, "after");
        await client.next("after");
        assert.equal(admission.questions.rest.length, 1, "admission was asked once");
      });
    }

    test("a volatile event that ends with a text, or nothing at all, does not spoil it", async () => {
      const watch = await world.watch();
      const poisoned = await world.connect(mode, PATIENT).settled(mode);
      const fresh = await world.connect(mode, PATIENT).settled(mode);
      const [{ id }, { id: freshId }] = [poisoned, fresh];
      await world.control.tell({ sockets: [id] }, "recorded", [1]);
      await poisoned.next("recorded");
      await eventually(async () => { // dropped while no poll waits
        await world.control.tell({ sockets: [id] }, "volatile", ["a text"], { volatile: true });
        return poisoned.events.rest.some(({ name }) => name === "volatile");
      }, "a volatile event to come through");
      for (const client of [poisoned, fresh]) {
        const own = client.id;
        client.engine.close();
        await watch.disconnected(own);
      }
      await world.control.tell({}, "missed", [2]);
      for (const client of [poisoned, fresh]) {
        await client.cameBack();
        assert.equal(client.socket.recovered, true);
        assert.deepEqual(without(await client.next("missed")), [2]);
      }
      assert.deepEqual([poisoned.id, fresh.id], [id, freshId]);
    });

    test("who ends the socket, or has it ended, begins anew", async () => {
      const watch = await world.watch();
      const client = await world.connect(mode).settled(mode);
      for (const end of [() => client.socket.disconnect(), () => world.control.disconnectSockets({ target: { sockets: [client.id] } })]) {
        const { id } = client;
        await end();
        await client.disconnected();
        assert.equal((await watch.disconnected(id)).recoverable, false);
        client.socket.connect();
        await client.connected();
        assert.equal(client.socket.recovered, false);
        assert.notEqual(client.id, id);
      }
    });
  });
}

test("every namespace of a connection comes back", async () => {
  const watch = await world.watch();
  const client = await world.connect(websocket, PATIENT).settled(websocket);
  const chat = await client.of("/chat").connected();
  const ids = [client.id, chat.id];
  client.engine.transport.ws.terminate();
  for (const id of ids) await watch.disconnected(id);
  await world.control.tell({ namespace: "/chat" }, "missed");
  await Promise.all([client.cameBack(), chat.cameBack()]);
  await chat.next("missed");
  assert.deepEqual([client.id, chat.id], ids);
  assert.deepEqual([client.socket.recovered, chat.socket.recovered], [true, true]);
  client.socket.io.reconnection(false); // or the one comes back when the other is closed
});

test("a client that comes back too late begins anew, and services hear of it", async () => {
  const service = world.adopt(await Service.start({ recoveryMaxAge: "300ms" }));
  const control = world.adopt(new Control(service.grpc));
  const watch = await control.watch({ kinds: ["CONNECTED", "DISCONNECTED", "EXPIRED"].map((kind) => `EVENT_KIND_${kind}`) });
  const client = await world.adopt(Client.connect(service.url, websocket)).settled(websocket);
  const { id } = client;
  client.engine.close();
  await watch.disconnected(id);
  await watch.take({ kind: "expired", socketId: id });
  client.socket.connect();
  await client.cameBack();
  assert.equal(client.socket.recovered, false);
  assert.notEqual(client.id, id);
  assert.equal((await watch.connected(client.id)).recovered, false);
});

test("a client comes back to another process as a new one", async () => {
  const service = world.adopt(await Service.start({ ...(await fixedAddresses()), recoveryMaxAge: "2m" }));
  const client = await world.adopt(Client.connect(service.url, websocket, PATIENT)).settled(websocket);
  const { id } = client;
  const control = world.adopt(new Control(service.grpc));
  await control.tell({}, "before");
  await client.next("before");
  await service.kill();
  await service.restart();
  await client.cameBack();
  assert.equal(client.socket.recovered, false);
  assert.notEqual(client.id, id);
});
