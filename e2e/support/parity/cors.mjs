// PROTOCOL 1.9: CORS and the cookie.

import { compare } from "./compare.mjs";
import { withoutEncoding } from "./toolkit.mjs";

const A = "https://a.example";
const ORIGINS = { "an origin that may": A, "another that may": "https://b.example", "one that may not": "https://c.example", "none": undefined, "null": "null" };
const preflight = { "access-control-request-method": "POST", "access-control-request-headers": "x-one, content-type" };

for (const setup of ["plain", "corsAny", "corsFixed", "corsList", "corsReflect", "corsAll"]) {
  for (const [what, origin] of Object.entries(ORIGINS)) {
    const headers = origin === undefined ? {} : { origin };
    compare(`1.9 ${setup}: ${what}`, setup, async (t) => {
      t.note("handshake", await t.get(t.path(), headers));
      const session = await t.session();
      t.note("post", await t.post(session.path, "40", headers));
      t.note("get", await t.get(session.path, headers));
      t.note("refused", await t.get("/socket.io/?EIO=4", headers));
      t.note("unknown sid", await t.get("/socket.io/?EIO=4&transport=polling&sid=nobody", headers));
      t.note("preflight", await t.request("OPTIONS", t.path(), { headers: { ...headers, ...preflight } }));
      t.note("preflight of a session", await t.request("OPTIONS", session.path, { headers: { ...headers, "access-control-request-method": "POST" } }));
      t.note("options", await t.request("OPTIONS", t.path(), { headers }));
      t.note("bundle", withoutEncoding((await t.request("HEAD", "/socket.io/socket.io.min.js", { headers })).headers));
      t.note("upgrade", (await t.webSocket({ headers })).answer.toLowerCase().split("\r\n").filter((line) => /^(http|access-|vary)/.test(line)).sort());
      t.note("upgrade refused", await t.refusedUpgrade("/socket.io/?EIO=4", headers));
    });
  }
}

compare("1.9 the cookie is set with the first answer to a poll", "cookie", async (t) => {
  const session = await t.session();
  t.note("first", session.first);
  t.note("post", await t.post(session.path, "40"));
  t.note("get", await t.get(session.path));
  t.note("WebSocket", /set-cookie/i.test((await t.webSocket()).answer));
  t.note("refused", await t.get("/socket.io/?EIO=4"));
  t.note("revision 3", (await t.get(t.path("polling", { eio: 3 }))).headers);
});
