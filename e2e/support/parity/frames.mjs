// PROTOCOL 1.5: WebSocket.

import { constants, deflateRawSync, inflateRawSync } from "node:zlib";

import { frame, opcode } from "../raw.mjs";
import { compare, LENIENT } from "./compare.mjs";

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

/** The offer with which each message is compressed on its own. Only then the reference looks at the threshold. */
const FRESH = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

compare("1.5 permessage-deflate with a context that is kept", "deflate", async (t) => {
  const { answer, raw } = await t.webSocket({ headers: { "sec-websocket-extensions": "permessage-deflate; client_max_window_bits" }, open: false });
  t.note("answer", answer.match(/^sec-websocket-extensions: .*/im)?.[0].toLowerCase());
  const first = await raw.received((bytes) => bytes[0] ?? null);
  t.note("a short message is compressed", (first & 0x40) !== 0);
}, {
  answer: {
    why: "a context is a megabyte for each session, so none is kept", reference: "sec-websocket-extensions: permessage-deflate",
    ours: "sec-websocket-extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover",
  },
  "a short message is compressed": { why: "the reference looks at the threshold only where no context is kept", reference: true, ours: false },
});

compare("1.5 permessage-deflate, where it is configured", "deflate", async (t) => {
  const plain = await t.webSocket();
  t.note("not asked for", /sec-websocket-extensions/i.test(plain.answer));
  const ws = await t.joined({ headers: { "sec-websocket-extensions": FRESH } });
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
  const ws = await t.joined({ headers: { "sec-websocket-extensions": FRESH } });
  const deflated = deflateRawSync(`42["up","${"x".repeat(2000)}"]`, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
  ws.raw.send(frame(opcode.text, deflated, { rsv: 4 }));
  t.note("frames", await t.frames(ws));
});

const DECLINED = { status: { why: "RFC 7692 5.1: an offer that is not understood is declined, not the connection", reference: 400, ours: 101 } };
const offers = {
  "permessage-deflate; bogus=1": DECLINED, "permessage-deflate; server_max_window_bits=99": DECLINED, "permessage-deflate, permessage-deflate": {},
  "constructor": {}, "__proto__; a=1": {}, "x-other": {}, ";": DECLINED,
};
for (const [offer, differences] of Object.entries(offers)) {
  compare(`1.5 the extension offer ${offer}`, "deflate", async (t) => {
    const { status } = await t.refusedUpgrade(t.path("websocket"), { "sec-websocket-extensions": offer });
    t.note("status", status);
  }, differences);
}
