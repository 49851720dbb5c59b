// PROTOCOL 1.1 to 1.5: requests, refusals, handshakes, polling, WebSocket.

import { constants, deflateRawSync, inflateRawSync } from "node:zlib";

import { frame, opcode, upgrade } from "../raw.mjs";
import { compare } from "./compare.mjs";
import { steady } from "./toolkit.mjs";

const UNKNOWN = "A".repeat(20);

compare("1.1 the path is matched as a prefix of the raw URL", "plain", async (t) => {
  for (const path of [
    "/socket.io/?EIO=4&transport=polling", "/socket.io/anything/at/all?EIO=4&transport=polling", "/socket.io?EIO=4&transport=polling",
    "/socket.iofoo/?EIO=4&transport=polling", "/Socket.IO/?EIO=4&transport=polling", "/", "/elsewhere", "//socket.io/?EIO=4&transport=polling",
    "/x/../socket.io/?EIO=4&transport=polling", "/socket%2eio/?EIO=4&transport=polling", "/socket.io/../x?EIO=4&transport=polling", "/socket.io//?EIO=4&transport=polling",
  ]) {
    const { status, body } = await t.get(path);
    t.note(path, status === 404 ? 404 : [status, body]);
  }
});

compare("1.1 without the trailing slash", "noSlash", async (t) => {
  for (const path of ["/socket.io?EIO=4&transport=polling", "/socket.io/?EIO=4&transport=polling", "/socket.io/more?EIO=4&transport=polling", "/socket.iofoo?EIO=4&transport=polling"]) {
    t.note(path, (await t.get(path)).status);
  }
});

compare("1.1 the last of several values of a query counts, and EIO counts as it is written", "plain", async (t) => {
  for (const query of [
    "EIO=4&transport=nothing&transport=polling", "EIO=4&transport=polling&transport=nothing", "EIO=3&EIO=4&transport=polling", "EIO=4&EIO=3&transport=polling",
    "EIO=04&transport=polling", "EIO=4.0&transport=polling", "EIO=%34&transport=polling", "EIO=&transport=polling", "eio=4&transport=polling",
    "EIO=4&transport=poll%69ng", "EIO=4;transport=polling", "EIO=4&transport=polling&t=abc&b64=1", "EIO=4&transport=polling&sid=",
    "EIO=4&transport=polling&%zz=1", "EIO=4&transport=Polling", "EIO=4&transport=polling+", "EIO=4&&transport=polling&",
  ]) {
    const { status, body } = await t.get(`/socket.io/?${query}`);
    t.note(query, [status, body]);
  }
});

compare("1.1 an upgrade request to elsewhere", "plain", async (t) => {
  const raw = await t.raw();
  raw.send(upgrade("/elsewhere"));
  const line = raw.received((bytes) => (bytes.includes("\r\n") ? bytes.toString("latin1").split("\r\n")[0] : null));
  t.note("answer", await line.catch((error) => (/connection ended/.test(error.message) ? "closed without one" : error.message)));
}, {
  answer: { why: "who asks in the wrong place is told so, at once instead of cut off after a second", reference: "closed without one", ours: "HTTP/1.1 404 Not Found" },
});

const refusals = [
  ["no transport", "EIO=4"], ["an unknown transport", "EIO=4&transport=nothing"], ["webtransport", "EIO=4&transport=webtransport"],
  ["constructor", "EIO=4&transport=constructor"], ["__proto__", "EIO=4&transport=__proto__"], ["toString", "EIO=4&transport=toString"],
  ["an unknown sid", `EIO=4&transport=polling&sid=${UNKNOWN}`], ["the sid __proto__", "EIO=4&transport=polling&sid=__proto__"],
  ["the sid constructor", "EIO=4&transport=polling&sid=constructor"], ["websocket without an upgrade", "EIO=4&transport=websocket"],
  ["revision 3", "EIO=3&transport=polling"], ["no revision", "transport=polling"], ["revision 5", "EIO=5&transport=polling"],
  ["an unknown transport and sid", `EIO=4&transport=nothing&sid=${UNKNOWN}`], ["revision 3 and an unknown sid", `EIO=3&transport=polling&sid=${UNKNOWN}`],
  ["revision 3 by websocket without an upgrade", "EIO=3&transport=websocket"],
];
for (const [what, query] of refusals) {
  compare(`1.2 ${what} is refused`, "plain", async (t) => {
    for (const method of ["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH"]) t.note(method, await t.request(method, `/socket.io/?${query}`, method === "POST" ? { body: "40" } : {}));
  });
}
compare("1.2 a handshake with another method is refused", "plain", async (t) => {
  for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH"]) t.note(method, await t.request(method, t.path(), method === "POST" ? { body: "40" } : {}));
});

