// How clients get in: sessions, handshakes, namespaces, heartbeats.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Manager } from "socket.io-client";

import { modes, polling, upgrading, websocket } from "./support/clients.mjs";
import { within } from "./support/inbox.mjs";
import { World } from "./support/world.mjs";

const world = World.forThisFile({ namespaces: "/,/chat,/news", pingInterval: "300ms", pingTimeout: "2s", connectTimeout: "1s" });

/** heartbeats resolves after so many of them, or rejects if the client is disconnected. */
function heartbeats(client, count) {
  let pings = 0;
  return within(new Promise((resolve, reject) => {
    client.socket.io.on("ping", () => ++pings === count && resolve());
    client.socket.on("disconnect", (reason) => reject(new Error(`disconnected: ${reason}`)));
  }), `${count} heartbeats`);
}

for (const mode of modes) {
  describe(mode.name, () => {
    test("a client connects and is known by its id", async () => {
      const client = await world.connect(mode).settled(mode);

      assert.match(client.id, /^[A-Za-z0-9_-]{20}$/);
      assert.match(client.engine.id, /^[A-Za-z0-9_-]{20}$/);
      assert.notEqual(client.id, client.engine.id, "the session's id is a secret");
      const { socket } = await world.control.getSocket({ socketId: client.id });
      assert.equal(socket.id, client.id);
      assert.equal(socket.namespace, "/");
      assert.equal(socket.user, "");
      assert.deepEqual(socket.rooms, []);
      assert.equal(socket.data, "");
    });

    test("what carries the client is told, before and after an upgrade", async () => {
      const watch = await world.watch({ eventNames: ["here"] });
      const client = await world.connect(mode).settled(mode);
      const { socket: atFirst } = await watch.connected(client.id);
      assert.equal(atFirst.transport, mode.transports[0]);

      client.emit("here"); // comes over what carries the client now
      await watch.received(client.id, "here");
      const { socket } = await world.control.getSocket({ socketId: client.id });
      assert.equal(socket.transport, mode.carrier);
    });

    test("the handshake is that of the session's first request", async () => {
      const extraHeaders = { "user-agent": "e2e/1", "origin": "http://elsewhere.example", "x-secret": "kept back" };
      const before = Date.now();
      const client = await world.connect(mode, { query: { token: "a b&c" }, extraHeaders }).settled(mode);
      const { socket } = await world.control.getSocket({ socketId: client.id });

      const { handshake } = socket;
      assert.equal(handshake.address, "127.0.0.1");
      const url = new URL(handshake.url, "http://x");
      assert.equal(url.pathname, "/socket.io/");
      assert.equal(url.searchParams.get("EIO"), "4");
      assert.equal(url.searchParams.get("token"), "a b&c");
      assert.equal(url.searchParams.get("transport"), mode.transports[0]);
      assert.deepEqual(handshake.headers, { "user-agent": "e2e/1", "origin": "http://elsewhere.example" });
      assert.equal(handshake.xdomain, true);
      assert.equal(handshake.secure, false);
      for (const time of [handshake.issuedAt, socket.connectedAt]) {
        const ms = Number(time.seconds) * 1000 + time.nanos / 1e6;
        assert.ok(ms > before - 1000 && ms < Date.now() + 1000, `${ms} is not about now`);
      }
    });

    test("the auth payload comes up as it was sent", async () => {
      const watch = await world.watch();
      const auth = { token: "ключ <&> \u2028", nested: { list: [1, 2.5, null] } };
      const client = await world.connect(mode, { auth }).connected();
      const { auth: text } = await watch.connected(client.id);
      assert.equal(text, JSON.stringify(auth));
    });

    test("a client without an auth payload is told apart from one with an empty one", async () => {
      const watch = await world.watch();
      const none = await world.connect(mode).connected();
      const empty = await world.connect(mode, { auth: {} }).connected();
      assert.equal((await watch.connected(none.id)).auth, "");
      assert.equal((await watch.connected(empty.id)).auth, "{}");
    });

    test("several namespaces share a connection and nothing else", async () => {
      const watch = await world.watch();
      const main = await world.connect(mode).connected();
      const chat = await main.of("/chat", { as: "ann" }).connected();
      assert.notEqual(chat.id, main.id);
      assert.equal((await watch.connected(chat.id)).auth, '{"as":"ann"}');

      chat.emit("where", "chat");
      main.emit("where", "main");
      assert.equal((await watch.take({ kind: "received", socketId: chat.id })).namespace, "/chat");
      assert.equal((await watch.take({ kind: "received", socketId: main.id })).namespace, "/");
      await world.control.tell({ namespace: "/chat", sockets: [chat.id] }, "hello");
      await chat.next("hello");
      assert.deepEqual(main.events.rest, []);

      chat.socket.disconnect();
      assert.equal((await watch.disconnected(chat.id)).reason, "CLIENT_DISCONNECT");
      await world.control.tell({ sockets: [main.id] }, "still here");
      await main.next("still here");

      const { id } = chat;
      chat.socket.connect();
      await chat.connected();
      assert.notEqual(chat.id, id);
    });

    test("a namespace that is not configured is refused and hurts no other", async () => {
      const main = await world.connect(mode).connected();
      const error = await main.of("/nowhere").refused();
      assert.equal(error.message, "Invalid namespace");
      assert.equal(error.data, undefined);
      await main.of("/chat").connected();
      assert.ok(main.socket.connected);
    });

    test("a client need not enter the main namespace", async () => {
      const news = await world.connect(mode, { namespace: "/news" }).connected();
      assert.deepEqual((await world.control.listSockets({ namespace: "/news", sockets: [news.id] })).map(({ id }) => id), [news.id]);
    });

    test("heartbeats keep a silent client", async () => {
      const client = await world.connect(mode).settled(mode);
      await heartbeats(client, 5);
      await world.control.tell({ sockets: [client.id] }, "hello");
      await client.next("hello");
    });
  });
}

test("a client that enters no namespace in time is sent away", async () => {
  const manager = new Manager(world.service.url, { transports: ["websocket"], reconnection: false });
  const reason = await within(new Promise((resolve) => manager.once("close", resolve)), "the connection to be closed");
  assert.equal(reason, "transport close");
});

test("a client that entered a namespace in time may stay, whatever else it is refused", async () => {
  const main = await world.connect(websocket).connected();
  await main.of("/nowhere").refused();
  // Five heartbeats take longer than a client may be in no namespace.
  await heartbeats(main, 5);
});

test("two hundred clients come at once", async () => {
  const all = Array.from({ length: 200 }, (_, i) => world.connect([polling, websocket, upgrading][i % 3]));
  await Promise.all(all.map((client) => client.connected()));
  assert.equal(new Set(all.map(({ id }) => id)).size, 200);
  const { count } = await world.control.countSockets({ target: { sockets: all.map(({ id }) => id) } });
  assert.equal(count, 200);
});
