// PROTOCOL 6: the client bundle.

import { compare } from "./compare.mjs";
import { ENCODING, withoutEncoding } from "./toolkit.mjs";

compare("6 the bundle varies with Accept-Encoding", "plain", async (t) => {
  t.note("vary", (await t.get("/socket.io/socket.io.js")).headers.vary ?? "nothing");
}, { vary: { why: "a cache between may not give compressed bytes to who cannot read them", reference: "nothing", ours: ENCODING } });

const FILES = ["socket.io", "socket.io.min", "socket.io.esm.min", "socket.io.msgpack.min"].flatMap((name) => [`${name}.js`, `${name}.js.map`]);

compare("6 the files of the bundle", "plain", async (t) => {
  for (const file of FILES) {
    const { status, headers, body } = await t.get(`/socket.io/${file}?v=1`);
    t.note(file, [status, withoutEncoding(headers), body.length, body.slice(0, 200)]);
  }
});

compare("6 names that are not in the bundle", "plain", async (t) => {
  for (const file of ["socket.io.slim.js", "socket.io.msgpack.js", "nothing.js", "socket.io.min.js/", "SOCKET.IO.js", "../socket.io.js", "socket.io.js.map.map"]) {
    t.note(file, await t.get(`/socket.io/${file}`));
  }
});

const VALIDATED = {
  why: "RFC 9110 15.4.5: a 304 carries the ETag and Cache-Control that a 200 would", reference: [304, {}, 0],
  ours: [304, { "cache-control": "public, max-age=0", etag: '"4.8.4"' }, 0],
};
compare("6 revalidation", "plain", async (t) => {
  const { headers: { etag } } = await t.get("/socket.io/socket.io.js");
  for (const tag of [etag, `W/${etag}`, '"another"', "*", `"a", ${etag}`]) {
    const { status, headers, body } = await t.get("/socket.io/socket.io.js", { "if-none-match": tag });
    t.note(tag, [status, withoutEncoding(headers), body.length]);
  }
}, { '"4.8.4"': VALIDATED, 'W/"4.8.4"': VALIDATED });

compare("6 compression of the bundle", "plain", async (t) => {
  for (const accepted of ["br", "gzip", "deflate", "gzip, deflate, br", "gzip;q=1, br;q=0.5", "identity", "*", ""]) {
    const { status, headers } = await t.get("/socket.io/socket.io.js", { "accept-encoding": accepted });
    t.note(accepted, [status, withoutEncoding(headers)]);
  }
});

compare("6 the method is not looked at", "plain", async (t) => {
  for (const method of ["POST", "PUT", "DELETE", "HEAD"]) {
    const { status, headers, body } = await t.request(method, "/socket.io/socket.io.min.js");
    t.note(method, [status, withoutEncoding(headers), body.length]);
  }
});
