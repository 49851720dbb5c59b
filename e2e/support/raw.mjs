// Bytes on a TCP connection, for what no well-behaved client sends.

import { randomBytes } from "node:crypto";
import { connect } from "node:net";

import { within } from "./inbox.mjs";

/** Raw is a TCP connection and everything that has come over it. */
export class Raw {
  #socket;
  #received = Buffer.alloc(0);
  #wake = () => {};

  /** Resolves when the connection has ended, from whichever side and however. */
  closed;

  static async open(address, options = {}) {
    const { hostname: host, port } = new URL(`tcp://${address}`);
    const raw = new Raw(connect({ host, port: Number(port), ...options }));
    await within(new Promise((resolve, reject) => raw.#socket.once("connect", resolve).once("error", reject)), `a connection to ${address}`);
    return raw;
  }

  constructor(socket) {
    this.#socket = socket;
    this.closed = new Promise((resolve) => socket.once("close", resolve));
    socket.on("error", () => {}); // a reset is an answer as good as any
    socket.on("data", (data) => {
      this.#received = Buffer.concat([this.#received, data]);
      this.#wake();
    });
    socket.on("close", () => this.#wake());
  }

  send(data) {
    this.#socket.write(data);
    return this;
  }

  /** sent resolves when the kernel has taken everything, or the connection has ended. */
  sent(data) {
    return within(Promise.race([new Promise((resolve) => this.#socket.write(data, () => resolve())), this.closed]), "bytes to be taken");
  }

  /** received resolves to pick's first result that is not null or undefined, called with all bytes so far whenever there are more. */
  received(pick, what = "an answer") {
    const look = async () => {
      for (;;) {
        const found = pick(this.#received);
        if (found != null) return found;
        if (this.#socket.closed) throw new Error(`the connection ended before ${what} came, after ${JSON.stringify(this.text.slice(0, 300))}`);
        await new Promise((resolve) => { this.#wake = resolve; });
      }
    };
    return within(look(), what);
  }

  /** end resolves to everything that came, once the other side has closed. */
  async end() {
    await within(this.closed, `the connection to be closed after ${JSON.stringify(this.text.slice(0, 300))}`);
    return this.#received;
  }

  /** take removes n bytes from what has come. */
  take(n) {
    const taken = this.#received.subarray(0, n);
    this.#received = this.#received.subarray(n);
    return taken;
  }

  get text() {
    return this.#received.toString("latin1");
  }

  /** reset breaks the connection off. */
  reset() {
    this.#socket.resetAndDestroy();
  }

  close() {
    this.#socket.destroy();
  }
}

/** head writes the head of a request. */
export function head(method, path, headers = {}) {
  const lines = Object.entries({ host: "x", ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n`;
}

/** upgrade is the head that asks for a WebSocket. */
export function upgrade(path = "/socket.io/?EIO=4&transport=websocket", headers = {}) {
  return head("GET", path, {
    "connection": "Upgrade",
    "upgrade": "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": randomBytes(16).toString("base64"),
    ...headers,
  });
}

export const opcode = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 };

/** frame writes a WebSocket frame; more breaks the rules: mask false, rsv bits, a length that is not the payload's. */
export function frame(op, payload = "", { fin = true, mask = true, rsv = 0, length } = {}) {
  const data = Buffer.from(payload);
  const size = BigInt(length ?? data.length);
  const start = [(fin ? 0x80 : 0) | (rsv << 4) | op];
  const masked = mask ? 0x80 : 0;
  let extended = Buffer.alloc(0);
  if (size < 126n) {
    start.push(masked | Number(size));
  } else if (size < 65_536n) {
    start.push(masked | 126);
    extended = Buffer.alloc(2);
    extended.writeUInt16BE(Number(size));
  } else {
    start.push(masked | 127);
    extended = Buffer.alloc(8);
    extended.writeBigUInt64BE(size);
  }
  const key = mask ? randomBytes(4) : Buffer.alloc(0);
  if (mask) for (let i = 0; i < data.length; i++) data[i] ^= key[i % 4];
  return Buffer.concat([Buffer.from(start), extended, key, data]);
}

/** RawWebSocket is a connection that has become a WebSocket. */
export class RawWebSocket {
  static async open(address, path, headers) {
    const raw = await Raw.open(address);
    raw.send(upgrade(path, headers));
    const answer = await raw.received((bytes) => {
      const end = bytes.indexOf("\r\n\r\n");
      return end < 0 ? null : bytes.subarray(0, end + 4).toString("latin1");
    }, "the answer to the upgrade");
    raw.take(answer.length);
    return new RawWebSocket(raw, answer);
  }

  constructor(raw, answer) {
    this.raw = raw;
    this.answer = answer;
  }

  send(op, payload, options) {
    this.raw.send(frame(op, payload, options));
    return this;
  }

  text(payload) {
    return this.send(opcode.text, payload);
  }

  /** next resolves to the next frame, {op, payload}. */
  next() {
    return this.raw.received((bytes) => {
      if (bytes.length < 2) return null;
      const short = bytes[1] & 0x7f;
      const [start, length] = short < 126 ? [2, short]
        : short === 126 ? [4, bytes.length < 4 ? Infinity : bytes.readUInt16BE(2)]
          : [10, bytes.length < 10 ? Infinity : Number(bytes.readBigUInt64BE(2))];
      if (bytes.length < start + length) return null;
      this.raw.take(start + length);
      return { op: bytes[0] & 0x0f, payload: bytes.subarray(start, start + length) };
    }, "a frame");
  }

  /** joined sends what a client sends to be in the main namespace and resolves to the socket's id. */
  async joined() {
    await this.nextText(); // the open packet
    this.text("40");
    return JSON.parse((await this.nextText()).slice(2)).sid;
  }

  async nextText() {
    const { op, payload } = await this.next();
    if (op !== opcode.text) throw new Error(`a frame of type ${op} came: ${payload.toString("latin1")}`);
    return payload.toString();
  }

  /**
   * closeCode resolves to the code of the close frame, 1005 if it has none, 1006 if the connection ends without one. It answers as clients do,
   * after which the server ends the connection.
   */
  async closeCode({ answer = true } = {}) {
    for (;;) {
      const got = await this.next().catch((error) => {
        if (/connection ended/.test(error.message)) return null;
        throw error;
      });
      if (!got) return 1006;
      if (got.op !== opcode.close) continue;
      if (answer) this.send(opcode.close, got.payload);
      return got.payload.length >= 2 ? got.payload.readUInt16BE() : 1005;
    }
  }

  close() {
    this.raw.close();
  }
}
