// PROTOCOL 3, 4.1 and 5: Socket.IO packets, why sockets end, recovery.

import { frame, opcode } from "../raw.mjs";
import { compare } from "./compare.mjs";

/** What a client sends inside the main namespace, per case: texts and Buffers. Whether it is heard, and what becomes of the connection, is compared. */
const PACKETS = {
  "an event": ['42["up",1]'],
  "an event without arguments": ['42["up"]'],
  "a numeric event": ["42[7,1]"],
  "a numeric event that is no integer": ["42[1.50,1]"],
  "no payload": ["42"],
  "no payload, with an ack id": ["421"],
  "an ack without payload": ["43"],
  "an ack without payload, with an id": ["431"],
  "an empty array": ["42[]"],
  "an object": ['42{"a":1}'],
  "a string": ['42"up"'],
  "null as name": ["42[null]"],
  "true as name": ["42[true]"],
  "an object as name": ['42[{"toString":"foo"}]'],
  "an array as name": ['42[["up"]]'],
  "an empty name": ['42[""]'],
  "a name that is __proto__": ['42["__proto__",{"__proto__":{"a":1}}]'],
  "broken JSON": ['42["up"'],
  "something after the JSON": ['42["up"]x'],
  "spaces in the JSON": ['42 [ "up" , 1 ]'],
  "a space before the JSON": ['42 ["up"]'],
  "single quotes": ["42['up']"],
  "NaN": ['42["up",NaN]'],
  "a lone surrogate": ['42["up","\\ud800"]'],
  "U+2028": ['42["up","\u2028"]'],
  "large numbers": ['42["up",12345678901234567890,1e21,-0,1e400]'],
  "duplicate keys": ['42["up",{"a":1,"a":2}]'],
  "type 7": ["47"],
  "type 9": ["49[]"],
  "no type": ["4"],
  "a letter as type": ["4x"],
  "an ack id with a sign": ['42-1["up"]'],
  "an ack id of 2^53-1": ['429007199254740991["up"]'],
  "an ack id of 2^53": ['429007199254740993["up"]'],
  "an ack id of 40 digits": [`42${"9".repeat(40)}["up"]`],
  "an ack id with leading zeros": ['42007["up"]'],
  "an ack id of zero": ['420["up"]'],
  "an ack id with a point": ['421.5["up"]'],
  "a namespace that is the main one": ['42/,["up"]'],
  "a namespace with an ack id": ['42/,5["up"]'],
  "a namespace without a comma": ["42/"],
  "a namespace that was not joined": ['42/chat,["up"]'],
  "an unknown namespace": ['42/nowhere,["up"]'],
  "an ack nobody asked for": ['43123["x"]'],
  "an ack that is an object": ['431{"a":1}'],
  "an ack that is no JSON": ["431[x]"],
  "a second connect": ["40"],
  "a second connect with auth": ['40{"a":1}'],
  "a connect with an array": ["40/chat,[]"],
  "a connect with a string": ['40/chat,"x"'],
  "a connect with a number": ["40/chat,5"],
  "a connect with null": ["40/chat,null"],
  "a connect with true": ["40/chat,true"],
  "a connect with an id": ['40/chat,5{"a":1}'],
  "a connect with broken JSON": ["40/chat,{"],
  "a connect without a comma": ["40/chat"],
  "a connect with auth without a comma": ['40/chat{"a":1}'],
  "a connect with a query": ["40/chat?a=b,"],
  "a connect to a namespace without slash": ["40chat,"],
  "a connect with a slash too many": ["40/chat/,"],
  "a connect error from the client": ['44{"message":"x"}'],
  "a connect error as a string": ['44"x"'],
  "a connect error elsewhere": ['44/chat,{"message":"x"}'],
  "a disconnect with data": ["41{}"],
  "a disconnect with data that is no JSON": ["41x"],
  "a disconnect": ["41"],
  "a disconnect elsewhere": ["41/chat,"],
  "a disconnect, and a connect later": ["41", "wait", "40", "connected"],
  "an event after a disconnect": ["41", "wait", '42["up"]'],
  "a binary event": ['451-["up",{"_placeholder":true,"num":0}]', Buffer.from([1])],
  "a binary event with an ack id and a namespace": ['451-/,3["up",{"_placeholder":true,"num":0}]', Buffer.from([1])],
  "binary deep in the tree": ['452-["up",{"a":[{"_placeholder":true,"num":1}],"b":{"_placeholder":true,"num":0}}]', Buffer.from([1]), Buffer.from([2])],
  "one attachment used twice": ['451-["up",{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}]', Buffer.from([1])],
  "an attachment that is not used": ['451-["up"]', Buffer.from([1])],
  "a placeholder that is false": ['451-["up",{"_placeholder":false,"num":0}]', Buffer.from([1])],
  "a placeholder with more keys": ['451-["up",{"_placeholder":true,"num":0,"x":1}]', Buffer.from([1])],
  "a placeholder in a text event": ['42["up",{"_placeholder":true,"num":0}]'],
  "a placeholder that is 1": ['451-["up",{"_placeholder":1,"num":0}]', Buffer.from([1])],
  "a number out of range": ['451-["up",{"_placeholder":true,"num":1}]', Buffer.from([1])],
  "a negative number": ['451-["up",{"_placeholder":true,"num":-1}]', Buffer.from([1])],
  "a number that is none": ['451-["up",{"_placeholder":true,"num":"splice"}]', Buffer.from([1])],
  "a number that is a fraction": ['451-["up",{"_placeholder":true,"num":0.5}]', Buffer.from([1])],
  "a number that is missing": ['451-["up",{"_placeholder":true}]', Buffer.from([1])],
  "a placeholder as the name": ['451-[{"_placeholder":true,"num":0}]', Buffer.from([1])],
  "text between attachments": ['452-["up",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]', Buffer.from([1]), '42["up"]'],
  "one attachment too many": ['451-["up",{"_placeholder":true,"num":0}]', Buffer.from([1]), Buffer.from([2])],
  "binary that nobody announced": [Buffer.from([1])],
  "no attachments announced": ['450-["up"]'],
  "no count": ['45["up"]'],
  "no dash": ['451["up"]'],
  "a count that is none": ['45x-["up"]'],
  "a negative count": ['45-1-["up"]'],
  "a count in exponents": ['451e0-["up",{"_placeholder":true,"num":0}]', Buffer.from([1])],
  "a count in hexadecimal": ['450x1-["up",{"_placeholder":true,"num":0}]', Buffer.from([1])],
  "a count with leading zeros": ['4501-["up",{"_placeholder":true,"num":0}]', Buffer.from([1])],
  "a count that is a fraction": ['451.5-["up"]'],
  "eleven attachments": [`4511-["up"]`, ...Array.from({ length: 11 }, () => Buffer.from([1]))],
  "ten attachments": [`4510-["up"]`, ...Array.from({ length: 10 }, () => Buffer.from([1]))],
  "a binary event without payload": ["451-", Buffer.from([1])],
  "a binary ack nobody asked for": ['461-7["x",{"_placeholder":true,"num":0}]', Buffer.from([1])],
  "a binary event with a reserved name": ['451-["connect",{"_placeholder":true,"num":0}]', Buffer.from([1])],
  ...Object.fromEntries(["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener", "error", "connection", "message"]
    .map((name) => [`an event called ${name}`, [`42["${name}",1]`]])),
};

