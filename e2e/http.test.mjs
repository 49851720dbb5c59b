// Services that have no gRPC: fetch, as a script has it, and stock clients on the other side.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";

import { launch } from "./support/browser.mjs";
import { modes, websocket } from "./support/clients.mjs";
import { Inbox } from "./support/inbox.mjs";
import { Service } from "./support/service.mjs";
import { World } from "./support/world.mjs";

const world = World.forThisFile({ httpListen: "127.0.0.1:0", namespaces: "/,/chat" });

const json = { "content-type": "application/json" };
const url = (path, service = world.service) => `http://${service.http}${path}`;

/** post sends a request as JSON and resolves to {status, body}. */
async function post(path, body, { headers = {}, service = world.service } = {}) {
  const response = await fetch(url(path, service), { method: "POST", headers: { ...json, ...headers }, body: JSON.stringify(body) });
  return { status: response.status, body: await response.json() };
}

async function get(path) {
  const response = await fetch(url(path));
  return { status: response.status, body: await response.json() };
}

/** lines resolves, once the answer has begun, to an inbox of the objects on its lines. It is closed after the test. */
async function lines(path, options = {}) {
  const ending = new AbortController();
  world.adopt({ close: () => ending.abort() });
  const response = await fetch(url(path), { ...options, signal: ending.signal });
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("content-type"), "application/x-ndjson");
  const inbox = new Inbox(`the lines of ${path}`);
  readLines(response, inbox).catch((error) => inbox.fail(error));
  return { next: (match, what) => inbox.take(match, what), end: () => ending.abort() };
}

async function readLines(response, inbox) {
  let rest = "";
  for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop();
    for (const line of parts) inbox.push(JSON.parse(line));
  }
  inbox.push({ end: true });
}

/** watch resolves when the subscription stands. */
async function watch(path = "/v1/watch") {
  const stream = await lines(path);
  await stream.next(({ result }) => result?.opened, "the watch to stand");
  return {
    ...stream,
    received: async (socketId, name) => {
      const of = ({ result }) => result?.batch?.events.find((event) => event.socketId === socketId && event.received?.name === name);
      return of(await stream.next((line) => Boolean(of(line)), `${name} of ${socketId}`)).received;
    },
  };
}

for (const mode of modes) {
  describe(mode.name, () => {
    test("an event with text and bytes arrives", async () => {
      const client = await world.connect(mode).settled(mode);
      const { status, body } = await post("/v1/emit", {
        target: { sockets: [client.id] }, event: "news", arguments: JSON.stringify(["hé", { _placeholder: true, num: 0 }]), attachments: [Buffer.from("abc").toString("base64")],
      });
      assert.deepEqual([status, body], [200, { matched: 1, delivered: 1, replayed: false }]);
      assert.deepEqual((await client.next("news")).args, ["hé", Buffer.from("abc")]);
    });

    test("what a client says is watched and answered", async () => {
      const events = await watch("/v1/watch?namespace=/&kind=EVENT_KIND_RECEIVED");
      const client = await world.connect(mode).settled(mode);
      const answer = client.ask("sum", 1, 2);
      const { arguments: text, ackToken } = await events.received(client.id, "sum");
      assert.equal(text, "[1,2]");
      assert.equal((await post("/v1/reply", { ackToken, arguments: "[3]" })).status, 200);
      assert.equal(await answer, 3);
      const again = await post("/v1/reply", { ackToken, arguments: "[3]" });
      assert.deepEqual([again.status, again.body.details[0].reason], [400, "ACK_UNKNOWN"]);
    });

    test("a client is asked and answers", async () => {
      const client = await world.connect(mode).settled(mode);
      client.socket.on("ready?", (question, ack) => ack(`${question}!`));
      const stream = await lines("/v1/emit-with-ack", {
        method: "POST", headers: json, body: JSON.stringify({ target: { sockets: [client.id] }, event: "ready?", arguments: '["go"]', timeout: "15s" }),
      });
      const { result } = await stream.next(() => true, "the answer");
      assert.deepEqual([result.answer.socketId, result.answer.arguments], [client.id, '["go!"]']);
      const last = await stream.next(() => true, "the summary");
      assert.deepEqual(last.result.summary, { matched: 1, answered: 1, timedOut: 0, disconnected: 0, oversized: 0 });
      await stream.next(({ end }) => end, "the end");
    });
  });
}

test("rooms and sockets are seen and changed", async () => {
  const client = await world.connect(websocket, { namespace: "/chat" }).settled(websocket);
  const target = { namespace: "/chat", sockets: [client.id] };
  assert.deepEqual(await post("/v1/rooms:join", { target, rooms: ["a", "b"] }), { status: 200, body: { matched: 1 } });
  assert.deepEqual(await get("/v1/rooms?namespace=/chat"), { status: 200, body: { rooms: [{ name: "a", sockets: 1 }, { name: "b", sockets: 1 }], nextPageToken: "" } });
  assert.deepEqual(await get("/v1/sockets:count?namespace=/chat&room=a&exceptRoom=b"), { status: 200, body: { count: 0 } });
  assert.equal((await post("/v1/sockets:update", { target, data: '{"plan":"pro"}' })).status, 200);
  const { socket } = (await get(`/v1/sockets/${client.id}?namespace=/chat`)).body;
  assert.deepEqual([socket.id, socket.rooms.sort(), socket.data], [client.id, ["a", "b"], '{"plan":"pro"}']);
  const listed = await lines("/v1/sockets?namespace=/chat&room=b");
  assert.equal((await listed.next(() => true, "the socket")).result.sockets[0].id, client.id);
  assert.equal((await post("/v1/rooms:leave", { target, rooms: ["a"] })).body.matched, 1);
  assert.deepEqual(await post("/v1/sockets:disconnect", { target }), { status: 200, body: { matched: 1 } });
  assert.equal((await client.disconnected()).reason, "io server disconnect");
});

