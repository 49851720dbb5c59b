// Whatever comes to the ports, the answer is exact or the connection is closed, and nobody else suffers.

import assert from "node:assert/strict";
import { createCipheriv } from "node:crypto";
import { before, beforeEach, describe, test } from "node:test";

import { Bystander } from "./support/bystander.mjs";
import { modes, websocket } from "./support/clients.mjs";
import { frame, head, opcode, Raw, RawWebSocket, upgrade } from "./support/raw.mjs";
import { comesBack, usage } from "./support/usage.mjs";
import { World } from "./support/world.mjs";

/** How much more memory the process may hold afterwards, in bytes. */
const SLACK = 48 << 20;
/** How long a client may be in no namespace, in ms. */
const CONNECT_TIMEOUT = 2_000;

const world = World.forThisFile({ httpListen: "127.0.0.1:0", headTimeout: "1s", maxPayload: 100_000, connectTimeout: `${CONNECT_TIMEOUT}ms` });

/** noise is reproducible: the same seed gives the same bytes. */
function noise(seed, length) {
  return createCipheriv("aes-128-ctr", Buffer.alloc(16, seed), Buffer.alloc(16)).update(Buffer.alloc(length));
}

const open = async (address = world.service.edge) => world.adopt(await Raw.open(address));
const openWebSocket = async (path, headers) => world.adopt(await RawWebSocket.open(world.service.edge, path, headers));

let held;

before(async () => {
  await world.started;
  const { fds } = usage(world.service.pid);
  // One round of everything first, so that memory that is taken once is not counted.
  await Promise.all(modes.map((mode) => world.connect(mode).settled(mode)));
  await world.settled();
  held = { fds, rss: usage(world.service.pid).rss };
});
beforeEach(() => Promise.all(modes.map((mode) => Bystander.begin(world, mode))));