/** stricter is what differs where the reference takes what we refuse. */
const stricter = (why, heard) => ({
  frames: { why, reference: ["alive"], ours: ["close 1005"] },
  reason: { why, reference: null, ours: "forced close" },
  heard: { why, reference: heard, ours: [] },
});
const BIG_ID = "JavaScript cannot hold the number, and the reference answers with another one: better no answer than one that nobody awaits";
const SPACE = "the reference takes a space for the ack id 0, as Number(' ') is 0; no client writes one";

/** Where we differ on purpose. */
const ownPackets = {
  "an ack id of 2^53": stricter(BIG_ID, [["up", []]]),
  "an ack id of 40 digits": stricter(BIG_ID, [["up", []]]),
  "spaces in the JSON": stricter(SPACE, [["up", [1]]]),
  "a space before the JSON": stricter(SPACE, [["up", []]]),
  "a number that is a fraction": stricter("there is no attachment 0.5; the reference puts undefined in its place", [["up", [undefined]]]),
  "a count in hexadecimal": stricter("no client writes one", [["up", [Buffer.from([1])]]]),
};

for (const [what, packets] of Object.entries(PACKETS)) {
  compare(`3 ${what}`, "plain", async (t) => {
    const ws = await t.joined();
    for (const packet of packets) {
      if (packet === "wait") t.note("meanwhile", await t.until(ws));
      // The reference takes its time over a CONNECT: what comes after may be answered before it.
      else if (packet === "connected") t.note("answer", await t.frames(ws, 1));
      else if (typeof packet === "string") ws.text(packet);
      else ws.send(opcode.binary, packet);
    }
    const seen = await t.until(ws);
    t.note("frames", seen);
    const stays = seen.at(-1) === "alive" && packets[0] !== "41";
    t.note("reason", stays ? null : await t.target.disconnected(ws.socketId));
    if (stays) {
      ws.text('42["that is all"]');
      await t.target.received(ws.socketId, "that is all");
    }
    t.note("heard", t.target.heard(ws.socketId));
  }, ownPackets[what]);
}