const PLAIN = { "content-type": "text/html", connection: "close" };
const LATE = {
  why: "the reference finds out after the 101, and writes the text of a refusal into the WebSocket",
  reference: { status: 101, headers: {}, body: "" }, ours: { status: 400, headers: PLAIN, body: "Unsupported protocol version" },
};
const onUpgrade = refusals.filter(([what]) => !what.includes("websocket")).map(([what, query]) => [what, query.replace("transport=polling", "transport=websocket")]);
for (const [what, query] of onUpgrade) {
  compare(`1.2 ${what} on an upgrade request is refused in plain text`, "plain", async (t) => {
    t.note("answer", await t.refusedUpgrade(`/socket.io/?${query}`));
  }, /^(revision|no revision)/.test(what) && !what.includes("sid") ? { answer: LATE } : {});
}

compare("1.2 a transport that is not enabled is refused", "pollingOnly", async (t) => {
  t.note("upgrade", await t.refusedUpgrade(t.path("websocket")));
  t.note("get", await t.get(t.path("websocket")));
  t.note("open", (await t.session()).first);
}, {
  upgrade: {
    why: "without WebSocket the reference does not listen to upgrade requests at all, and Node hands them on as plain ones",
    reference: { status: 400, headers: { "content-type": "application/json" }, body: '{"code":0,"message":"Transport unknown"}' },
    ours: { status: 400, headers: PLAIN, body: "Transport unknown" },
  },
});
compare("1.2 polling that is not enabled is refused", "webSocketOnly", async (t) => {
  t.note("get", await t.get(t.path("polling")));
  t.note("open", steady((await t.webSocket()).open));
});

compare("1.2 characters that no Origin may have", "plain", async (t) => {
  for (const [what, origin] of [["ü", "https://ü.example"], ["a tab", "https://a\texample"]]) {
    t.note(what, await t.get(t.path(), { origin }));
    t.note(`${what} on upgrade`, await t.refusedUpgrade(t.path("websocket"), { origin }));
  }
  t.note("del", (await t.get(t.path(), { origin: "https://a\x7f.example" })).status); // refused below Socket.IO
  t.note("latin-1", await t.request("GET", t.path(), { headers: { origin: Buffer.from("https://é.example", "latin1").toString("latin1") } }));
});

compare("1.2 a sid is good for its own transport and revision only", "revision3", async (t) => {
  const session = await t.session();
  t.note("another transport", await t.get(t.path("websocket", { sid: session.sid })));
  t.note("another revision", await t.get(t.path("polling", { sid: session.sid, eio: 3 })));
  t.note("another revision on upgrade", await t.refusedUpgrade(t.path("websocket", { sid: session.sid, eio: 3 })));
  t.note("still", await t.alive(session));
  const ws = await t.webSocket();
  const sid = JSON.parse(ws.open.slice(1)).sid;
  t.note("polling with the sid of a WebSocket", await t.get(t.path("polling", { sid })));
  ws.text("40");
  t.note("the WebSocket", await t.frames(ws, 1));
});

compare("1.2 an upgrade to a transport that cannot", "plain", async (t) => {
  const ws = await t.webSocket({ path: t.path("polling"), open: false });
  t.note("status", ws.answer.split("\r\n")[0]);
  t.note("frames", await t.frames(ws));
});

compare("1.2 a broken WebSocket handshake", "plain", async (t) => {
  for (const [what, headers] of [
    ["version 12", { "sec-websocket-version": "12" }], ["no key", { "sec-websocket-key": "" }], ["a short key", { "sec-websocket-key": "abc" }],
    ["another protocol", { upgrade: "h2c" }],
  ]) {
    const { status } = await t.refusedUpgrade(t.path("websocket"), headers);
    t.note(what, status);
  }
});

