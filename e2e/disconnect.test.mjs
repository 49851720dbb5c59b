// How connections end, and what each side is told.

import assert from "node:assert/strict";
import { Agent } from "node:http";
import { describe, test } from "node:test";

import { modes, polling, websocket } from "./support/clients.mjs";
import { eventually, within } from "./support/inbox.mjs";
import { World } from "./support/world.mjs";

const world = World.forThisFile({ namespaces: "/,/chat", pingInterval: "700ms", pingTimeout: "300ms" });

/** settledAt connects a client and returns it with its id, for tests in which it gets another. */
async function settledAt(mode) {
  const client = await world.connect(mode).settled(mode);
  return { client, id: client.id };
}

/** severed connects a client and cuts its connection as a broken network does: nothing is said any more. It resolves to the socket's id. */
async function severed(mode) {
  const agent = new Agent({ keepAlive: true });
  const { engine: { transport }, id } = await world.connect(mode, { agent }).settled(mode);
  if (transport.name === "websocket") {
    transport.ws.terminate();
  } else {
    await eventually(() => transport._polling, "the client to poll");
    await world.control.countSockets({ target: {} }); // by the time that this is answered the poll is on its way, too
    agent.destroy();
  }
  return id;
}

for (const mode of modes) {
  describe(mode.name, () => {
    test("a service disconnects a socket, and its connection stays", async () => {
      const watch = await world.watch();
      const { client, id } = await settledAt(mode);
      const chat = await client.of("/chat").connected();
      await world.control.joinRooms({ target: { sockets: [id] }, rooms: ["held"] });

      const { matched } = await world.control.disconnectSockets({ target: { sockets: [id] } });
      assert.equal(matched, 1);
      assert.equal((await client.disconnected()).reason, "io server disconnect");
      const told = await watch.disconnected(id);
      assert.deepEqual({ reason: told.reason, rooms: told.rooms }, { reason: "SERVER_DISCONNECT", rooms: ["held"] });
      assert.equal(client.socket.active, false, "the client does not come back by itself");

      await world.control.tell({ namespace: "/chat", sockets: [chat.id] }, "still here");
      await chat.next("still here");
      client.socket.connect();
      await client.connected();
      assert.notEqual(client.id, id);
    });

    test("a service disconnects a socket with its whole connection", async () => {
      const watch = await world.watch();
      const { client, id } = await settledAt(mode);
      const chat = await client.of("/chat").connected();
      const chatId = chat.id;
      const closed = new Promise((resolve) => client.engine.once("close", resolve));

      await world.control.disconnectSockets({ target: { sockets: [id] }, closeConnection: true });
      assert.equal((await client.disconnected()).reason, "io server disconnect");
      assert.equal((await chat.disconnected()).reason, "io server disconnect");
      await within(closed, "the connection to be closed");
      assert.equal((await watch.disconnected(id)).reason, "SERVER_DISCONNECT");
      assert.equal((await watch.disconnected(chatId)).reason, "SERVER_DISCONNECT");
    });

    test("a whole room is disconnected", async () => {
      const { client, id } = await settledAt(mode);
      const { client: other, id: otherId } = await settledAt(mode);
      const stays = await settledAt(mode);
      await world.control.joinRooms({ target: { sockets: [id, otherId] }, rooms: ["out"] });
      const { matched } = await world.control.disconnectSockets({ target: { rooms: ["out"] } });
      assert.equal(matched, 2);
      for (const one of [client, other]) assert.equal((await one.disconnected()).reason, "io server disconnect");
      await world.control.tell({ sockets: [stays.id] }, "hello");
      await stays.client.next("hello");
    });

    test("what was emitted before a disconnect arrives before it", async () => {
      const { client, id } = await settledAt(mode);
      const chat = await client.of("/chat").connected();
      for (let i = 0; i < 50; i++) await world.control.tell({ sockets: [id] }, "n", [i]);
      await world.control.tell({ namespace: "/chat", sockets: [chat.id] }, "last words");
      await world.control.disconnectSockets({ target: { sockets: [id] }, closeConnection: true });
      await client.disconnected();
      assert.deepEqual(client.events.rest.map(({ args }) => args[0]), Array.from({ length: 50 }, (_, i) => i));
      assert.equal(chat.events.rest[0].name, "last words");
    });

    test("a client leaves a namespace", async () => {
      const watch = await world.watch();
      const { client, id } = await settledAt(mode);
      await client.of("/chat").connected();
      client.emit("before");
      client.socket.disconnect();
      assert.equal((await client.disconnected()).reason, "io client disconnect");
      await watch.received(id, "before");
      assert.equal((await watch.disconnected(id)).reason, "CLIENT_DISCONNECT");
    });

    test("a client closes its connection", async () => {
      const watch = await world.watch();
      const { client, id } = await settledAt(mode);
      client.engine.close();
      assert.equal((await client.disconnected()).reason, "forced close");
      assert.equal((await watch.disconnected(id)).reason, "TRANSPORT_CLOSE");
    });

    test("a client's connection breaks", async () => {
      const watch = await world.watch();
      const { reason } = await watch.disconnected(await severed(mode));
      if (mode.carrier === "websocket") assert.match(reason, /^TRANSPORT_(CLOSE|ERROR)$/);
      else assert.equal(reason, "TRANSPORT_ERROR");
    });

    test("a client that answers no heartbeat is given up", async () => {
      const watch = await world.watch();
      const { client, id } = await settledAt(mode);
      client.engine._sendPacket = () => {}; // says nothing any more
      assert.equal((await watch.disconnected(id)).reason, "PING_TIMEOUT");
      assert.equal((await client.disconnected()).reason, "transport close");
    });
  });
}

