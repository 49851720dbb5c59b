// What a scenario of the comparison works with: raw HTTP and WebSocket, and a transcript of what came back.

import { head, opcode, Raw, RawWebSocket, upgrade } from "../raw.mjs";

/** The headers of an answer that a client can notice. Others differ between HTTP servers and mean nothing here. */
const NOTED = [
  "content-type", "cache-control", "set-cookie", "vary", "content-encoding", "etag", "x-xss-protection", "content-security-policy", "location",
];
const noted = (name) => NOTED.includes(name) || name.startsWith("access-control-") || name.startsWith("sec-websocket-ext");

/** steady takes out of a text what is another one each time: ids, and the value of the cookie that holds one. */
export function steady(text) {
  return text
    .replace(/(\\?")(sid|pid)\1:\1[\w-]{20}\1/g, "$1$2$1:$1<id>$1")
    .replace(/\b(\w+)=[\w-]{20};/g, "$1=<id>;");
}

/** Our bundle is said to vary with Accept-Encoding; one scenario shows it, the others do without. */
export const ENCODING = "Accept-Encoding";
export function withoutEncoding({ vary, ...headers }) {
  const left = (vary ?? "").split(/,\s*/).filter((one) => one !== "" && one !== ENCODING).join(", ");
  return left === "" ? headers : { ...headers, vary: left };
}

/** Toolkit talks to one target and keeps the transcript: what was noted under which label. */
export class Toolkit {
  #opened = [];
  /** [label, value] in the order in which they were noted. */
  transcript = [];

  constructor(target) {
    this.target = target;
  }

  note(label, value) {
    this.transcript.push([label, value]);
  }

  /** raw opens a TCP connection. */
  async raw() {
    const raw = await Raw.open(this.target.edge);
    this.#opened.push(raw);
    return raw;
  }

  /** begin sends a request on a connection of its own and returns its exchange before the answer is there. */
  async begin(method, path, { headers = {}, body, chunks } = {}) {
    const raw = await this.raw();
    const length = body === undefined ? {} : { "content-length": Buffer.byteLength(body) };
    raw.send(head(method, path, { ...length, ...(chunks && { "transfer-encoding": "chunked" }), ...headers }));
    if (body !== undefined) raw.send(body);
    for (const chunk of chunks ?? []) {
      raw.send(`${Buffer.byteLength(chunk).toString(16)}\r\n`);
      raw.send(chunk).send("\r\n");
    }
    if (chunks) raw.send("0\r\n\r\n");
    return new Exchange(raw, method);
  }

  /** request resolves to what can be noted of the answer. */
  async request(method, path, options) {
    return (await this.begin(method, path, options)).answer();
  }

  get(path, headers) {
    return this.request("GET", path, { headers });
  }

  post(path, body, headers) {
    return this.request("POST", path, { body, headers });
  }

  /** path is that of a request to the engine. */
  path(transport = "polling", { eio = 4, sid, more = "" } = {}) {
    return `/socket.io/?EIO=${eio}&transport=${transport}${sid ? `&sid=${sid}` : ""}${more}`;
  }

  /** session opens one by polling: {sid, path, first}, where first is the answer. */
  async session({ eio = 4, more = "" } = {}) {
    const exchange = await this.begin("GET", this.path("polling", { eio, more }));
    const first = await exchange.answer({ plain: true });
    const sid = /"sid\\?":\\?"([\w-]{20})/.exec(first.body)?.[1];
    if (!sid) throw new Error(`no session was opened: ${JSON.stringify(first)}`);
    return { sid, eio, path: this.path("polling", { eio, sid, more }), first: { ...first, body: steady(first.body) } };
  }

  /** entered opens a session by polling that is in the main namespace; it has the socket's id too. */
  async entered() {
    const session = await this.session();
    await this.post(session.path, "40");
    const { body } = await (await this.begin("GET", session.path)).answer({ plain: true });
    return { ...session, socketId: JSON.parse(body.slice(2)).sid };
  }

  /** alive says of a session by polling whether it still is, and what it answers otherwise. */
  async alive({ path }) {
    const post = await this.post(path, "40/nowhere,");
    if (post.status !== 200) return `${post.status} ${post.body}`;
    return (await this.get(path)).body.includes("44/nowhere,") ? "alive" : "it answers, but not with what was asked";
  }

  /** webSocket opens one; it is past the open packet unless open is false. */
  async webSocket({ eio = 4, sid, more = "", headers, open = !sid, path = this.path("websocket", { eio, sid, more }) } = {}) {
    const ws = await RawWebSocket.open(this.target.edge, path, headers);
    this.#opened.push(ws);
    if (open) ws.open = await ws.nextText();
    return ws;
  }

  /** joined opens a WebSocket that is in the main namespace; ws.socketId is its id there. */
  async joined(options) {
    const ws = await this.webSocket(options);
    ws.text("40");
    ws.connect = await ws.nextText();
    ws.socketId = JSON.parse(ws.connect.slice(2)).sid;
    return ws;
  }

  /** refusedUpgrade asks for a WebSocket and resolves to the answer, which is to be a refusal. */
  async refusedUpgrade(path, headers) {
    const raw = await this.raw();
    raw.send(upgrade(path, headers));
    return new Exchange(raw, "GET").answer();
  }

  /** frames resolves to the next n frames, or those until a close frame, as texts. */
  async frames(ws, n = Infinity) {
    const seen = [];
    while (seen.length < n) {
      const frame = await ws.next().catch((error) => {
        if (/connection ended/.test(error.message)) return null;
        throw error;
      });
      if (!frame) return [...seen, "the connection ends"];
      seen.push(shown(frame));
      if (frame.op === opcode.close) {
        ws.send(opcode.close, frame.payload);
        return seen;
      }
    }
    return seen;
  }

  /** until resolves to what a WebSocket shows until it has answered a question that is always answered, and "alive", or has closed. */
  async until(ws, question = "40/nowhere,", answer = /^44\/nowhere,/) {
    ws.text(question);
    const seen = [];
    for (;;) {
      const [one] = await this.frames(ws, 1);
      if (answer.test(one)) return [...seen, "alive"];
      seen.push(one);
      if (/^(close|the connection ends)/.test(one)) return seen;
    }
  }

  close() {
    for (const one of this.#opened) one.close();
  }
}

function shown({ op, payload }) {
  if (op === opcode.text) return steady(payload.toString());
  if (op === opcode.close) return `close ${payload.length >= 2 ? payload.readUInt16BE() : 1005}`;
  const kind = Object.entries(opcode).find(([, code]) => code === op)?.[0] ?? op;
  return `${kind} ${payload.toString("hex")}`;
}

/** Exchange is a request whose answer may take its time. */
class Exchange {
  constructor(raw, method) {
    this.raw = raw;
    this.method = method;
  }

  /** answer resolves to {status, headers, body}; plain leaves ids in the body. */
  async answer({ plain = false } = {}) {
    const { status, headers, body } = await this.#read();
    const kept = Object.fromEntries(Object.entries(headers).filter(([name]) => noted(name)).map(([name, value]) => [name, steady(value)]));
    if (/close/i.test(headers.connection ?? "")) kept.connection = "close"; // keep-alive goes without saying
    const text = body.toString(/octet-stream|gzip|deflate|br/.test(`${headers["content-type"]} ${headers["content-encoding"]}`) ? "latin1" : "utf8");
    return { status, headers: kept, body: plain ? text : steady(text) };
  }

  /** ended says how it ended that is not answered. */
  async ended() {
    const bytes = await this.raw.end();
    return bytes.length === 0 ? "closed without an answer" : `closed after ${bytes.toString("latin1").split("\r\n")[0]}`;
  }

  async #read() {
    const start = await this.raw.received((bytes) => {
      const end = bytes.indexOf("\r\n\r\n");
      return end < 0 ? null : bytes.subarray(0, end + 4).toString("latin1");
    }, `an answer to ${this.method}`);
    this.raw.take(start.length);
    const [line, ...lines] = start.trimEnd().split("\r\n");
    const headers = {};
    for (const one of lines) {
      const [, name, value] = /^([^:]+):\s*(.*)$/.exec(one);
      const key = name.toLowerCase();
      headers[key] = key in headers ? `${headers[key]}, ${value}` : value;
    }
    const status = Number(line.split(" ")[1]);
    return { status, headers, body: await this.#body(status, headers) };
  }

  async #body(status, headers) {
    if (this.method === "HEAD" || status === 204 || status === 304 || status === 101) return Buffer.alloc(0);
    if (/chunked/i.test(headers["transfer-encoding"] ?? "")) return this.#chunks();
    if (headers["content-length"] === undefined) return this.raw.end();
    const length = Number(headers["content-length"]);
    await this.raw.received((bytes) => (bytes.length >= length ? true : null), "the body");
    return this.raw.take(length);
  }

  async #chunks() {
    const parts = [];
    for (;;) {
      const line = await this.raw.received((bytes) => {
        const end = bytes.indexOf("\r\n");
        return end < 0 ? null : bytes.subarray(0, end + 2).toString("latin1");
      }, "a chunk");
      const length = parseInt(line, 16);
      const whole = line.length + length + 2;
      await this.raw.received((bytes) => (bytes.length >= whole ? true : null), "the rest of a chunk");
      parts.push(this.raw.take(whole).subarray(line.length, line.length + length));
      if (length === 0) return Buffer.concat(parts);
    }
  }
}
