// Node's socket.io under test. It does by itself what realtime-svc is told over gRPC: one line of JSON on its standard input is one command,
// one line of output says that it is done.

import { createInterface } from "node:readline";
import { Server } from "socket.io";

const io = new Server(0, { transports: ["polling", "websocket"], maxHttpBufferSize: 1e6 });
io.on("connection", (socket) => {
  socket.join(["all", `room ${Math.floor(Math.random() * 100)}`]);
  socket.on("ask", (n, answer) => answer(n));
});

let stop = false;
const commands = {
  /** fanout emits flat out until it is told to stop. */
  async fanout({ padding }) {
    const text = "x".repeat(padding);
    let n = 0;
    for (stop = false; !stop;) {
      io.to("all").emit("m", ++n, text);
      await new Promise((resolve) => setImmediate(resolve));
    }
    return n;
  },
  /** offer emits at a rate; each event carries when it was due, in microseconds since 1970. */
  offer({ rate, ms, padding }) {
    const text = "x".repeat(padding);
    const begun = performance.timeOrigin + performance.now();
    const count = Math.floor((rate * ms) / 1000);
    return new Promise((resolve) => {
      let n = 0;
      const next = () => {
        while (n < count && performance.timeOrigin + performance.now() >= begun + (n * 1000) / rate) {
          io.to("all").emit("m", Math.round((begun + (n * 1000) / rate) * 1000), text);
          n++;
        }
        if (n < count) setTimeout(next, 1);
        else resolve(n);
      };
      next();
    });
  },
  /** burst emits so many bytes to everybody, in messages of 64 KiB. */
  burst({ bytes }) {
    const text = "x".repeat(65_536);
    let n = 0;
    for (; n * 65_536 < bytes; n++) io.to("all").emit("m", n + 1, text);
    return n;
  },
  stop() {
    stop = true;
    return 0;
  },
};

io.httpServer.on("listening", () => console.log(`listening ${io.httpServer.address().port}`));
createInterface(process.stdin).on("line", async (line) => {
  const { command, ...more } = JSON.parse(line);
  console.log(`done ${command} ${await commands[command](more)}`);
});
