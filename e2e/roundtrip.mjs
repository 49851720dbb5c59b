// Round trips of acknowledgements: the same client asks Node's socket.io, which answers in its own process, and realtime-svc, whose answer
// comes from a member of a consumer group in another process, in turn, round after round. Run it with make roundtrip.

import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";

import { Client, websocket } from "./support/clients.mjs";
import { Process } from "./support/process.mjs";
import { Service } from "./support/service.mjs";

const ROUNDS = Number(process.env.ROUNDS ?? 5);
const ASKED = Number(process.env.ASKED ?? 5_000);

/** percentile of sorted times. */
const percentile = (times, p) => times[Math.min(times.length - 1, Math.floor(times.length * p))];

/** measure asks one question after the other and returns the times in ms. */
async function measure(client) {
  const times = [];
  for (let n = 0; n < ASKED; n++) {
    const begun = performance.now();
    await client.ask("ask", n);
    times.push(performance.now() - begun);
  }
  return times;
}

if (process.argv[2] === "node") {
  const { Server } = await import("socket.io");
  const server = new Server(0, { transports: ["websocket"] });
  server.on("connection", (socket) => socket.on("ask", (n, answer) => answer(n)));
  process.send(server.httpServer.address().port);
} else {
  const self = fileURLToPath(import.meta.url);
  const node = fork(self, ["node"]);
  const port = await new Promise((resolve) => node.once("message", resolve));
  const service = await Service.start();
  const worker = fileURLToPath(new URL("support/worker.mjs", import.meta.url));
  const quiet = new Process("worker", process.execPath, [worker, service.grpc, JSON.stringify({ group: "g", eventNames: ["ask"], kinds: ["EVENT_KIND_RECEIVED"] }), "answer"]);
  await quiet.line((line) => line.includes("opened") || null, "it to be a member");
  const clients = {
    "socket.io 4.8.4, answered in its process": await Client.connect(`http://127.0.0.1:${port}`, websocket).connected(),
    "realtime-svc, answered in another process": await Client.connect(service.url, websocket).connected(),
  };
  const times = Object.fromEntries(Object.keys(clients).map((name) => [name, []]));
  for (const client of Object.values(clients)) await measure(client); // warm
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, client] of Object.entries(clients)) times[name].push(...(await measure(client)));
  }
  console.log(`${ROUNDS} rounds of ${ASKED} questions, one at a time\\n\\n| server | p50 | p99 | p99.9 |\\n|---|---|---|---|`.replaceAll("\\n", "\n"));
  for (const [name, list] of Object.entries(times)) {
    list.sort((a, b) => a - b);
    console.log(`| ${name} | ${[0.5, 0.99, 0.999].map((p) => `${percentile(list, p).toFixed(3)} ms`).join(" | ")} |`);
  }
  for (const client of Object.values(clients)) client.close();
  node.kill();
  await quiet.end();
  await service.close();
  process.exit(0);
}
