// Events up and down: text and binary, unchanged, in every mode.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { modes, polling, websocket } from "./support/clients.mjs";
import { failsWith } from "./support/status.mjs";
import { World } from "./support/world.mjs";

const world = World.forThisFile({ maxPayload: 1_000_000 });

/** bytes makes a Buffer in which every part is different. */
const bytes = (length) => Buffer.from(Uint32Array.from({ length: Math.ceil(length / 4) }, (_, i) => i * 2654435761).buffer, 0, length);

for (const mode of modes) {
  describe(mode.name, () => {
    const settled = () => world.connect(mode).settled(mode);

    test("an event comes up byte for byte", async () => {
      const watch = await world.watch({ eventNames: ["hello"] });
      const client = await settled();
      const args = ["wörld 🎉", { b: [1, 2.5, { deep: null }], a: true, 1: "one" }, 1e21, "\u2028 \ud800 <b>&amp;", -0, ""];
      client.emit("hello", ...args);

      const received = await watch.received(client.id, "hello");
      assert.equal(received.arguments, JSON.stringify(args));
      assert.deepEqual(received.attachments, []);
      assert.equal(received.nameIsNumber, false);
      assert.equal(received.ackToken, "");
    });

    test("an event without arguments has an empty list of them", async () => {
      const watch = await world.watch();
      const client = await settled();
      client.emit("nothing");
      assert.equal((await watch.received(client.id, "nothing")).arguments, "[]");
    });

    test("names may be numbers, empty, or anything that is not reserved", async () => {
      const watch = await world.watch({ kinds: ["EVENT_KIND_RECEIVED"] });
      const client = await settled();
      for (const name of ["error", "", "__proto__", 'a"b\\c\n', "ключ"]) {
        client.emit(name, 1);
        assert.equal((await watch.received(client.id, name)).nameIsNumber, false);
      }
      client.emit(42, 1);
      assert.equal((await watch.received(client.id, "42")).nameIsNumber, true);
    });

    test("an event goes down as it was written", async () => {
      const client = await settled();
      const text = '[ "wörld 🎉", {"b":[1, 2.5,{"deep":null}],"a":true, "__proto__":{"x":1}} , 1e400, "\\ud800\\u2028", 9007199254740993 ]';
      const { matched, delivered } = await world.control.emit({ target: { sockets: [client.id] }, event: "news", arguments: text });
      assert.deepEqual({ matched, delivered }, { matched: 1, delivered: 1 });
      assert.deepEqual((await client.next("news")).args, JSON.parse(text));
    });

    test("an event goes down without arguments, and with a name that needs escapes", async () => {
      const client = await settled();
      const name = 'quote " back\\slash \n 🎉 \u2028';
      await world.control.emit({ target: { sockets: [client.id] }, event: name });
      assert.deepEqual((await client.next(name)).args, []);
    });

    test("binary comes up, however deep it is", async () => {
      const watch = await world.watch();
      const client = await settled();
      const [one, two, empty] = [bytes(1), bytes(70_000), Buffer.alloc(0)];
      client.emit("picture", { name: "a.png", parts: [one, { deeper: two }] }, empty, "after");

      const { arguments: text, attachments } = await watch.received(client.id, "picture");
      const place = (num) => ({ _placeholder: true, num });
      assert.deepEqual(JSON.parse(text), [{ name: "a.png", parts: [place(0), { deeper: place(1) }] }, place(2), "after"]);
      assert.deepEqual(attachments, [one, two, empty]);
    });

    test("binary goes down, however deep it is, and twice where it is named twice", async () => {
      const client = await settled();
      const [one, two, empty] = [bytes(1), bytes(70_000), Buffer.alloc(0)];
      const text = '[{"parts":[{"_placeholder":true,"num":1},{"deeper":{"num":0,"_placeholder":true}}]},'
        + '{"_placeholder":true,"num":2},{"_placeholder":true,"num":1}]';
      await world.control.emit({ target: { sockets: [client.id] }, event: "picture", arguments: text, attachments: [one, two, empty] });
      assert.deepEqual((await client.next("picture")).args, [{ parts: [two, { deeper: one }] }, empty, two]);
    });

    test("text and binary events keep their order", async () => {
      const watch = await world.watch({ kinds: ["EVENT_KIND_RECEIVED"] });
      const client = await settled();
      for (let i = 0; i < 100; i++) {
        if (i % 3 === 0) client.emit("n", i, bytes(i + 1));
        else client.emit("n", i);
      }
      for (let i = 0; i < 100; i++) {
        const { arguments: text, attachments } = await watch.received(client.id, "n");
        assert.equal(JSON.parse(text)[0], i);
        assert.deepEqual(attachments, i % 3 === 0 ? [bytes(i + 1)] : []);
      }
      for (let i = 0; i < 100; i++) {
        const binary = i % 3 === 0;
        await world.control.emit({
          target: { sockets: [client.id] },
          event: "n",
          arguments: binary ? `[${i},{"_placeholder":true,"num":0}]` : `[${i}]`,
          attachments: binary ? [bytes(i + 1)] : [],
        });
      }
      for (let i = 0; i < 100; i++) assert.deepEqual((await client.next("n")).args, i % 3 === 0 ? [i, bytes(i + 1)] : [i]);
    });

    test("900 kB go up and down", async () => {
      const watch = await world.watch();
      const client = await settled();
      const text = "0123456789abcdef".repeat(900_000 / 16);
      client.emit("large", text);
      assert.equal((await watch.received(client.id, "large")).arguments, JSON.stringify([text]));
      await world.control.tell({ sockets: [client.id] }, "large", [text]);
      assert.deepEqual((await client.next("large")).args, [text]);

      // Over polling binary is base64 and may be that much less.
      const data = bytes(mode.carrier === "polling" ? 700_000 : 900_000);
      client.emit("large", data);
      assert.deepEqual((await watch.received(client.id, "large")).attachments, [data]);
      await world.control.emit({
        target: { sockets: [client.id] }, event: "large", arguments: '[{"_placeholder":true,"num":0}]', attachments: [bytes(900_000)],
      });
      assert.deepEqual((await client.next("large")).args, [bytes(900_000)]);
    });

    test("a thousand events at once, larger than what the kernel takes, all arrive", async () => {
      const client = await settled();
      const padding = "x".repeat(3_000);
      const emits = Array.from({ length: 1_000 }, (_, i) => world.control.tell({ sockets: [client.id] }, "n", [i, padding]));
      for (const { delivered } of await Promise.all(emits)) assert.equal(delivered, 1);
      const numbers = [];
      for (let i = 0; i < 1_000; i++) numbers.push((await client.next("n")).args[0]);
      assert.deepEqual(numbers.sort((a, b) => a - b), Array.from({ length: 1_000 }, (_, i) => i));
    });
  });
}