describe("HTTP", () => {
  /** answer resolves to {status, headers, body} of one request on a connection of its own. */
  async function answer(method, path, { headers, body = "" } = {}) {
    const raw = await open();
    await raw.sent(head(method, path, { connection: "close", ...(body ? { "content-length": Buffer.byteLength(body) } : {}), ...headers }));
    raw.send(body);
    const [start, ...rest] = (await raw.end()).toString("latin1").split("\r\n\r\n");
    const [line, ...lines] = start.split("\r\n");
    return {
      status: Number(line.split(" ")[1]),
      headers: Object.fromEntries(lines.map((one) => one.split(/:\s*/, 2)).map(([name, value]) => [name.toLowerCase(), value])),
      body: rest.join("\r\n\r\n"),
    };
  }

  /** session opens a polling session and resolves to its path. */
  async function session() {
    const response = await fetch(`${world.service.url}/socket.io/?EIO=4&transport=polling`);
    const { sid } = JSON.parse((await response.text()).slice(1));
    return `/socket.io/?EIO=4&transport=polling&sid=${sid}`;
  }

  const refusals = [
    ["GET", "/socket.io/?EIO=4", 0, "Transport unknown"],
    ["GET", "/socket.io/?EIO=4&transport=__proto__", 0, "Transport unknown"],
    ["GET", "/socket.io/?EIO=4&transport=webtransport", 0, "Transport unknown"],
    ["GET", "/socket.io/?EIO=4&transport=polling&sid=__proto__", 1, "Session ID unknown"],
    ["GET", `/socket.io/?EIO=4&transport=polling&sid=${"A".repeat(20)}`, 1, "Session ID unknown"],
    ["POST", "/socket.io/?EIO=4&transport=polling", 2, "Bad handshake method"],
    ["DELETE", "/socket.io/?EIO=4&transport=polling", 2, "Bad handshake method"],
    ["GET", "/socket.io/?EIO=4&transport=websocket", 3, "Bad request"],
    ["GET", "/socket.io/?EIO=3&transport=polling", 5, "Unsupported protocol version"],
    ["GET", "/socket.io/?transport=polling", 5, "Unsupported protocol version"],
  ];
  for (const [method, path, code, message] of refusals) {
    test(`${method} ${path} is refused with ${code}`, async () => {
      const { status, headers, body } = await answer(method, path);
      assert.equal(status, 400);
      assert.equal(headers["content-type"], "application/json");
      assert.match(body, new RegExp(`\\{"code":${code},"message":"${message}"\\}`));
    });
  }

  test("a refused upgrade says so in plain text", async () => {
    for (const [path, message] of [
      ["/socket.io/?EIO=4&transport=nothing", "Transport unknown"],
      ["/socket.io/?EIO=4&transport=websocket&sid=nobody", "Session ID unknown"],
      ["/socket.io/?EIO=3&transport=websocket", "Unsupported protocol version"],
    ]) {
      const raw = await open();
      raw.send(upgrade(path));
      const text = (await raw.end()).toString("latin1");
      assert.match(text, /^HTTP\/1\.1 400 Bad Request\r\n/);
      assert.match(text, /\r\nConnection: close\r\n/i);
      assert.match(text, /\r\nContent-type: text\/html/i);
      assert.ok(text.endsWith(`\r\n\r\n${message}`), text);
    }
  });

  test("a body of 10 MB is refused with 413 and the session stays", async () => {
    const path = await session();
    const raw = await open();
    raw.send(head("POST", path, { "content-length": 10 << 20 }));
    raw.send(noise("large", 10 << 20)); // as much of it as the service takes
    const text = await raw.received((bytes) => bytes.includes("\r\n\r\n") ? bytes.toString("latin1") : null);
    assert.match(text, /^HTTP\/1\.1 413 /);
    raw.close();
    const { status, body } = await answer("POST", path, { body: "40" });
    assert.deepEqual([status, body], [200, "ok"]);
    assert.match((await answer("GET", path)).body, /^40\{"sid":"[\w-]{20}"\}$/);
    await answer("POST", path, { body: "1" });
  });

  test("a body of 10 MB in chunks without an announced length is refused as well", async () => {
    const path = await session();
    const raw = await open();
    raw.send(head("POST", path, { "transfer-encoding": "chunked" }));
    const chunk = noise("chunk", 64 << 10);
    for (let i = 0; i < 160; i++) raw.send(Buffer.concat([Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from("\r\n")]));
    assert.match(await raw.received((bytes) => bytes.includes("\r\n\r\n") ? bytes.toString("latin1") : null), /^HTTP\/1\.1 413 /);
  });

  test("a body of exactly the limit is taken, one byte more is not", async () => {
    const path = await session();
    await answer("POST", path, { body: "40" });
    const message = (size) => `42["e","${"x".repeat(size - '42["e",""]'.length)}"]`;
    assert.equal((await answer("POST", path, { body: message(100_000) })).status, 200);
    assert.equal((await answer("POST", path, { body: message(100_001) })).status, 413);
    await answer("POST", path, { body: "1" });
  });

  test("10 MB to anywhere else does no harm", async () => {
    const raw = await open();
    raw.send(head("POST", "/elsewhere", { "content-length": 10 << 20 }));
    raw.send(noise("elsewhere", 10 << 20));
    assert.match(await raw.received((bytes) => bytes.includes("\r\n\r\n") ? bytes.toString("latin1") : null), /^HTTP\/1\.1 4\d\d /);
  });

  test("a flood of headers is refused or cut off", async () => {
    for (const flood of [
      `x: ${"y".repeat(5 << 20)}\r\n`, "a: b\r\n".repeat(500_000), "x".repeat(5 << 20), " folded\r\n".repeat(200_000), "\r\n".repeat(1 << 20),
    ]) {
      for (const start of ["GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nhost: x\r\n", "GET /elsewhere HTTP/1.1\r\nhost: x\r\n", "GET /"]) {
        const raw = await open();
        raw.send(start).send(flood);
        const text = (await raw.end()).toString("latin1");
        if (text) assert.match(text, /^HTTP\/1\.1 4\d\d /);
      }
    }
  });

  test("requests that cannot be read are refused or cut off", async () => {
    for (const bad of [
      "GET\r\n\r\n", "\0\0\0\0", "GET /socket.io/?EIO=4&transport=websocket HTTP/9.9\r\nhost: x\r\n\r\n",
      "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\n\r\n", "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
      "POST /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
      "POST /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\ncontent-length: 5\r\n\r\nabcd",
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n garbage that is no frame",
      "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", // the beginning of a TLS handshake
    ]) {
      const raw = await open();
      raw.send(Buffer.from(bad, "latin1"));
      const text = (await raw.end()).toString("latin1");
      if (text) assert.match(text, /^HTTP\/1\.1 (4\d\d|505) /, JSON.stringify(bad));
    }
  });
});

