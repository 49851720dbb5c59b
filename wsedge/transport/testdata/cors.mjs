// Writes cors.json: what the reference answers under each kind of `cors` option (PROTOCOL 1.9).
// Run where the npm package is installed: node cors.mjs > cors.json   (socket.io 4.8.4: engine.io 6.6, cors 2.8)
import http from "node:http";
import { createRequire } from "node:module";
const { Server } = createRequire(process.cwd() + "/")("socket.io");

const options = {
  empty: {},
  star: { origin: "*" },
  fixed: { origin: "https://app.example" },
  reflect: { origin: true },
  off: { origin: false },
  list: { origin: ["https://app.example", "https://b.example"] },
  pattern: { origin: /^https:\/\/[a-z]+\.example$/ },
  mixed: { origin: ["https://app.example", /\.test$/] },
  function: { origin: (origin, done) => done(null, origin === "https://app.example") },
  credentials: { origin: true, credentials: true },
  everything: {
    origin: "https://app.example", credentials: true, methods: ["GET", "POST"], allowedHeaders: ["X-A", "X-B"],
    exposedHeaders: ["X-C", "X-D"], maxAge: 600,
  },
  zeroAge: { origin: true, maxAge: 0 },
};
const engine = "/socket.io/?EIO=4&transport=polling";
const requests = {
  handshake: ["GET", engine],
  refusal: ["GET", "/socket.io/?EIO=4&transport=tcp"],
  bundle: ["GET", "/socket.io/socket.io.min.js"],
  preflight: ["OPTIONS", engine + "&sid=nobody", { "access-control-request-method": "POST", "access-control-request-headers": "x-token, x-b" }],
  barePreflight: ["OPTIONS", "/socket.io/"],
  bundlePreflight: ["OPTIONS", "/socket.io/socket.io.min.js", { "access-control-request-headers": "x-token" }],
};
const origins = { none: undefined, allowed: "https://app.example", other: "https://evil.invalid", "null": "null" };
const wanted = /^(access-control-.*|vary|content-length)$/;

const rows = [];
for (const [name, cors] of Object.entries(options)) {
  const server = http.createServer();
  const io = new Server(server, { cors });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  for (const [request, [method, path, extra]] of Object.entries(requests)) {
    for (const [from, origin] of Object.entries(origins)) {
      const headers = { "x-unused": "1", ...extra, ...(origin && { origin }) };
      const row = await new Promise((done, fail) => {
        http.request({ port: server.address().port, host: "127.0.0.1", method, path, headers, agent: false }, (res) => {
          const kept = Object.fromEntries(Object.entries(res.headers).filter(([k]) => wanted.test(k) &&
            (k !== "content-length" || method === "OPTIONS" && res.statusCode === 204)).sort());
          res.resume();
          res.on("end", () => done({ options: name, request, from, method, path, sent: headers, status: res.statusCode, headers: kept }));
        }).on("error", fail).end();
      });
      delete row.sent["x-unused"];
      rows.push(row);
    }
  }
  io.close();
}
console.log("[\n" + rows.map((row) => JSON.stringify(row)).join(",\n") + "\n]");
process.exit(0);
