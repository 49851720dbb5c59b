// PROTOCOL 1.6 and 1.7: the upgrade from polling to WebSocket, and heartbeats.

import { opcode } from "../raw.mjs";
import { compare } from "./compare.mjs";

/** probed opens a WebSocket for a session that polls, and has the probe answered. */
async function probed(t, session) {
  const ws = await t.webSocket({ sid: session.sid });
  ws.text("2probe");
  return { ws, answer: await ws.nextText() };
}

compare("1.6 an upgrade, step by step", "plain", async (t) => {
  const session = await t.entered();
  const poll = await t.begin("GET", session.path);
  await t.post(session.path, "3");
  const { ws, answer } = await probed(t, session);
  t.note("probe", answer);
  t.note("cookie", /set-cookie/i.test(ws.answer));
  t.note("the poll is released", await poll.answer());
  await t.target.tell({ sockets: [session.socketId] }, "down", ["before"]);
  t.note("polling goes on", await t.get(session.path));
  await t.target.tell({ sockets: [session.socketId] }, "down", ["kept"]);
  ws.text("5");
  await t.target.tell({ sockets: [session.socketId] }, "down", ["after"]);
  t.note("what waited", await t.frames(ws, 2));
  ws.text('42["up",1]');
  t.note("heard", (await t.target.received(session.socketId, "up")).args);
  t.note("get", await t.get(session.path));
  t.note("post", await t.post(session.path, '42["up",2]'));
  const another = await t.webSocket({ sid: session.sid });
  t.note("another WebSocket", [another.answer.split("\r\n")[0], await t.frames(another)]);
  t.note("the session", await t.until(ws));
});

compare("1.6 the poll that waits when the upgrade comes is released", "plain", async (t) => {
  const session = await t.entered();
  const { ws } = await probed(t, session);
  const poll = await t.begin("GET", session.path);
  await t.post(session.path, "3");
  ws.text("5");
  t.note("poll", (await poll.answer()).body);
  t.note("the session", await t.until(ws));
}, {
  poll: { why: "the session goes on: a noop says so, a close packet says the opposite", reference: "1", ours: "6" },
});

compare("1.6 a second candidate does not hurt the first", "plain", async (t) => {
  const session = await t.entered();
  const { ws } = await probed(t, session);
  const second = await t.webSocket({ sid: session.sid });
  t.note("second", [second.answer.split("\r\n")[0], await t.frames(second)]);
  ws.text("5");
  t.note("first", await t.until(ws));
});

for (const [what, packet] of [
  ["no probe", '42["up"]'], ["another probe", "2other"], ["an upgrade without a probe", "5"], ["a pong", "3probe"], ["a close", "1"], ["nothing", ""],
  ["an unknown packet", "x"],
]) {
  compare(`1.6 ${what} first`, "plain", async (t) => {
    const session = await t.entered();
    const ws = await t.webSocket({ sid: session.sid });
    ws.text(packet);
    t.note("candidate", packet === "5" ? await t.until(ws) : await t.frames(ws));
    t.note("session", await t.alive(session));
    if (packet === "5") return;
    const { ws: again } = await probed(t, session);
    again.text("5");
    t.note("a new one", await t.until(again));
  });
}

for (const [what, packet] of [["a message", '42["up"]'], ["a second probe", "2probe"], ["a ping", "2"], ["a noop", "6"], ["a binary message", null]]) {
  compare(`1.6 ${what} after the probe`, "plain", async (t) => {
    const session = await t.entered();
    const { ws } = await probed(t, session);
    if (packet === null) ws.send(opcode.binary, "x");
    else ws.text(packet);
    t.note("candidate", packet === "2probe" ? await t.frames(ws, 1) : await t.frames(ws));
    t.note("session", await t.alive(session));
  });
}

compare("1.6 a candidate that closes leaves polling alone", "plain", async (t) => {
  const session = await t.entered();
  for (const how of ["close", "cut"]) {
    const { ws } = await probed(t, session);
    if (how === "close") {
      ws.send(opcode.close, "");
      t.note("frames", await t.frames(ws));
    }
    ws.close();
    t.note(how, await t.alive(session));
  }
  const { ws } = await probed(t, session);
  ws.text("5");
  t.note("a new one", await t.until(ws));
});

compare("1.6 a candidate that takes too long is closed", "quick", async (t) => {
  const session = await t.session({ eio: 3 });
  const ws = await t.webSocket({ sid: session.sid, eio: 3 });
  ws.text("2probe");
  t.note("frames", await t.frames(ws));
});

compare("1.6 a session that is closed takes its candidate with it", "plain", async (t) => {
  const session = await t.entered();
  const { ws } = await probed(t, session);
  t.note("post", await t.post(session.path, "1"));
  t.note("candidate", await t.frames(ws));
  t.note("reason", await t.target.disconnected(session.socketId));
});

compare("1.6 the server closes a session that upgrades", "plain", async (t) => {
  const session = await t.entered();
  const { ws } = await probed(t, session);
  await t.target.disconnect("/", session.socketId, true);
  t.note("reason", await t.target.disconnected(session.socketId));
  ws.text("5");
  t.note("candidate", await t.frames(ws));
});

compare("1.6 without upgrades", "noUpgrades", async (t) => {
  const session = await t.entered();
  const ws = await t.webSocket({ sid: session.sid });
  ws.text("2probe");
  t.note("frames", await t.frames(ws, 1));
  t.note("session", await t.alive(session));
}, { frames: { why: "what is not offered is not taken either", reference: ["3probe"], ours: ["close 1005"] } });

compare("1.7 who does not answer a heartbeat is closed", "quick", async (t) => {
  const ws = await t.joined();
  t.note("frames", await t.frames(ws));
  t.note("reason", await t.target.disconnected(ws.socketId));
  const session = await t.entered();
  t.note("polling", await t.get(session.path));
  t.note("polling: reason", await t.target.disconnected(session.socketId));
  t.note("polling: session", await t.alive(session));
});

compare("1.7 a pong starts the next interval", "quick", async (t) => {
  const ws = await t.joined();
  for (let i = 0; i < 3; i++) {
    t.note(`ping ${i}`, await t.frames(ws, 1));
    ws.text("3");
  }
  ws.text("3").text("3").text("3");
  t.note("the next is one", [...(await t.frames(ws, 1)), ...(ws.text("3"), await t.until(ws))]);
});

compare("1.7 a heartbeat of the wrong direction, by polling", "plain", async (t) => {
  const session = await t.entered();
  t.note("post", await t.post(session.path, "2"));
  t.note("reason", await t.target.disconnected(session.socketId));
  t.note("session", await t.alive(session));
});

compare("1.7 who is in no namespace in time is closed", "quick", async (t) => {
  const pongs = async (ws) => {
    const seen = [];
    for (;;) {
      const [one] = await t.frames(ws, 1);
      if (one === "2") ws.text("3");
      else seen.push(one);
      if (/^(close|the connection)/.test(one)) return seen;
    }
  };
  t.note("WebSocket", await pongs(await t.webSocket()));
  const refused = await t.webSocket();
  refused.text("40/nowhere,");
  t.note("refused", await pongs(refused));
});
