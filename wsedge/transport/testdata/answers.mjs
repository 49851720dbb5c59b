// Writes answers.json: what the reference answers to every combination of what its checks look at (PROTOCOL 1.2).
// Run where the npm package is installed: node answers.mjs > answers.json   (socket.io 4.8.4: engine.io 6.6)
import http from "node:http";
import net from "node:net";
import { createRequire } from "node:module";
const { Server } = createRequire(process.cwd() + "/")("socket.io");

const server = http.createServer();
new Server(server);
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const port = server.address().port;
const webSocket = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

// send resolves to the answer's status and body, without chunks, or to status 0 when there is none within 150 ms.
const send = (head, body = "") => new Promise((done) => {
  const socket = net.connect(port, "127.0.0.1");
  let text = "";
  const end = () => {
    socket.destroy();
    const [headers, ...rest] = text.split("\r\n\r\n");
    let payload = rest.join("\r\n\r\n");
    if (/transfer-encoding: chunked/i.test(headers)) payload = payload.split("\r\n")[1];
    const status = Number(headers.split(" ")[1] || 0);
    done({ status, type: (/^content-type: (.*)$/im.exec(headers) || [])[1] || "", body: status === 101 ? "" : payload });
  };
  socket.on("data", (chunk) => { text += chunk.toString("latin1"); if (/\r\n\r\n/.test(text)) setTimeout(end, 5); });
  socket.on("error", () => {});
  setTimeout(end, 150);
  socket.write(head + "\r\n" + body);
});

const rows = [];
const tasks = [];
for (const method of ["GET", "POST", "PUT", "OPTIONS"])
  for (const upgrade of [false, true])
    for (const transport of ["polling", "websocket", "webtransport", "", "__proto__"])
      for (const sid of ["", "live", "unknown", "__proto__"])
        for (const eio of ["4", "3", ""]) tasks.push({ method, upgrade, transport, sid, eio });
for (const task of tasks) {
  let sid = task.sid;
  if (sid === "live") sid = JSON.parse((await send("GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n")).body.slice(1)).sid;
  const query = [task.eio && "EIO=" + task.eio, task.transport && "transport=" + task.transport, sid && "sid=" + sid].filter(Boolean).join("&");
  const length = task.upgrade ? "" : "Content-Length: 1\r\n";
  const answer = await send(`${task.method} /socket.io/?${query} HTTP/1.1\r\nHost: x\r\n${task.upgrade ? webSocket : length}`, task.upgrade ? "" : "4");
  answer.body = answer.body.replace(/"sid":"[^"]*"/, '"sid":"SID"');
  rows.push({ ...task, ...answer });
}
console.log("[\n" + rows.map((row) => JSON.stringify(row)).join(",\n") + "\n]");
process.exit(0);