test("what is wrong is told as it is over gRPC", async () => {
  const wrong = await post("/v1/emit", { target: { rooms: [""] }, event: "connect" });
  assert.deepEqual([wrong.status, wrong.body.code], [400, 3]);
  assert.deepEqual(wrong.body.details[0].fieldViolations.map(({ field }) => field), ["event", "target.rooms[0]"]);
  assert.equal((await post("/v1/emit", { target: {}, evnt: "e" })).body.message, "evnt: there is no such field");
  assert.equal((await get("/v1/nothing")).status, 404);
  const text = await fetch(url("/v1/emit"), { method: "POST", body: "{}" });
  assert.equal(text.status, 415);
});

test("a page of another origin reaches nothing, whatever it tries", async () => {
  const browser = world.adopt(await launch());
  const client = await world.connect(websocket).settled(websocket);
  const page = await (await browser.newContext()).newPage();
  await page.goto(`${world.service.url}/socket.io/socket.io.js`); // any page of another origin
  const body = JSON.stringify({ target: {}, event: "stolen" });
  const tries = await page.evaluate(async ({ emit, rooms, watch, body }) => {
    const outcome = (url, init) => fetch(url, init).then((response) => `${response.type} ${response.status}`, (error) => error.name);
    // A form, which no script can look at the answer of.
    const form = Object.assign(document.createElement("form"), { action: emit, method: "post", enctype: "text/plain", target: "away" });
    const frame = Object.assign(document.createElement("iframe"), { name: "away" });
    document.body.append(frame, form);
    form.append(Object.assign(document.createElement("input"), { name: body.slice(0, -1) + ',"x":"', value: '"}' }));
    const answered = new Promise((resolve) => frame.addEventListener("load", resolve));
    form.submit();
    await answered;
    return [
      await outcome(emit, { method: "POST", headers: { "content-type": "application/json" }, body }),
      await outcome(emit, { method: "POST", mode: "no-cors", headers: { "content-type": "application/json" }, body }),
      await outcome(emit, { method: "POST", body }),
      String(navigator.sendBeacon(emit, new Blob([body], { type: "text/plain" }))),
      await outcome(rooms),
      await outcome(watch, { mode: "no-cors" }), // a stream that were taken would not end
    ];
  }, { emit: url("/v1/emit"), rooms: url("/v1/rooms"), watch: url("/v1/watch"), body });
  assert.deepEqual(tries, ["TypeError", "opaque 0", "TypeError", "true", "TypeError", "opaque 0"]);
  const metrics = await (await fetch(`http://${world.service.admin}/metrics`)).text();
  const watches = metrics.match(/^realtime_watchers(?:\{[^}]*\})? (\d+)$/m);
  await world.control.tell({ sockets: [client.id] }, "end");
  await client.next("end");
  assert.deepEqual(client.events.rest, []);
  assert.equal(watches?.[1], "1", "only the ledger of this file watches");
});

test("a token opens, and a watch ends when the service does", async () => {
  const folder = mkdtempSync(join(tmpdir(), "http-"));
  after(() => rmSync(folder, { recursive: true }));
  const tokens = join(folder, "tokens.yaml");
  writeFileSync(tokens, "- {name: cron, token: the-token-of-cron, methods: [Emit, Watch]}\n", { mode: 0o600 });
  const service = await Service.start({ httpListen: "127.0.0.1:0", grpcTokens: tokens });
  try {
    const emit = { target: {}, event: "e" };
    const none = await post("/v1/emit", emit, { service });
    assert.deepEqual([none.status, none.body.details[0].reason], [401, "TOKEN_INVALID"]);
    const headers = { authorization: "Bearer the-token-of-cron" };
    assert.equal((await post("/v1/emit", emit, { service, headers })).status, 200);
    const more = await post("/v1/rooms:join", { target: {}, rooms: ["a"] }, { service, headers });
    assert.deepEqual([more.status, more.body.details[0].reason], [403, "METHOD_NOT_ALLOWED"]);

    const response = await fetch(url("/v1/watch", service), { headers });
    const text = response.text();
    const { code } = await service.terminate();
    assert.equal(code, 0);
    const [first, last] = (await text).trim().split("\n").map((line) => JSON.parse(line));
    assert.ok(first.result.opened);
    assert.deepEqual([last.error.code, last.error.details[0].reason], [14, "SHUTTING_DOWN"]);
  } finally {
    await service.close();
  }
});
