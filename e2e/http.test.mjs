// The HTTP face with fetch, and the stock client at the other end.

import assert from "node:assert/strict";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { test } from "node:test";

import { io } from "socket.io-client";

import { fixedAddresses, Service } from "./support/service.mjs";
import { within } from "./support/inbox.mjs";

test("emit, ask, watch and answer with HTTP alone", async (t) => {
  const { listen: httpListen } = await fixedAddresses();
  const service = await Service.start({ httpListen });
  t.after(() => service.close());
  const at = (path) => `http://${httpListen}${path}`;
  const post = async (path, body) => {
    const answer = await fetch(at(path), { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
    return { status: answer.status, lines: (await answer.text()).trim().split("\n").map((line) => JSON.parse(line)) };
  };
  const quit = new AbortController();
  t.after(() => quit.abort());
  const stream = await fetch(at("/v1/watch?kinds=EVENT_KIND_RECEIVED&eventNames=order"), { signal: quit.signal });
  const lines = createInterface({ input: Readable.fromWeb(stream.body) })[Symbol.asyncIterator]();
  const next = async () => JSON.parse((await within(lines.next(), "a line")).value).result;
  assert.deepEqual(await next(), { opened: {} });

  const socket = io(service.url, { transports: ["websocket"] });
  t.after(() => socket.close());
  await within(new Promise((resolve) => socket.once("connect", resolve)), "the client");
  assert.deepEqual((await post("/v1/rooms:join", { target: { sockets: [socket.id] }, rooms: ["news"] })).lines, [{ matched: 1 }]);
  const heard = new Promise((resolve) => socket.once("headline", (...args) => resolve(args)));
  const emitted = await post("/v1/emit", { target: { rooms: ["news"] }, event: "headline", arguments: '["hello",{"_placeholder":true,"num":0}]', attachments: ["AQI="] });
  assert.deepEqual(emitted, { status: 200, lines: [{ matched: 1, delivered: 1, replayed: false }] });
  assert.deepEqual(await within(heard, "the headline"), ["hello", Buffer.from([1, 2])]);

  socket.on("question", (reply) => reply("yes"));
  const asked = await post("/v1/emit-with-ack", { target: { rooms: ["news"] }, event: "question", timeout: "5s" });
  assert.deepEqual(asked.lines.map(({ result }) => result.answer?.arguments ?? result.summary.answered), ['["yes"]', 1]);

  const answer = socket.timeout(5000).emitWithAck("order", 7);
  const [event] = (await next()).batch.events;
  assert.equal(event.received.arguments, "[7]");
  assert.equal((await post("/v1/reply", { ackToken: event.received.ackToken, arguments: '["done"]' })).status, 200);
  assert.equal(await answer, "done");

  const one = await (await fetch(at(`/v1/sockets/${socket.id}`))).json();
  assert.deepEqual(one.socket.rooms, ["news"]);
  assert.equal((await post("/v1/emit", { target: {}, event: "" })).status, 400);
});