describe("WebSocket", () => {
  const violations = {
    "an unmasked frame": [1002, frame(opcode.text, "3", { mask: false })],
    "reserved bits": [1002, frame(opcode.text, "3", { rsv: 4 })],
    "a reserved type": [1002, frame(3, "3")],
    "a ping that is too long": [1002, frame(opcode.ping, "x".repeat(126))],
    "a ping in pieces": [1002, frame(opcode.ping, "x", { fin: false })],
    "a continuation of nothing": [1002, frame(opcode.continuation, "x")],
    "a new message within another": [1002, Buffer.concat([frame(opcode.text, "4", { fin: false }), frame(opcode.text, "4")])],
    "text that is not UTF-8": [1007, frame(opcode.text, Buffer.from([0x34, 0xff, 0xfe]))],
    "a frame that is too large": [1009, frame(opcode.text, "", { length: 100_001 })],
    "a frame of 4 EiB": [1009, frame(opcode.binary, "", { length: 2n ** 62n })],
    "a length that is not in its shortest form": [1002, Buffer.from([0x81, 0xfe, 0, 1, 0, 0, 0, 0, 0x33])],
    "a close frame of one byte": [1002, frame(opcode.close, "x")],
    "a message in pieces that is too large": [1009, Buffer.concat([
      frame(opcode.text, "4", { fin: false }), ...Array.from({ length: 101 }, () => frame(opcode.continuation, "x".repeat(1_000), { fin: false })),
    ])],
    "an unknown packet": [1005, frame(opcode.text, "x")],
    "no packet": [1005, frame(opcode.text, "")],
    "a ping of the wrong side": [1005, frame(opcode.text, "2")],
  };
  for (const [what, [code, bytes]] of Object.entries(violations)) {
    test(`${what} closes with ${code}, before and after a namespace is entered`, async () => {
      for (const inside of [false, true]) {
        const ws = await openWebSocket();
        if (inside) await ws.joined();
        ws.raw.send(bytes);
        assert.equal(await ws.closeCode(), code, inside ? "inside" : "outside");
        await ws.raw.end();
      }
    });
  }

  test("an event before the connect closes at once", async () => {
    for (const packet of ['42["e"]', '42/chat,["e"]', "41", '430["e"]', '451-["e",{"_placeholder":true,"num":0}]']) {
      const ws = await openWebSocket();
      await ws.nextText();
      const begin = performance.now();
      ws.text(packet);
      if (packet.startsWith("45")) ws.send(opcode.binary, "the attachment");
      assert.equal(await ws.closeCode(), 1005, packet);
      assert.ok(performance.now() - begin < CONNECT_TIMEOUT, packet);
      await ws.raw.end();
    }
  });

  test("a binary message that nothing announced closes", async () => {
    const ws = await openWebSocket();
    await ws.joined();
    ws.send(opcode.binary, "x");
    assert.equal(await ws.closeCode(), 1005);
  });

  test("frames that come one byte at a time are understood", async () => {
    const watch = await world.watch();
    const ws = await openWebSocket();
    const id = await ws.joined();
    for (const byte of frame(opcode.text, '42["slow",1]')) await ws.raw.sent(Buffer.from([byte]));
    assert.equal((await watch.received(id, "slow")).arguments, "[1]");
  });

  test("frames that are sent along with the upgrade are understood", async () => {
    const watch = await world.watch();
    const raw = await open();
    raw.send(Buffer.concat([Buffer.from(upgrade()), frame(opcode.text, "40"), frame(opcode.text, '42["early"]')]));
    await watch.take({ kind: "received" }, "early");
  });

  test("frames that break off end the session, and nothing of them is heard", async () => {
    const watch = await world.watch();
    const whole = frame(opcode.text, '42["cut off"]');
    for (const how of ["close", "reset"]) {
      for (const length of [1, 2, 5, whole.length - 1]) {
        const ws = await openWebSocket();
        const id = await ws.joined();
        await ws.raw.sent(whole.subarray(0, length));
        ws.raw[how]();
        assert.match((await watch.disconnected(id)).reason, /^TRANSPORT_(CLOSE|ERROR)$/);
      }
    }
    assert.deepEqual(watch.events.rest.filter(({ kind }) => kind === "received" && kind.received?.name === "cut off"), []);
  });

  test("attachments that are withheld are not waited for beyond the session", async () => {
    const watch = await world.watch();
    const ws = await openWebSocket();
    const id = await ws.joined();
    ws.text('452-["half",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]').send(opcode.binary, "one of two");
    await ws.text('42["in between"]').closeCode();
    assert.match((await watch.disconnected(id)).reason, /^FORCED_(SERVER_)?CLOSE$/);
  });

  test("a message may come in pieces, with others between them", async () => {
    const watch = await world.watch();
    const ws = await openWebSocket();
    const id = await ws.joined();
    const pieces = [...'42["pieces","äöü"]'].map((char, i) => frame(i ? opcode.continuation : opcode.text, char, { fin: false }));
    ws.raw.send(Buffer.concat([...pieces, frame(opcode.ping, "between"), frame(opcode.continuation, "")]));
    assert.deepEqual(await ws.next(), { op: opcode.pong, payload: Buffer.from("between") });
    assert.equal((await watch.received(id, "pieces")).arguments, '["äöü"]');
  });

  test("a flood of empty pieces closes", async () => {
    const ws = await openWebSocket();
    await ws.joined();
    const empty = frame(opcode.continuation, "", { fin: false });
    ws.raw.send(Buffer.concat([frame(opcode.text, "4", { fin: false }), ...new Array(100_000).fill(empty)]));
    assert.equal(await ws.closeCode(), 1009);
  });

  test("a peer that does not answer the close is not waited for much longer", async () => {
    const ws = await openWebSocket();
    ws.text("x");
    assert.equal(await ws.closeCode({ answer: false }), 1005);
    await ws.raw.end();
  });

  test("JSON that is nested without end closes", async () => {
    const ws = await openWebSocket();
    await ws.joined();
    ws.text(`42["deep",${"[".repeat(40_000)}${"]".repeat(40_000)}]`);
    assert.equal(await ws.closeCode(), 1005);
  });

  test("somebody who never enters a namespace is sent away", async () => {
    const ws = await openWebSocket();
    await ws.nextText();
    assert.equal(await ws.closeCode(), 1005);
  });
});