for (const [what, packet] of [
  ["an event", '42["up"]'], ["an event to elsewhere", '42/chat,["up"]'], ["a disconnect", "41"], ["an ack", '431["x"]'], ["a connect error", '44"x"'],
  ["rubbish", "4x"],
]) {
  compare(`3 ${what} before the connect`, "plain", async (t) => {
    const ws = await t.webSocket();
    ws.text(packet);
    t.note("frames", await t.until(ws));
    const session = await t.session();
    t.note("post", await t.post(session.path, packet));
    t.note("session", await t.alive(session));
  });
}

compare("3 connecting, by name", "plain", async (t) => {
  const ws = await t.webSocket();
  for (const packet of [
    "40", "40/chat,", '40/guarded,{"token":"x"}', "40/closed,", "40/nowhere,", "40/nowhere", "40/chat?x=1,", "41/chat,", "40/chat,", "41", "40", "41", "41/chat,",
  ]) {
    ws.text(packet);
    t.note(packet, packet.startsWith("40") ? await t.frames(ws, 1) : await t.until(ws));
  }
});

compare("3 acknowledgements", "plain", async (t) => {
  const ws = await t.joined();
  for (const [id, answer] of [
    ["0", []], ["12", ["a", { b: [1] }]], ["9007199254740991", [Buffer.from([1, 2])]], ["5", ["ä😀", Buffer.from([1]), Buffer.from([2])]],
  ]) {
    ws.text(`42${id}["asked"]`);
    const { reply } = await t.target.received(ws.socketId, "asked");
    await reply(answer);
    t.note(id, await t.until(ws));
  }
});

compare("3 buffers are taken out in the order in which they stand", "plain", async (t) => {
  const ws = await t.joined();
  await t.target.tell({ sockets: [ws.socketId] }, "down", [{ a: Buffer.from([1]), b: [Buffer.from([2]), { c: Buffer.from([3]) }] }, Buffer.from([4])]);
  t.note("frames", await t.frames(ws, 5));
});

