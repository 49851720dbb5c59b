// PROTOCOL 1.1 to 1.3: requests, refusals, handshakes.

import { upgrade } from "../raw.mjs";
import { compare } from "./compare.mjs";
import { steady } from "./toolkit.mjs";

const OTHERS = ["POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH"];
const UNKNOWN = "A".repeat(20);

compare("1.1 the path is matched as a prefix of the raw URL", "plain", async (t) => {
  for (const path of [
    "/socket.io/?EIO=4&transport=polling", "/socket.io/anything/at/all?EIO=4&transport=polling", "/socket.io?EIO=4&transport=polling",
    "/socket.iofoo/?EIO=4&transport=polling", "/Socket.IO/?EIO=4&transport=polling", "/", "/elsewhere", "//socket.io/?EIO=4&transport=polling",
    "/x/../socket.io/?EIO=4&transport=polling", "/socket%2eio/?EIO=4&transport=polling", "/socket.io/../x?EIO=4&transport=polling",
    "/socket.io//?EIO=4&transport=polling",
  ]) {
    const { status, body } = await t.get(path);
    t.note(path, status === 404 ? 404 : [status, body]);
  }
});

compare("1.1 without the trailing slash", "noSlash", async (t) => {
  for (const path of ["/socket.io", "/socket.io/", "/socket.io/more", "/socket.iofoo", "/socket"]) {
    t.note(path, (await t.get(`${path}?EIO=4&transport=polling`)).status);
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
  answer: {
    why: "who asks in the wrong place is told so, at once instead of cut off after a second", reference: "closed without one",
    ours: "HTTP/1.1 404 Not Found",
  },
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
    for (const method of ["GET", ...OTHERS]) t.note(method, await t.request(method, `/socket.io/?${query}`, method === "POST" ? { body: "40" } : {}));
  });
}
compare("1.2 a handshake with another method is refused", "plain", async (t) => {
  for (const method of OTHERS) t.note(method, await t.request(method, t.path(), method === "POST" ? { body: "40" } : {}));
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
