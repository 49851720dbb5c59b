// PROTOCOL 2: revision 3 of Engine.IO, and what Socket.IO does on top of it.

import { opcode } from "../raw.mjs";
import { compare } from "./compare.mjs";

const V3 = { eio: 3 };
const ASCII = "clients of 1.x decode UTF-8 twice by polling; JSON that is ASCII is read alike by all";
const OCTETS = { "content-type": "application/octet-stream" };

/** drained polls until the payloads of a session hold what is awaited, and resolves to all of them. */
async function drained(t, session, awaited) {
  let text = "";
  while (!awaited.test(text)) text += (await (await t.begin("GET", session.path)).answer({ plain: true })).body;
  return text.replace(/"sid":"[\w-]+"/g, '"sid":"<id>"');
}

/** withoutConnect is an open packet's payload without the packet that may come along with it; one scenario shows that it does. */
const withoutConnect = (answer) => ({ ...answer, body: answer.body.replace(/2:40(?="|$)/, "") });

/** entered is a session of revision 3 that knows that it is in the main namespace. Its socket has the session's id. */
async function entered(t, more = "") {
  const session = await t.session({ ...V3, more });
  if (!session.first.body.includes("2:40")) session.connect = await drained(t, session, /2:40/);
  return { ...session, socketId: session.sid };
}

for (const eio of ["3", "2", "5", "", "x"]) {
  compare(`2 EIO=${eio} is revision 3`, "revision3", async (t) => {
    const session = await t.session({ eio });
    t.note("open", withoutConnect(session.first));
    t.note("post", await t.post(session.path, "1:1"));
  });
}
compare("2 no EIO is revision 3", "revision3", async (t) => {
  t.note("open", (await t.get("/socket.io/?transport=polling")).status);
});

compare("2.1 the client beats, the server answers", "revision3", async (t) => {
  const ws = await t.webSocket(V3);
  t.note("connect", await t.frames(ws, 1));
  ws.text("2").text("2x");
  t.note("pongs", await t.frames(ws, 2));
  ws.text("3");
  t.note("a pong closes", await t.frames(ws));
  const session = await entered(t);
  t.note("post", await t.post(session.path, "1:2"));
  t.note("get", await t.get(session.path));
  t.note("pong", await t.post(session.path, "1:3"));
  t.note("reason", await t.target.disconnected(session.socketId));
  t.note("session", (await t.get(session.path)).body);
});

compare("2.1 who does not beat is closed", "quick", async (t) => {
  const ws = await t.webSocket(V3);
  t.note("frames", await t.frames(ws));
  const session = await entered(t);
  t.note("reason", await t.target.disconnected(session.socketId));
  t.note("session", (await t.get(session.path)).body);
});

compare("2.2 text payloads", "revision3", async (t) => {
  const session = await entered(t, "&b64=1");
  const message = '42["up","ä😀"]';
  t.note("post", await t.post(session.path, `${message.length}:${message}1:27:42["b"]`));
  t.note("heard", (await t.target.received(session.socketId, "up")).args);
  await t.target.received(session.socketId, "b");
  await t.target.tell({ sockets: [session.socketId] }, "down", ["ä😀"]);
  t.note("get", await drained(t, session, /down/));
  await t.target.tell({ sockets: [session.socketId] }, "down", [Buffer.from([1, 2, 3, 4])]);
  t.note("binary", await drained(t, session, /b4/));
  await t.post(session.path, '40:451-["up",{"_placeholder":true,"num":0}]10:b4AQIDBA==');
  t.note("binary heard", (await t.target.received(session.socketId, "up")).args);
}, {
  get: { why: ASCII, reference: '1:316:42["down","ä😀"]', ours: '1:331:42["down","\\u00e4\\ud83d\\ude00"]' },
});

/** What the reference takes for a payload, or for the end of one, though it is none. */
const STRICT = ["an exponent", "a leading space", "a fraction", "a kind that is none", "a body of octets that is short", "a binary packet without a type"];
const why = "what cannot be a payload of a client ends the session, as it does in most cases there";
const stricter = { session: { why, reference: 200, ours: 400 }, reason: { why, reference: null, ours: "parse error" } };

for (const [what, body] of Object.entries({
  "a length that is none": "x:40", "no colon": "240", "a body that is short": "5:40", "a negative length": "-1:4", "a length of zero": "0:", "nothing": "",
  "an unknown packet": "1:x", "more than announced": '7:42["a"]xx', "an exponent": '1e1:42["aaaaa"]', "a leading zero": '07:42["a"]',
  "a leading space": ' 7:42["a"]',
  "a fraction": '7.0:42["a"]', "packets before a bad one": '8:42["up"]9:x',
})) {
  compare(`2.2 ${what}`, "revision3", async (t) => {
    const session = await entered(t);
    t.note("post", await t.post(session.path, body));
    const { status } = await t.post(session.path, '17:42["after","abc"]');
    t.note("session", status);
    t.note("reason", status === 200 ? null : await t.target.disconnected(session.socketId));
  }, STRICT.includes(what) ? stricter : {});
}

compare("2.3 binary payloads", "revision3", async (t) => {
  const session = await entered(t);
  await t.target.tell({ sockets: [session.socketId] }, "down", ["ä😀", Buffer.from([1, 2, 255])]);
  let latin = "";
  while (!latin.includes("\x04\x01\x02\xff")) {
    const { headers, body } = await t.get(session.path);
    latin += body;
    t.note("type", headers["content-type"]);
  }
  t.note("bytes", Buffer.from(latin, "latin1").toString("hex"));
  const text = Buffer.from('451-["up","ä😀",{"_placeholder":true,"num":0}]');
  const digits = (n) => Buffer.from([...String(n)].map(Number));
  const body = Buffer.concat([Buffer.from([0]), digits(text.length), Buffer.from([255]), text, Buffer.from([1]), digits(4), Buffer.from([255, 4, 1, 2, 255])]);
  t.note("post", await t.post(session.path, body, OCTETS));
  t.note("heard", (await t.target.received(session.socketId, "up")).args);
}, {
  bytes: {
    why: ASCII,
    reference: "000501ff3435312d5b22646f776e222c22c3a4f09f9880222c7b225f706c616365686f6c646572223a747275652c226e756d223a307d5d0104ff040102ff",
    ours: "000603ff3435312d5b22646f776e222c225c75303065345c75643833645c7564653030222c7b225f706c616365686f6c646572223a747275652c226e756d223a307d5d0104ff040102ff",
  },
});

for (const [what, bytes] of Object.entries({
  "a kind that is none": [2, 2, 255, 0x34, 0x30], "a length without end": [0, 2], "a length that is too long": [0, ...new Array(400).fill(1), 255, 0x34],
  "a body of octets that is short": [0, 9, 255, 0x34, 0x30],
  "nothing": [], "a digit that is none": [0, 12, 255, 0x34], "a binary packet without a type": [1, 0, 255],
})) {
  compare(`2.3 ${what}`, "revision3", async (t) => {
    const session = await entered(t);
    t.note("post", await t.post(session.path, Buffer.from(bytes), OCTETS));
    const { status } = await t.post(session.path, '17:42["after","abc"]');
    t.note("session", status);
    t.note("reason", status === 200 ? null : await t.target.disconnected(session.socketId));
  }, STRICT.includes(what) ? stricter : {});
}

const FORM = { "content-type": "application/x-www-form-urlencoded" };
compare("2.4 JSONP", "revision3", async (t) => {
  const session = await entered(t, "&j=1x2y3");
  t.note("open", withoutConnect(session.first));
  const message = '42["up","a\\nb + ä😀"]';
  t.note("post", await t.post(session.path, `d=${encodeURIComponent(`${message.length}:${message.replaceAll("\\n", "\\\\n")}`)}`, FORM));
  t.note("heard", (await t.target.received(session.socketId, "up")).args);
  await t.target.tell({ sockets: [session.socketId] }, "down", ["\u2028\u2029 </script> ä😀 \" \\"]);
  // The script's value, as a browser would have it.
  const { headers, body } = await t.get(session.path);
  const [, payload] = /^___eio\[123\]\((".*")\);$/.exec(body);
  t.note("get", [headers, JSON.parse(JSON.parse(payload).replace(/^\d+:42/, ""))]);
  t.note("line ends in the script", /[\u2028\u2029]/.test(body));
});
for (const j of ["", "abc", "0;alert(1)", "-1", "12345678901234567890"]) {
  compare(`2.4 JSONP with j=${j}`, "revision3", async (t) => {
    const { first } = await t.session({ ...V3, more: `&j=${encodeURIComponent(j)}` });
    t.note("start", first.body.slice(0, 40));
  });
}
compare("2.4 JSONP without the field d", "revision3", async (t) => {
  for (const body of ["x=1", "", "d=", "d"]) {
    const session = await entered(t, "&j=0");
    t.note(`post ${body}`, await t.post(session.path, body, FORM));
    t.note(`after ${body}`, (await t.post(session.path, `d=${encodeURIComponent('6:42["a"')}`, FORM)).status);
  }
});

compare("2.5 binary by WebSocket has a byte for its type", "revision3", async (t) => {
  for (const more of ["", "&b64=1"]) {
    const ws = await t.webSocket({ ...V3, more });
    const { sid } = JSON.parse(ws.open.slice(1));
    t.note(`${more} connect`, await t.frames(ws, 1));
    await t.target.tell({ sockets: [sid] }, "down", [Buffer.from([1, 2, 255])]);
    t.note(`${more} down`, await t.frames(ws, 2));
    ws.text('451-["up",{"_placeholder":true,"num":0}]').send(opcode.binary, Buffer.from([4, 1, 2, 255]));
    t.note(`${more} up`, (await t.target.received(sid, "up")).args);
    ws.text('451-["up",{"_placeholder":true,"num":0}]').text("b4AQL/");
    t.note(`${more} base64 up`, (await t.target.received(sid, "up")).args);
  }
  for (const bytes of [[0, 1], [9, 1], [], [2, 1]]) {
    const ws = await t.webSocket(V3);
    await t.frames(ws, 1);
    ws.send(opcode.binary, Buffer.from(bytes));
    t.note(`type ${bytes[0]}`, await t.until(ws));
  }
}, {
  "type 9": { why, reference: ["alive"], ours: ["close 1005"] },
  "type undefined": { why, reference: ["alive"], ours: ["close 1005"] },
});

compare("2.6 an upgrade", "revision3", async (t) => {
  const session = await entered(t);
  const poll = await t.begin("GET", session.path);
  await t.post(session.path, "1:2");
  t.note("pong", (await poll.answer()).body);
  const waiting = await t.begin("GET", session.path);
  await t.post(session.path, '7:42["a"]');
  const ws = await t.webSocket({ ...V3, sid: session.sid });
  ws.text("2probe");
  t.note("probe", await t.frames(ws, 1));
  t.note("noop", await waiting.answer());
  await t.target.tell({ sockets: [session.socketId] }, "down", ["kept"]);
  ws.text("5");
  t.note("kept", await t.frames(ws, 1));
  t.note("get", await t.get(session.path));
  t.note("the session", await t.until(ws));
});

compare("2.6 second GET while one is pending", "revision3", async (t) => {
  const session = await entered(t);
  const first = await t.begin("GET", session.path);
  await t.post(session.path, '9:42["a",1]');
  t.note("second", await t.get(session.path));
  t.note("first", await first.answer());
  t.note("reason", await t.target.disconnected(session.socketId));
});

compare("2.7 the client is connected by itself", "revision3", async (t) => {
  const session = await entered(t);
  t.note("connect", session.connect ?? "with the open packet");
  const ws = await t.webSocket(V3);
  t.note("WebSocket", await t.frames(ws, 1));
  for (const packet of [
    "40/chat", "41/chat,", "40/chat?token=abc&x=%C3%A4,", "41/chat,", "40/chat,", "40/nowhere", "40/guarded", "40/closed", "41/chat", '40/chat,{"a":1}',
  ]) {
    ws.text(packet);
    t.note(packet, packet.startsWith("40") ? await t.frames(ws, 1) : await t.until(ws));
  }
  ws.text("40");
  t.note("a connect to the main one", await t.until(ws));
}, {
  connect: { why: "it need not wait for the next poll", reference: "2:40", ours: "with the open packet" },
});
compare("2.7 the id of a socket", "revision3", async (t) => {
  const ws = await t.webSocket(V3);
  const { sid } = JSON.parse(ws.open.slice(1));
  ws.text("40/chat");
  await t.frames(ws, 2);
  await t.target.tell({ namespace: "/chat", sockets: [`/chat#${sid}`] }, "down", [1]);
  t.note("in another namespace", await t.frames(ws, 1));
});