compare("1.3 the open packet by polling", "plain", async (t) => {
  t.note("answer", (await t.session()).first);
  t.note("b64", (await t.session({ more: "&b64=1&t=abc" })).first);
  const { sid } = await t.session();
  t.note("length of the id", sid.length);
});
compare("1.3 the open packet by WebSocket", "plain", async (t) => {
  const ws = await t.webSocket();
  t.note("open", steady(ws.open));
  t.note("status", ws.answer.split("\r\n")[0]);
  t.note("cookie", /set-cookie/i.test(ws.answer));
});
compare("1.3 without upgrades none is offered", "noUpgrades", async (t) => t.note("answer", (await t.session()).first));

compare("1.4 a poll is answered with what waits, and waits for what comes", "plain", async (t) => {
  const session = await t.session();
  t.note("post", await t.post(session.path, "40"));
  const connect = await t.get(session.path);
  t.note("connect", connect);
  const waiting = await t.begin("GET", session.path);
  await t.post(session.path, "40/nowhere,");
  t.note("waited", await waiting.answer());
  await t.post(session.path, "40/nowhere,\x1e40/nowhere/too,");
  // The two answers come together or one after the other, as the scheduler pleases.
  let body = (await t.get(session.path)).body;
  if (!body.includes("too")) body += `\x1e${(await t.get(session.path)).body}`;
  t.note("two", body);
});

compare("1.4 binary is base64 whatever the client can take", "plain", async (t) => {
  for (const more of ["", "&b64=1"]) {
    const session = await t.session({ more });
    await t.post(session.path, "40");
    const { body } = await (await t.begin("GET", session.path)).answer({ plain: true });
    const socketId = JSON.parse(body.slice(2)).sid;
    await t.target.tell({ sockets: [socketId] }, "down", [Buffer.from([1, 2, 255])]);
    t.note(`down ${more}`, await t.get(session.path));
    await t.post(session.path, '451-["up",{"_placeholder":true,"num":0}]\x1ebAQL/');
    t.note(`up ${more}`, (await t.target.received(socketId, "up")).args);
  }
});

compare("1.4 a body in chunks, cut within a character", "plain", async (t) => {
  const session = await t.entered();
  const body = Buffer.from('42["up","ä😀"]');
  t.note("answer", await t.request("POST", session.path, { chunks: [...body].map((byte) => Buffer.from([byte])) }));
  t.note("heard", (await t.target.received(session.socketId, "up")).args);
});

compare("1.4 a body of octets", "plain", async (t) => {
  const session = await t.session();
  t.note("answer", await t.post(session.path, "40", { "content-type": "application/octet-stream" }));
  t.note("session", await t.alive(session));
});
compare("1.4 other types of body are text", "plain", async (t) => {
  for (const type of ["text/plain", "text/plain;charset=UTF-8", "application/json", "application/x-www-form-urlencoded", "application/octet-stream; charset=x"]) {
    const session = await t.session();
    t.note(type, await t.post(session.path, "40", { "content-type": type }));
    t.note(`${type}: session`, await t.alive(session));
  }
});

const LENIENT = "Node's decoder passes over what is not base64, and the message is then one too many; we say what it is";
compare("1.4 an unknown packet in a payload", "plain", async (t) => {
  for (const [what, body] of [["at the end", '42["up",1]\x1ex'], ["in the middle", '42["up",1]\x1e7\x1e42["up",2]'], ["bad base64", 'b***'], ["an empty one", '42["up",1]\x1e'], ["nothing", ""]]) {
    const session = await t.entered();
    t.note(what, await t.post(session.path, body));
    t.note(`${what}: reason`, await t.target.disconnected(session.socketId));
    if (body.startsWith("42")) t.note(`${what}: before`, (await t.target.received(session.socketId, "up")).args);
    t.note(`${what}: session`, await t.alive(session));
  }
}, {
  "bad base64: reason": { why: LENIENT, reference: "forced close", ours: "parse error" },
});

