// WebTransport: the stock client in a real browser, alone and after an upgrade from polling (PROTOCOL 1.10).

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";

import { launch } from "./support/browser.mjs";
import { websocket } from "./support/clients.mjs";
import { within } from "./support/inbox.mjs";
import { fixedAddresses } from "./support/service.mjs";
import { Certificate, Guest, modes } from "./support/webtransport.mjs";
import { World } from "./support/world.mjs";

const certificate = new Certificate();
// A client that polls looks for WebTransport under the same host and port: the one is TCP, the other UDP.
const { listen } = await fixedAddresses();
const world = World.forThisFile({
  listen, webtransportListen: listen, webtransportCert: certificate.cert, webtransportKey: certificate.key, transports: "polling,websocket,webtransport",
  // A page that is closed says good-bye as a rule, not always: then the heartbeat notices.
  pingInterval: "2s", pingTimeout: "3s", maxPayload: 1_000_000, watchBuffer: "64MiB",
});

let browser;
let guests = [];

before(async () => {
  browser = await launch();
});

afterEach(() => {
  const complaints = guests.flatMap((guest) => guest.complaints);
  guests = [];
  assert.deepEqual(complaints, [], "the pages complained");
});

after(async () => {
  await browser?.close();
  certificate.remove();
});

/** visit opens a page that connects in this mode. */
async function visit(mode, options) {
  const guest = world.adopt(await Guest.open(browser, world.service.url, certificate, { transports: mode.transports, ...options }));
  guests.push(guest);
  return guest;
}

/** bytes makes a Buffer in which every part is different. */
const bytes = (length) => Buffer.from(Uint32Array.from({ length: Math.ceil(length / 4) }, (_, i) => i * 2654435761).buffer, 0, length);
const place = (num) => ({ _placeholder: true, num });