compare("4.1 a socket is disconnected, alone and with its connection", "plain", async (t) => {
  for (const close of [false, true]) {
    const ws = await t.joined();
    ws.text("40/chat,");
    const chat = JSON.parse((await ws.nextText()).slice("40/chat,".length)).sid;
    await t.target.disconnect("/", ws.socketId, close);
    t.note(`${close}: reason`, await t.target.disconnected(ws.socketId));
    if (close) t.note("the other", await t.target.disconnected(chat));
    // The packets of several namespaces may leave in any order.
    t.note(`${close}: frames`, (close ? await t.frames(ws) : await t.until(ws)).sort());
  }
});

compare("4.1 reasons", "quick", async (t) => {
  const reason = async (what, end, ws) => {
    ws ??= await t.joined();
    await end(ws);
    t.note(what, await t.target.disconnected(ws.socketId));
  };
  await reason("the client leaves", (ws) => ws.text("41"));
  await reason("the client closes", (ws) => ws.send(opcode.close, ""));
  await reason("the client is cut off", (ws) => ws.raw.close());
  await reason("a heartbeat is missed", () => {});
  await reason("rubbish by Engine.IO", (ws) => ws.text("x"));
  await reason("rubbish by Socket.IO", (ws) => ws.text("4x"));
  await reason("a second connect", (ws) => ws.text("40"));
  await reason("a bad frame", (ws) => ws.raw.send(frame(3, "x")));
  for (const [what, body] of [
    ["leaves", "41"], ["closes", "1"], ["sends rubbish by Engine.IO", "x"], ["sends rubbish by Socket.IO", "4x"], ["connects twice", "40"], ["beats", "2"],
  ]) {
    const session = await t.entered();
    await t.post(session.path, body);
    await t.get(session.path); // the reference closes some only with a poll
    t.note(`a client that polls ${what}`, await t.target.disconnected(session.socketId));
  }
});

// Not with quick heartbeats: a ping may answer the poll just before the packet that is to end the session.
compare("4.1 reasons while a poll waits", "plain", async (t) => {
  for (const [what, body] of [["sends rubbish by Socket.IO", "4x"], ["connects twice", "40"]]) {
    const session = await t.entered();
    const get = await t.begin("GET", session.path);
    await t.post(session.path, "3");
    await t.post(session.path, body);
    t.note(`a client that waits ${what}`, await t.target.disconnected(session.socketId));
    t.note(`a client that waits ${what}: get`, await get.answer());
  }
});

/** recoverable is a WebSocket whose socket may be recovered. Offsets are replaced by their order. */
async function recoverable(t, auth = "") {
  const ws = await t.webSocket();
  ws.text(`40${auth}`);
  return ws;
}
const offsets = () => {
  const known = [];
  return (text) => text.replace(/,"([\w.-]{5,40})"\]$/, (_, offset) => {
    if (!known.includes(offset)) known.push(offset);
    return `,"<offset ${known.indexOf(offset) + 1}>"]`;
  });
};

compare("5 what is missed comes before the connect", "recovery", async (t) => {
  const ordered = offsets();
  const ws = await recoverable(t);
  const connect = await ws.nextText();
  const { sid, pid } = JSON.parse(connect.slice(2));
  t.note("keys", Object.keys(JSON.parse(connect.slice(2))));
  t.note("lengths", [sid.length, pid.length]);
  await t.target.join("/", [sid], ["red"]);
  await t.target.tell({ sockets: [sid] }, "down", ["ä", { b: 1 }]);
  const text = await ws.nextText();
  t.note("an event", ordered(text));
  const { 3: offset } = JSON.parse(text.slice(2));
  ws.raw.close();
  t.note("reason", await t.target.disconnected(sid));
  await t.target.tell({ rooms: ["red"] }, "down", ["to the room"]);
  await t.target.tell({}, "down", ["to all"]);
  await t.target.tell({ rooms: ["blue"] }, "down", ["to others"]);
  await t.target.tell({ exceptRooms: ["red"] }, "down", ["to all but these"]);
  await t.target.tell({ sockets: [sid] }, "down", [Buffer.from([1, 2])]);
  const again = await recoverable(t, JSON.stringify({ pid, offset, token: "x" }));
  const frames = await t.frames(again, 5);
  t.note("missed", frames.map(ordered));
  await t.target.tell({ rooms: ["red"] }, "down", ["still in the room"]);
  t.note("rooms", (await t.frames(again, 1)).map(ordered));
});