describe("many at once", () => {
  test("five hundred handshakes that stay half-open are cut off in time", async () => {
    const halves = await Promise.all(Array.from({ length: 500 }, async (_, i) => {
      const raw = await open();
      const whole = i % 2 ? upgrade() : head("GET", "/elsewhere");
      raw.send(whole.slice(0, i % whole.length));
      return raw;
    }));
    await Promise.all(halves.map((raw) => raw.end()));
  });

  test("three hundred connections of random bytes", async () => {
    await Promise.all(Array.from({ length: 300 }, async (_, i) => {
      const raw = await open();
      raw.send(noise(`edge ${i}`, 1 + (i * 37) % 5_000));
      const text = (await raw.end()).toString("latin1");
      if (text) assert.match(text, /^HTTP\/1\.1 400 /, `seed ${i}`);
    }));
  });

  test("three hundred WebSockets of random bytes", async () => {
    await Promise.all(Array.from({ length: 300 }, async (_, i) => {
      const ws = await openWebSocket();
      if (i % 2) await ws.joined();
      ws.raw.send(noise(`frames ${i}`, 1 + (i * 37) % 5_000));
      if (i % 3 === 0) ws.raw.reset();
      else ws.raw.close();
      await ws.raw.closed;
    }));
  });

  test("five hundred upgrades that break off", async () => {
    await Promise.all(Array.from({ length: 500 }, async (_, i) => {
      const raw = await open();
      await raw.sent(upgrade(i % 2 ? "/socket.io/?EIO=4&transport=websocket" : "/socket.io/?EIO=3&transport=websocket"));
      raw.reset();
    }));
  });

  test("a client that opens and leaves without end", async () => {
    for (let i = 0; i < 300; i++) {
      const client = world.connect(websocket);
      await client.connected();
      client.close();
    }
  });
});

describe("the other ports", () => {
  const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  const post = "POST /v1/emit HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 4000\r\n\r\n";
  for (const [port, beginning] of [["grpc", preface], ["admin", preface], ["http", post]]) {
    test(`random bytes on the ${port} port`, async () => {
      await Promise.all(Array.from({ length: 100 }, async (_, i) => {
        const raw = await open(world.service[port]);
        const start = i % 2 ? beginning : "";
        raw.send(Buffer.concat([Buffer.from(start), noise(`${port} ${i}`, 32 + (i * 37) % 5_000)]));
        if (i % 4 === 0) await raw.end();
        else raw.reset();
      }));
      await world.control.countSockets({ target: {} });
      assert.equal((await fetch(`http://${world.service.admin}/healthz`)).status, 200);
    });
  }

  test("a request to Socket.IO on the gRPC port, and gRPC's beginning on the edge", async () => {
    const { grpc, edge } = world.service;
    for (const [address, bytes] of [[grpc, head("GET", "/socket.io/?EIO=4&transport=polling")], [edge, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]]) {
      const raw = await open(address);
      raw.send(bytes);
      await raw.end();
    }
  });
});

test("afterwards the process holds what it held before", async (t) => {
  await world.settled();
  const now = await comesBack(world.service.pid, held, SLACK);
  t.diagnostic(`memory ${(held.rss / 2 ** 20).toFixed(1)} -> ${(now.rss / 2 ** 20).toFixed(1)} MiB, descriptors ${held.fds} -> ${now.fds}`);
  t.diagnostic(`the slowest round trip of a client beside took ${Math.round(Bystander.slowest)} ms`);
});