const CUT = {
  why: "what is left of the body is not read, so the connection is of no further use",
  reference: { status: 413, headers: {}, body: "" }, ours: { status: 413, headers: { connection: "close" }, body: "" },
};
compare("1.4 a body over the limit", "small", async (t) => {
  const message = (size) => `42["up","${"x".repeat(size - '42["up",""]'.length)}"]`;
  for (const [what, options] of [["at once", { body: message(1025) }], ["in chunks", { chunks: [message(600), "x".repeat(425)] }]]) {
    const session = await t.entered();
    t.note(what, await t.request("POST", session.path, options));
    t.note(`${what}: session`, await t.alive(session));
  }
  const session = await t.entered();
  t.note("exactly the limit", await t.post(session.path, message(1024)));
  t.note("exactly the limit: heard", (await t.target.received(session.socketId, "up")).args[0].length);
  t.note("open", (await t.session()).first.body);
}, { "at once": CUT, "in chunks": CUT });

compare("1.4 second GET while one is pending", "plain", async (t) => {
  const session = await t.entered();
  const first = await t.begin("GET", session.path);
  await t.post(session.path, "3"); // the poll has arrived by then
  t.note("second", await t.get(session.path));
  t.note("first", await first.answer());
  t.note("reason", await t.target.disconnected(session.socketId));
  t.note("session", await t.alive(session));
});

compare("1.4 second POST while one is being received", "plain", async (t) => {
  const session = await t.entered();
  const first = await t.raw();
  first.send(`POST ${session.path} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n42`);
  await t.get("/socket.io/?EIO=4"); // gives the head of the first time to be read
  t.note("second", await t.post(session.path, "3"));
  t.note("reason", await t.target.disconnected(session.socketId));
  t.note("session", await t.alive(session));
});

compare("1.4 an aborted GET and an aborted POST", "plain", async (t) => {
  const one = await t.entered();
  const get = await t.begin("GET", one.path);
  await t.post(one.path, "3");
  get.raw.close();
  t.note("GET: reason", await t.target.disconnected(one.socketId));
  t.note("GET: session", await t.alive(one));
  const two = await t.entered();
  const post = await t.raw();
  await post.sent(`POST ${two.path} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n42`);
  post.close();
  t.note("POST: reason", await t.target.disconnected(two.socketId));
  t.note("POST: session", await t.alive(two));
});

compare("1.4 a close packet by POST", "plain", async (t) => {
  for (const pending of [false, true]) {
    const session = await t.entered();
    const get = pending && await t.begin("GET", session.path);
    if (pending) await t.post(session.path, "3");
    t.note(`${pending}: post`, await t.post(session.path, '42["up"]\x1e1\x1e42["late"]'));
    if (get) t.note("get", await get.answer());
    t.note(`${pending}: reason`, await t.target.disconnected(session.socketId));
    t.note(`${pending}: session`, await t.alive(session));
  }
});

compare("1.4 the server closes between two polls, and during one", "plain", async (t) => {
  const one = await t.entered();
  await t.target.disconnect("/", one.socketId, true);
  t.note("between: reason", await t.target.disconnected(one.socketId));
  t.note("between: get", await t.get(one.path));
  t.note("between: session", await t.alive(one));
  const two = await t.entered();
  const get = await t.begin("GET", two.path);
  await t.post(two.path, "3");
  await t.target.disconnect("/", two.socketId, true);
  const payloads = [(await get.answer()).body];
  if (!payloads[0].endsWith("1")) payloads.push((await t.get(two.path)).body);
  t.note("during: get", payloads.join("\x1e"));
  t.note("during: session", await t.alive(two));
});

compare("1.4 other methods with a sid", "plain", async (t) => {
  for (const method of ["PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"]) {
    const session = await t.session();
    t.note(method, await t.request(method, session.path));
    t.note(`${method}: session`, await t.alive(session));
  }
});

compare("1.4 compression", "plain", async (t) => {
  const sent = { gzip: "gzip", deflate: "deflate", both: "gzip, deflate, br", br: "br", preferred: "deflate;q=1, gzip;q=0.5", refused: "gzip;q=0", any: "*", none: "identity" };
  for (const [what, accepted] of Object.entries(sent)) {
    for (const size of [900, 2000]) {
      const session = await t.entered();
      await t.target.tell({ sockets: [session.socketId] }, "down", ["x".repeat(size)]);
      const { status, headers } = await t.get(session.path, { "accept-encoding": accepted });
      t.note(`${what} ${size}`, [status, headers]);
    }
  }
});

