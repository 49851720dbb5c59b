// Acknowledgements, in both directions.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { modes, polling, websocket } from "./support/clients.mjs";
import { failsWith } from "./support/status.mjs";
import { World } from "./support/world.mjs";

const world = World.forThisFile({ maxPendingAcks: 4, maxPayload: "8MiB" });

const seconds = (n) => ({ seconds: Math.trunc(n), nanos: Math.round((n % 1) * 1e9) });
const place = (num) => ({ _placeholder: true, num });
const byId = (answers) => new Map(answers.map((answer) => [answer.socketId, answer]));

for (const mode of modes) {
  describe(mode.name, () => {
    const settled = () => world.connect(mode).settled(mode);

    test("a client asks and a service answers", async () => {
      const watch = await world.watch();
      const client = await settled();
      const answer = client.socket.timeout(15_000).emitWithAck("sum", 1, 2);
      const { arguments: text, ackToken } = await watch.received(client.id, "sum");
      assert.equal(text, "[1,2]");
      assert.notEqual(ackToken, "");
      await world.control.reply({ ackToken, arguments: '[{"sum":3}]' });
      assert.deepEqual(await answer, { sum: 3 });
    });

    test("a client asks with binary and is answered with binary and several arguments", async () => {
      const watch = await world.watch();
      const client = await settled();
      const answer = new Promise((resolve) => client.socket.emit("crop", { image: Buffer.from("abc") }, (...args) => resolve(args)));
      const { arguments: text, attachments, ackToken } = await watch.received(client.id, "crop");
      assert.equal(text, JSON.stringify([{ image: place(0) }]));
      assert.deepEqual(attachments, [Buffer.from("abc")]);
      await world.control.reply({ ackToken, arguments: JSON.stringify([null, { deep: [place(0)] }, "ok"]), attachments: [Buffer.from("b")] });
      assert.deepEqual(await answer, [null, { deep: [Buffer.from("b")] }, "ok"]);
    });

    test("a client asks and is answered with nothing", async () => {
      const watch = await world.watch();
      const client = await settled();
      const answer = new Promise((resolve) => client.socket.emit("done?", (...args) => resolve(args)));
      const { ackToken } = await watch.received(client.id, "done?");
      await world.control.reply({ ackToken });
      assert.deepEqual(await answer, []);
    });

    test("a question of a client is answered once", async () => {
      const watch = await world.watch();
      const client = await settled();
      const answer = client.ask("once");
      const { ackToken } = await watch.received(client.id, "once");
      await world.control.reply({ ackToken, arguments: '["first"]' });
      await failsWith(world.control.reply({ ackToken, arguments: '["second"]' }), { code: "FAILED_PRECONDITION", reason: "ACK_UNKNOWN" });
      assert.equal(await answer, "first");
    });

    test("a client that nobody answers gives up by itself and takes no harm from a late answer", async () => {
      const watch = await world.watch();
      const client = await settled();
      await assert.rejects(client.socket.timeout(50).emitWithAck("anyone?"), /operation has timed out/);
      const { ackToken } = await watch.received(client.id, "anyone?");
      await world.control.reply({ ackToken, arguments: '["late"]' });
      await world.control.tell({ sockets: [client.id] }, "after");
      await client.next("after");
    });

    test("answers may come in any order", async () => {
      const watch = await world.watch();
      const client = await settled();
      const answers = ["a", "b", "c"].map((name) => client.ask(name));
      const tokens = [];
      for (const name of ["a", "b", "c"]) tokens.push((await watch.received(client.id, name)).ackToken);
      for (const i of [2, 0, 1]) await world.control.reply({ ackToken: tokens[i], arguments: `[${i}]` });
      assert.deepEqual(await Promise.all(answers), [0, 1, 2]);
    });

    test("a service asks one client", async () => {
      const client = await settled();
      const call = world.control.emitWithAck({ target: { sockets: [client.id] }, event: "name?", arguments: '["please"]', timeout: seconds(15) });
      const { args, ack } = await client.next("name?");
      assert.deepEqual(args, ["please"]);
      ack("ann", { age: 42 });
      ack("bob"); // the stock client says it twice; the second counts for nothing
      const { answers, summary } = await call;
      assert.deepEqual(answers, [{ socketId: client.id, arguments: '["ann",{"age":42}]', attachments: [] }]);
      assert.deepEqual(summary, { matched: 1, answered: 1, timedOut: 0, disconnected: 0, oversized: 0 });
    });

    test("a client answers with binary, and with nothing", async () => {
      const client = await settled();
      const ask = (event) => world.control.emitWithAck({ target: { sockets: [client.id] }, event, timeout: seconds(15) });
      const picture = ask("picture?");
      (await client.next("picture?")).ack({ data: Buffer.from([0, 255]) }, "png");
      const [answer] = (await picture).answers;
      assert.equal(answer.arguments, JSON.stringify([{ data: place(0) }, "png"]));
      assert.deepEqual(answer.attachments, [Buffer.from([0, 255])]);

      const nothing = ask("nothing?");
      (await client.next("nothing?")).ack();
      assert.equal((await nothing).answers[0].arguments, "[]");
    });
  });
}