test("a client that breaks the Socket.IO protocol is closed, with all of its namespaces", async () => {
  const broken = {
    "an event to a namespace that was not entered": '2/chat,["e"]',
    "a second connect": "0",
    "a reserved name": '2["disconnect"]',
    "a connect error": '4{"message":"x"}',
    "no packet": "hello",
    "an unknown type": "9",
    "JSON that is cut off": '2["a"',
    "an object for arguments": '2{"a":1}',
    "an object for a name": '2[{"toString":"x"}]',
    "a placeholder out of range": '51-["a",{"_placeholder":true,"num":1}]',
    "attachments without end": '5999999-["a"]',
    "no attachments": '50-["a"]',
    "an acknowledgement that is no list": "31{}",
  };
  for (const [what, packet] of Object.entries(broken)) {
    for (const mode of [websocket, polling]) {
      const watch = await world.watch();
      const { client, id } = await settledAt(mode);
      client.engine.write(packet);
      if (packet.startsWith("51-")) client.engine.write(Buffer.from("x"));
      const { reason } = await watch.disconnected(id);
      assert.match(reason, /^FORCED_(SERVER_)?CLOSE$/, `${what}, ${mode.name}`);
      assert.equal((await client.disconnected()).reason, "transport close", `${what}, ${mode.name}`);
      watch.close();
    }
  }
});

test("a client that breaks the Engine.IO protocol is closed", async () => {
  for (const { mode, send } of [
    { mode: websocket, send: (client) => client.engine.transport.ws.send("x") },
    { mode: websocket, send: (client) => client.engine.transport.ws.send("") },
    { mode: polling, send: (client) => client.engine.transport.doWrite("x", () => {}) },
  ]) {
    const watch = await world.watch();
    const { client, id } = await settledAt(mode);
    send(client);
    assert.equal((await watch.disconnected(id)).reason, "PARSE_ERROR");
    // A poll that waits is told; one that comes later finds no session any more.
    assert.match((await client.disconnected()).reason, mode === polling ? /^transport (close|error)$/ : /^transport close$/);
    watch.close();
  }
});

test("what is harmless stays harmless", async () => {
  const watch = await world.watch();
  const { client, id } = await settledAt(websocket);
  for (const packet of ["2", "21", "3", "31", '399["nobody asked"]', '2["error"]', '2[7]']) client.engine.write(packet);
  for (const text of ["3", "6", "3"]) client.engine.transport.ws.send(text); // pongs that nobody asked for, a noop
  client.emit("still here");
  await watch.received(id, "still here");
});