compare("1.4 the threshold of compression is met exactly", "plain", async (t) => {
  for (const size of [1023, 1024]) {
    const session = await t.entered();
    await t.target.tell({ sockets: [session.socketId] }, "down", ["x".repeat(size - '42["down",""]'.length)]);
    t.note(`${size}`, (await t.get(session.path, { "accept-encoding": "gzip" })).headers["content-encoding"] ?? "none");
  }
});

compare("1.4 old Internet Explorers", "plain", async (t) => {
  for (const agent of ["Mozilla/4.0 (compatible;MSIE 8.0)", "Mozilla/5.0 (Trident/7.0; rv:11.0)", "Mozilla/4.0 (compatible; MSIE 8.0)", "curl"]) {
    const session = await t.session();
    t.note(`${agent} open`, (await t.get(t.path(), { "user-agent": agent })).headers);
    t.note(`${agent} post`, (await t.post(session.path, "40", { "user-agent": agent })).headers);
    t.note(`${agent} get`, (await t.get(session.path, { "user-agent": agent })).headers);
  }
});

compare("1.4 JSONP", "plain", async (t) => {
  const opened = await t.session({ more: "&j=0" });
  t.note("open", opened.first);
  t.note("post", await t.request("POST", opened.path, { body: `d=${encodeURIComponent('40')}`, headers: { "content-type": "application/x-www-form-urlencoded" } }));
  t.note("get", await t.get(opened.path));
});

compare("1.5 packets by WebSocket", "plain", async (t) => {
  for (const more of ["", "&b64=1"]) {
    const ws = await t.joined({ more });
    ws.text('42["up","ä😀"]');
    t.note(`${more} up`, (await t.target.received(ws.socketId, "up")).args);
    ws.text('451-["bin",{"_placeholder":true,"num":0}]').send(opcode.binary, Buffer.from([1, 2, 255]));
    t.note(`${more} binary up`, (await t.target.received(ws.socketId, "bin")).args);
    ws.text('451-["bin",{"_placeholder":true,"num":0}]').text("bAQL/");
    t.note(`${more} base64 up`, (await t.target.received(ws.socketId, "bin")).args);
    await t.target.tell({ sockets: [ws.socketId] }, "down", ["a", Buffer.from([1, 2, 255])]);
    t.note(`${more} down`, await t.frames(ws, 2));
  }
});

const frames = {
  "an unmasked frame": frame(opcode.text, "3", { mask: false }),
  "reserved bits": frame(opcode.text, "3", { rsv: 4 }),
  "a reserved type": frame(3, "3"),
  "a long ping": frame(opcode.ping, "x".repeat(126)),
  "a ping in pieces": frame(opcode.ping, "x", { fin: false }),
  "a continuation of nothing": frame(opcode.continuation, "x"),
  "a message within a message": Buffer.concat([frame(opcode.text, "4", { fin: false }), frame(opcode.text, "4")]),
  "text that is not UTF-8": frame(opcode.text, Buffer.from([0x34, 0xff, 0xfe])),
  "a message over the limit": frame(opcode.text, `4${"x".repeat(1024)}`),
  "pieces over the limit": Buffer.concat([frame(opcode.text, `4${"x".repeat(600)}`, { fin: false }), frame(opcode.continuation, "x".repeat(600))]),
  "a frame of 4 EiB": frame(opcode.binary, "", { length: 2n ** 62n }),
  "a close frame of one byte": frame(opcode.close, "x"),
  "a close frame": frame(opcode.close, ""),
  "a close frame with 1000": frame(opcode.close, Buffer.from([3, 232])),
  "a close frame with 1005": frame(opcode.close, Buffer.from([3, 237])),
  "a close frame with 4000 and a reason": frame(opcode.close, Buffer.concat([Buffer.from([15, 160]), Buffer.from("bye")])),
  "an unknown packet": frame(opcode.text, "x"),
  "an empty text": frame(opcode.text, ""),
  "a ping packet": frame(opcode.text, "2"),
  "a pong packet": frame(opcode.text, "3"),
  "an open packet": frame(opcode.text, "0{}"),
  "an upgrade packet": frame(opcode.text, "5"),
  "a noop packet": frame(opcode.text, "6"),
  "a WebSocket ping": frame(opcode.ping, "who"),
  "a WebSocket pong": frame(opcode.pong, "me"),
  "an unexpected binary message": frame(opcode.binary, "x"),
  "bad base64": frame(opcode.text, "b***"),
};
/** Where we differ on purpose. */
const ownFrames = { "bad base64": { reason: { why: LENIENT, reference: "forced close", ours: "parse error" } } };
for (const [what, bytes] of Object.entries(frames)) {
  compare(`1.5 ${what}`, "small", async (t) => {
    const ws = await t.joined();
    ws.raw.send(bytes);
    const seen = await t.until(ws);
    t.note("frames", seen);
    if (seen.at(-1) !== "alive") t.note("reason", await t.target.disconnected(ws.socketId));
  }, ownFrames[what]);
}