for (const mode of modes) {
  describe(mode.name, () => {
    const settled = async () => (await visit(mode)).settled();

    test("a service sees who connects", async () => {
      const watch = await world.watch();
      const guest = await settled();
      const { handshake } = (await watch.connected(guest.id)).socket;
      assert.equal(handshake.address, "127.0.0.1");
      assert.equal(handshake.secure, mode.transports[0] === "webtransport");
    });

    test("text goes both ways, byte for byte", async () => {
      const watch = await world.watch();
      const guest = await settled();
      const args = ["wörld 🎉", { b: [1, 2.5, { deep: null }], a: true }, "\u2028 <b>&amp;", ""];
      await guest.emit("hello", ...args);
      assert.equal((await watch.received(guest.id, "hello")).arguments, JSON.stringify(args));
      await world.control.tell({ sockets: [guest.id] }, "news", args);
      assert.deepEqual((await guest.next("news")).args, args);
    });

    test("binary goes both ways, however deep it is", async () => {
      const watch = await world.watch();
      const guest = await settled();
      const [one, two] = [bytes(1), bytes(70_000)];
      await guest.emit("picture", { name: "a.png", parts: [one, { deeper: two }] }, "after");
      const { arguments: text, attachments } = await watch.received(guest.id, "picture");
      assert.deepEqual(JSON.parse(text), [{ name: "a.png", parts: [place(0), { deeper: place(1) }] }, "after"]);
      assert.deepEqual(attachments, [one, two]);

      const down = JSON.stringify([{ parts: [place(1), { deeper: place(0) }] }, place(2)]);
      await world.control.emit({ target: { sockets: [guest.id] }, event: "picture", arguments: down, attachments: [one, two, Buffer.alloc(0)] });
      assert.deepEqual((await guest.next("picture")).args, [{ parts: [two, { deeper: one }] }, Buffer.alloc(0)]);
    });

    test("both sides are answered", async () => {
      const watch = await world.watch();
      const guest = await settled();
      const answer = guest.ask("sum", 1, bytes(3));
      const { arguments: text, attachments, ackToken } = await watch.received(guest.id, "sum");
      assert.deepEqual([text, attachments], [JSON.stringify([1, place(0)]), [bytes(3)]]);
      await world.control.reply({ ackToken, arguments: JSON.stringify(["ok", place(0)]), attachments: [bytes(5)] });
      assert.deepEqual(await answer, ["ok", bytes(5)]);

      const { answers, summary } = await world.control.emitWithAck({ target: { sockets: [guest.id] }, event: "echo", arguments: '["x",1]' });
      assert.deepEqual(answers.map((one) => JSON.parse(one.arguments)), [["x", 1]]);
      assert.equal(summary.answered, 1);
    });

    test("large messages go both ways", async () => {
      const watch = await world.watch();
      const guest = await settled();
      const text = "0123456789abcdef".repeat(50_000);
      await guest.emit("large", text);
      assert.equal((await watch.received(guest.id, "large")).arguments, JSON.stringify([text]));
      await world.control.tell({ sockets: [guest.id] }, "large", [text]);
      assert.deepEqual((await guest.next("large")).args, [text]);
      await world.control.emit({ target: { sockets: [guest.id] }, event: "blob", arguments: JSON.stringify([place(0)]), attachments: [bytes(900_000)] });
      assert.deepEqual((await guest.next("blob")).args, [bytes(900_000)]);
    });

    test("a message over the limit ends the session, and nothing else", async () => {
      const watch = await world.watch();
      const guest = await settled();
      const other = await world.connect(websocket).connected();
      await guest.emit("too large", "x".repeat(1_000_001));
      assert.match(await guest.disconnected(), /^transport (close|error)$/);
      assert.match((await watch.disconnected(guest.id)).reason, /^(PARSE_ERROR|TRANSPORT_ERROR)$/);
      await world.control.tell({ sockets: [other.id] }, "still here");
      await other.next("still here");
    });

    test("many messages keep their order, both ways at once", async () => {
      const COUNT = 3000;
      const watch = await world.watch({ kinds: ["EVENT_KIND_RECEIVED"], eventNames: ["n"] });
      const guest = await visit(mode);
      await guest.connected(); // an upgrade is still to come
      const down = (async () => {
        for (let i = 0; i < COUNT; i++) await world.control.tell({ sockets: [guest.id] }, "m", [i]);
      })();
      await guest.count("n", COUNT);
      for (let i = 0; i < COUNT; i++) assert.equal((await watch.received(guest.id, "n")).arguments, `[${i}]`);
      await down;
      for (let i = 0; i < COUNT; i++) assert.deepEqual((await guest.next("m")).args, [i]);
      await guest.carried();
    });

    test("rooms are shared with clients of other transports", async () => {
      const guest = await settled();
      const other = await world.connect(websocket).connected();
      await world.control.joinRooms({ target: { sockets: [guest.id, other.id] }, rooms: ["mixed"] });
      await world.control.tell({ rooms: ["mixed"] }, "hello", [1]);
      assert.deepEqual((await guest.next("hello")).args, [1]);
      assert.deepEqual((await other.next("hello")).args, [1]);
    });

    test("a page disconnects", async () => {
      const watch = await world.watch();
      const guest = await settled();
      await guest.emit("before");
      await watch.received(guest.id, "before");
      await guest.disconnect();
      assert.equal(await guest.disconnected(), "io client disconnect");
      assert.match((await watch.disconnected(guest.id)).reason, /^(CLIENT_DISCONNECT|TRANSPORT_CLOSE)$/);
    });

    test("a page is closed", async () => {
      const watch = await world.watch();
      const guest = await settled();
      await guest.page.close();
      assert.match((await watch.disconnected(guest.id)).reason, /^(TRANSPORT_(CLOSE|ERROR)|PING_TIMEOUT)$/);
    });

    test("a service disconnects, and everything that it said before arrives", async () => {
      const watch = await world.watch();
      const guest = await settled();
      for (let i = 0; i < 500; i++) await world.control.tell({ sockets: [guest.id] }, "n", [i, "x".repeat(500)]);
      await world.control.disconnectSockets({ target: { sockets: [guest.id] }, closeConnection: true });
      assert.equal(await guest.disconnected(), "io server disconnect");
      for (let i = 0; i < 500; i++) assert.equal((await guest.next("n")).args[0], i);
      assert.equal((await watch.disconnected(guest.id)).reason, "SERVER_DISCONNECT");
      await within(guest.page.waitForFunction(() => window.socket.io.engine?.readyState === "closed"), "the connection to be closed");
    });
  });
}

test("a service that refuses its handshake keeps a page out, at once, and is not asked about an upgrade", async () => {
  const decide = ({ subject, handshake }) => (subject === "handshake" && handshake.transport === "webtransport" ? { refuse: { message: "no" } } : { accept: {} });
  const admission = await world.admit([], decide, { handshakes: true });
  const guest = await visit(modes[0]);
  assert.equal(await guest.refused(), "webtransport error");
  await (await visit(modes[1])).settled();
  const asked = admission.questions.rest.filter(({ subject }) => subject === "handshake").map(({ handshake }) => handshake.transport);
  assert.deepEqual(asked, ["webtransport", "polling"]);
});

test("a page that knows another certificate is not let in by its own browser", async () => {
  const other = new Certificate();
  try {
    const guest = world.adopt(await Guest.open(browser, world.service.url, other, { transports: ["webtransport"] }));
    assert.equal(await guest.refused(), "webtransport error");
  } finally {
    other.remove();
  }
});

test("nothing is served under another path", async () => {
  const guest = await visit(modes[0], { path: "/elsewhere/" });
  assert.equal(await guest.refused(), "webtransport error");
});
