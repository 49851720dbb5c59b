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

compare("6 revalidation", "plain", async (t) => {
  const { headers: { etag } } = await t.get("/socket.io/socket.io.js");
  for (const tag of [etag, `W/${etag}`, '"another"', "*", `"a", ${etag}`]) {
    const { status, headers, body } = await t.get("/socket.io/socket.io.js", { "if-none-match": tag });
    t.note(tag, [status, withoutEncoding(headers), body.length]);
  }
});

compare("6 compression of the bundle", "plain", async (t) => {
  for (const accepted of ["br", "gzip", "deflate", "gzip, deflate, br", "gzip;q=1, br;q=0.5", "identity", "*", ""]) {
    const { status, headers } = await t.get("/socket.io/socket.io.js", { "accept-encoding": accepted });
    t.note(accepted, [status, headers["content-encoding"] ?? "none"]);
  }
}, {
  "gzip, deflate, br": { why: "of what a browser takes as gladly, br is the smallest; the reference takes what is named first", reference: [200, "gzip"], ours: [200, "br"] },
});

compare("6 the method is not looked at", "plain", async (t) => {
  for (const method of ["POST", "PUT", "DELETE", "HEAD"]) {
    const { status, headers, body } = await t.request(method, "/socket.io/socket.io.min.js");
    t.note(method, [status, withoutEncoding(headers), body.length]);
  }
});