describe("a service asks many clients", () => {
  test("each that answers is heard, and the others are accounted for", async () => {
    const watch = await world.watch();
    const [first, second, silent, leaving, outside] = await Promise.all(
      [websocket, polling, websocket, websocket, websocket].map((mode) => world.connect(mode).connected()));
    const asked = [first, second, silent, leaving];
    await world.control.joinRooms({ target: { sockets: asked.map(({ id }) => id) }, rooms: ["asked"] });

    const call = world.control.emitWithAck({ target: { rooms: ["asked"] }, event: "ready?", timeout: seconds(1) });
    const questions = await Promise.all(asked.map((client) => client.next("ready?")));
    questions[0].ack("yes");
    questions[1].ack("no");
    leaving.close();
    await watch.disconnected(leaving.id);

    const { answers, summary } = await call;
    assert.deepEqual(summary, { matched: 4, answered: 2, timedOut: 1, disconnected: 1, oversized: 0 });
    const heard = byId(answers);
    assert.equal(heard.get(first.id).arguments, '["yes"]');
    assert.equal(heard.get(second.id).arguments, '["no"]');
    assert.deepEqual(outside.events.rest, []);

    questions[2].ack("too late"); // which closes nothing
    await world.control.tell({ sockets: [silent.id] }, "after");
    await silent.next("after");
  });

  test("an empty room has answered at once", async () => {
    const { answers, summary } = await world.control.emitWithAck({ target: { rooms: ["nobody"] }, event: "ready?", timeout: seconds(60) });
    assert.deepEqual(answers, []);
    assert.deepEqual(summary, { matched: 0, answered: 0, timedOut: 0, disconnected: 0, oversized: 0 });
  });

  test("answers are streamed as they come", async () => {
    const clients = await Promise.all([websocket, websocket].map((mode) => world.connect(mode).connected()));
    const target = { sockets: clients.map(({ id }) => id) };
    const calls = [1, 2, 3].map((n) => world.control.emitWithAck({ target, event: "n?", arguments: `[${n}]`, timeout: seconds(15) }));
    for (const client of clients) {
      for (let i = 0; i < 3; i++) {
        const { args, ack } = await client.next("n?");
        ack(args[0] * 10);
      }
    }
    const results = await Promise.all(calls);
    for (const [i, { answers, summary }] of results.entries()) {
      assert.deepEqual(answers.map((answer) => answer.arguments), [`[${(i + 1) * 10}]`, `[${(i + 1) * 10}]`]);
      assert.equal(summary.answered, 2);
    }
  });
});

test("an answer that is too large to pass on is counted, and does no harm", async () => {
  const client = await world.connect(websocket).connected();
  const ask = () => world.control.emitWithAck({ target: { sockets: [client.id] }, event: "how much?", timeout: seconds(15) });
  const tooMuch = ask();
  (await client.next("how much?")).ack("x".repeat(4 << 20));
  assert.deepEqual(await tooMuch, { answers: [], summary: { matched: 1, answered: 0, timedOut: 0, disconnected: 0, oversized: 1 } });
  const enough = ask();
  (await client.next("how much?")).ack("x".repeat(2 << 20));
  assert.equal((await enough).summary.answered, 1);
});

test("only so many questions of one client stay open; the oldest is forgotten", async () => {
  const watch = await world.watch();
  const client = await world.connect(websocket).connected();
  const tokens = [];
  for (let i = 0; i < 5; i++) {
    client.socket.emit("q", i, () => {});
    tokens.push((await watch.received(client.id, "q")).ackToken);
  }
  await failsWith(world.control.reply({ ackToken: tokens[0] }), { code: "FAILED_PRECONDITION", reason: "ACK_UNKNOWN" });
  for (const ackToken of tokens.slice(1)) await world.control.reply({ ackToken });
});

test("what cannot be answered is refused", async () => {
  const watch = await world.watch();
  const client = await world.connect(websocket).connected();
  client.socket.emit("q", () => {});
  const { ackToken } = await watch.received(client.id, "q");
  await failsWith(world.control.reply({ ackToken: "", arguments: "{}" }), { code: "INVALID_ARGUMENT", fields: ["ack_token", "arguments"] });
  await failsWith(world.control.reply({ ackToken: "nonsense" }), { code: "INVALID_ARGUMENT", fields: ["ack_token"] });
  await failsWith(world.control.emitWithAck({ target: {}, event: "q", timeout: seconds(0) }), { code: "INVALID_ARGUMENT", fields: ["timeout"] });
  await failsWith(world.control.emitWithAck({ target: {}, event: "q", timeout: seconds(301) }), { code: "INVALID_ARGUMENT", fields: ["timeout"] });
  client.close();
  await watch.disconnected(client.id);
  await failsWith(world.control.reply({ ackToken }), { code: "NOT_FOUND", reason: "SOCKET_NOT_FOUND" });
});