compare("5 a session that is recovered a second time", "recovery", async (t) => {
  const ws = await recoverable(t);
  const { sid, pid } = JSON.parse((await ws.nextText()).slice(2));
  await t.target.tell({ sockets: [sid] }, "down", [1]);
  const offset = JSON.parse((await ws.nextText()).slice(2)).at(-1);
  ws.raw.close();
  t.note("reason", await t.target.disconnected(sid));
  const first = await recoverable(t, JSON.stringify({ pid, offset }));
  t.note("first", JSON.parse((await first.nextText()).slice(2)).sid === sid);
  const second = await recoverable(t, JSON.stringify({ pid, offset }));
  t.note("second", JSON.parse((await second.nextText()).slice(2)).sid === sid);
  t.note("the first afterwards", await t.until(first));
  await t.target.tell({ sockets: [sid] }, "down", [2]);
  t.note("the second is reached", (await t.until(second)).length);
}, {
  "the first afterwards": { why: "one socket is on one connection: whoever recovers it takes it over", reference: ["alive"], ours: ["close 1005"] },
});

const ends = {
  "leaves": (t, ws) => ws.text("41"),
  "is disconnected": (t, ws, sid) => t.target.disconnect("/", sid, false),
  "breaks the protocol": (t, ws) => ws.text("x"),
  "sends rubbish": (t, ws) => ws.text("4x"),
  "is cut off": (t, ws) => ws.raw.close(),
  "closes": (t, ws) => ws.send(opcode.close, ""),
};
for (const [what, end] of Object.entries(ends)) {
  compare(`5 whether a socket that ${what} can be recovered`, "recovery", async (t) => {
    const ws = await recoverable(t);
    const { sid, pid } = JSON.parse((await ws.nextText()).slice(2));
    await t.target.tell({ sockets: [sid] }, "down", [1]);
    const offset = JSON.parse((await ws.nextText()).slice(2)).at(-1);
    await end(t, ws, sid);
    t.note("reason", await t.target.disconnected(sid));
    const again = await recoverable(t, JSON.stringify({ pid, offset }));
    const connect = JSON.parse((await again.nextText()).slice(2));
    t.note("recovered", [connect.sid === sid, connect.pid === pid]);
  });
}

compare("5 who cannot be recovered is connected anew", "recovery", async (t) => {
  for (const auth of ['{"pid":"unknown","offset":"unknown"}', '{"pid":5,"offset":{}}', '{"pid":"x"}', '{"offset":"x"}', "{}", '{"pid":"__proto__","offset":"x"}']) {
    const ws = await recoverable(t, auth);
    t.note(auth, await t.frames(ws, 1));
  }
});

compare("5 which events carry an offset", "recovery", async (t) => {
  const ordered = offsets();
  const ws = await recoverable(t);
  const { sid } = JSON.parse((await ws.nextText()).slice(2));
  await t.target.tell({}, "down", []);
  t.note("to all", (await t.frames(ws, 1)).map(ordered));
  await t.target.tell({ sockets: [sid] }, "down", [Buffer.from([1])]);
  t.note("binary", (await t.frames(ws, 2)).map(ordered));
  const asking = t.target.ask("/", sid, "question", ["text"]).catch(() => null);
  const [question] = await t.frames(ws, 1);
  t.note("a question", question.replace(/^42\d+/, "42<id>"));
  ws.text(`43${/^42(\d+)/.exec(question)[1]}[]`);
  t.note("answered", await asking);
});