compare("1.5 a close packet by WebSocket", "quick", async (t) => {
  const ws = await t.joined();
  ws.text("1");
  t.note("frames", (await t.frames(ws)).filter((one) => one !== "2"));
}, {});

compare("1.5 a message in pieces with a ping between them", "plain", async (t) => {
  const ws = await t.joined();
  ws.raw.send(Buffer.concat([
    frame(opcode.text, '42["up","ä', { fin: false }), frame(opcode.ping, "1"), frame(opcode.continuation, "", { fin: false }), frame(opcode.continuation, '😀"]'),
  ]));
  t.note("frames", await t.frames(ws, 1));
  t.note("heard", (await t.target.received(ws.socketId, "up")).args);
});

compare("1.5 permessage-deflate is agreed on only where it is configured", "plain", async (t) => {
  const ws = await t.webSocket({ headers: { "sec-websocket-extensions": "permessage-deflate" } });
  t.note("answer", /sec-websocket-extensions: .*/i.exec(ws.answer)?.[0].toLowerCase() ?? "none");
});

compare("1.5 permessage-deflate, where it is configured", "deflate", async (t) => {
  const plain = await t.webSocket();
  t.note("not asked for", /sec-websocket-extensions/i.test(plain.answer));
  const ws = await t.joined({ headers: { "sec-websocket-extensions": "permessage-deflate; client_max_window_bits" } });
  t.note("asked for", /sec-websocket-extensions: (permessage-deflate)/i.exec(ws.answer)?.[1]);
  for (const size of [900, 2000]) {
    await t.target.tell({ sockets: [ws.socketId] }, "down", ["x".repeat(size)]);
    const compressed = ((await ws.raw.received((bytes) => bytes[0] ?? null)) & 0x40) !== 0;
    const { payload } = await ws.next();
    const text = compressed ? inflateRawSync(Buffer.concat([payload, Buffer.from([0, 0, 255, 255])]), { finishFlush: constants.Z_SYNC_FLUSH }) : payload;
    t.note(`${size}`, [compressed, text.toString()]);
  }
  const deflated = deflateRawSync('42["up","ä😀"]', { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
  ws.raw.send(frame(opcode.text, deflated, { rsv: 4 }));
  t.note("heard", (await t.target.received(ws.socketId, "up")).args);
  ws.raw.send(frame(opcode.text, Buffer.from([0xff, 0xff, 0xff]), { rsv: 4 }));
  t.note("what cannot be inflated", await t.frames(ws));
});

compare("1.5 a message that is too large once it is inflated", "deflateSmall", async (t) => {
  const ws = await t.joined({ headers: { "sec-websocket-extensions": "permessage-deflate" } });
  const deflated = deflateRawSync(`42["up","${"x".repeat(2000)}"]`, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
  ws.raw.send(frame(opcode.text, deflated, { rsv: 4 }));
  t.note("frames", await t.frames(ws));
});

for (const offer of ["permessage-deflate; bogus=1", "permessage-deflate; server_max_window_bits=99", "permessage-deflate, permessage-deflate", "constructor", "__proto__; a=1", ";", "x-other"]) {
  compare(`1.5 the extension offer ${offer}`, "deflate", async (t) => {
    const { status } = await t.refusedUpgrade(t.path("websocket"), { "sec-websocket-extensions": offer });
    t.note("status", status);
  });
}