test("over WebSocket, a message above the limit closes the connection", async () => {
  const watch = await world.watch();
  const client = await world.connect(websocket).connected();
  client.emit("too large", "x".repeat(1_000_000));
  const { reason, details } = await client.disconnected();
  assert.equal(reason, "transport close");
  assert.equal(details.context.code, 1009);
  const { reason: told } = await watch.disconnected(client.id);
  assert.match(told, /^TRANSPORT_(CLOSE|ERROR)$/);
});

test("over polling, a request above the limit is refused with 413 and the client gives up", async () => {
  const watch = await world.watch();
  const client = await world.connect(polling).connected();
  client.emit("too large", "x".repeat(1_000_000));
  const { reason, details } = await client.disconnected();
  assert.equal(reason, "transport error");
  assert.equal(details.description, 413);
  const { reason: told } = await watch.disconnected(client.id);
  assert.match(told, /^TRANSPORT_(CLOSE|ERROR)$/);
});

test("events of clients can be filtered by kind, name and namespace", async () => {
  const client = await world.connect(websocket).connected();
  const all = await world.watch();
  const some = await world.watch({ namespaces: ["/"], kinds: ["EVENT_KIND_RECEIVED"], eventNames: ["b", "7"] });
  for (const name of ["a", "b", "c", 7]) client.emit(name);
  client.close();
  await all.disconnected(client.id);
  assert.deepEqual((await some.take({ socketId: client.id })).received.name, "b");
  assert.deepEqual((await some.take({ socketId: client.id })).received.name, "7");
  assert.deepEqual(some.events.rest, []);
});

test("what cannot be emitted is refused with the fields that are wrong", async () => {
  const refused = (request, ...fields) => failsWith(world.control.emit(request), { code: "INVALID_ARGUMENT", fields });
  for (const event of ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener", "", "x".repeat(257)]) {
    await refused({ target: {}, event }, "event");
  }
  for (const text of ["{}", "[", "[1,]", "1", "[1]x", "[\u0001]", "[".repeat(65) + "]".repeat(65)]) {
    await refused({ target: {}, event: "e", arguments: text }, "arguments");
  }
  for (const num of ["1", "-1", '"0"', "0.5", "null"]) {
    await refused({ target: {}, event: "e", arguments: `[{"_placeholder":true,"num":${num}}]`, attachments: [bytes(1)] }, "arguments");
  }
  await refused({ event: "e" }, "target");
  await refused({ target: { rooms: ["ok", ""] }, event: "connect" }, "target.rooms[1]", "event");
  await refused({ target: {}, event: "e", attachments: Array.from({ length: 11 }, () => bytes(1)) }, "attachments");
  await failsWith(world.control.emit({ target: { namespace: "/nowhere" }, event: "e" }), { code: "NOT_FOUND", reason: "NAMESPACE_NOT_FOUND" });
});
