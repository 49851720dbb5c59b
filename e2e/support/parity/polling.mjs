// PROTOCOL 1.4: polling.

import { compare, LENIENT } from "./compare.mjs";

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

compare("1.4 an unknown packet in a payload", "plain", async (t) => {
  for (const [what, body] of [
    ["at the end", '42["up",1]\x1ex'], ["in the middle", '42["up",1]\x1e7\x1e42["up",2]'], ["bad base64", "b***"], ["an empty one", '42["up",1]\x1e'],
    ["nothing", ""],
  ]) {
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
  const sent = {
    gzip: "gzip", deflate: "deflate", both: "gzip, deflate, br", br: "br", preferred: "deflate;q=1, gzip;q=0.5", refused: "gzip;q=0", any: "*", none: "identity",
  };
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
