// WebTransport clients: the stock client in a page of a real browser, and a certificate that the page takes by its hash.

import { execFileSync } from "node:child_process";
import { createHash, X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { bundle } from "./browser.mjs";
import { DEADLINE, Inbox } from "./inbox.mjs";

/** The ways in which a page may come to WebTransport. */
export const modes = [
  { name: "WebTransport only", transports: ["webtransport"] },
  { name: "polling, then upgraded", transports: ["polling", "webtransport"] },
];

/** Certificate is a self-signed one, as browsers take it by its hash: ECDSA with P-256, valid for less than 14 days. */
export class Certificate {
  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), "realtime-cert-"));
    /** The files. */
    this.cert = join(this.folder, "tls.crt");
    this.key = join(this.folder, "tls.key");
    execFileSync("openssl", [
      "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "13", "-subj", "/CN=localhost",
      "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", this.key, "-out", this.cert,
    ], { stdio: "pipe" });
    /** What the page is given: SHA-256 of the certificate, in base64. */
    this.hash = createHash("sha256").update(new X509Certificate(readFileSync(this.cert)).raw).digest("base64");
  }

  remove() {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Guest is one socket of the stock client in a page of its own. */
export class Guest {
  /** What has come: {name, args}. Whoever asks for an acknowledgement gets the arguments back. */
  events = new Inbox("the events of a page");
  /** What the page said that it should not have. */
  complaints = [];
  /** The id that it has, or had when it was connected last. */
  id;
  #lifecycle = new Inbox("the connection of a page");

  /** open starts a page that connects to url. options are those of the stock client. */
  static async open(browser, url, certificate, options) {
    const guest = new Guest();
    guest.page = await browser.newPage();
    guest.page.setDefaultTimeout(DEADLINE);
    guest.page.on("pageerror", ({ message }) => guest.#complain(message));
    await guest.page.exposeFunction("report", (kind, content) => guest.#heard(kind, unpacked(content)));
    // Any page will do that comes from this machine, a 404 as well: Chromium lets no other connect to it.
    await guest.page.goto(url);
    await guest.page.addScriptTag({ path: bundle });
    await guest.page.evaluate(inPage, { url, hash: certificate.hash, options });
    return guest;
  }

  // The stock client does not catch what its promises are rejected with when a session ends, or does not begin.
  #complain(message) {
    if (!/session is closed|connection lost|aborted by the remote server|opening handshake failed/i.test(message)) this.complaints.push(message);
  }

  #heard(kind, content) {
    if (kind === "event") return this.events.push({ name: content[0], args: content.slice(1) });
    if (kind === "connect") this.id = content.id;
    return this.#lifecycle.push({ kind, ...content });
  }

  /** connected resolves when the socket is, and rejects if it is refused. */
  async connected() {
    const { kind, message } = await this.#lifecycle.take(({ kind }) => kind !== "disconnect", "to be connected");
    if (kind === "refused") throw new Error(message);
    return this;
  }

  /** settled resolves when the socket is connected and carried by WebTransport. */
  async settled() {
    await this.connected();
    return this.carried();
  }

  /** carried resolves when WebTransport carries the connection. */
  async carried() {
    await this.page.waitForFunction(() => window.socket.io.engine.transport.name === "webtransport");
    return this;
  }

  /** refused resolves to the text of connect_error. */
  async refused() {
    return (await this.#lifecycle.take(({ kind }) => kind === "refused", "to be refused")).message;
  }

  /** disconnected resolves to the reason of the next disconnect. */
  async disconnected() {
    return (await this.#lifecycle.take(({ kind }) => kind === "disconnect", "to be disconnected")).reason;
  }

  next(name) {
    return this.events.take((event) => event.name === name, `the event ${name}`);
  }

  emit(name, ...args) {
    return this.page.evaluate((packed) => window.socket.emit(...window.unpacked(packed)), packed([name, ...args]));
  }

  /** ask emits an event and resolves with the arguments of its acknowledgement. */
  async ask(name, ...args) {
    return unpacked(await this.page.evaluate((packed) => window.ask(...window.unpacked(packed)), packed([name, ...args])));
  }

  /** count has the page emit name with 0, 1, 2 and so on, so many times, as fast as it can. */
  count(name, times) {
    return this.page.evaluate(([name, times]) => { for (let i = 0; i < times; i++) window.socket.emit(name, i); }, [name, times]);
  }

  disconnect() {
    return this.page.evaluate(() => void window.socket.disconnect());
  }

  async close() {
    if (this.page.isClosed()) return;
    await this.page.evaluate(() => window.socket.io.engine?.close());
    await this.page.close();
  }
}

/** packed and unpacked carry binary through JSON, as {$binary: base64}. */
function packed(value) {
  if (value instanceof Uint8Array) return { $binary: Buffer.from(value).toString("base64") };
  if (Array.isArray(value)) return value.map(packed);
  if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, packed(one)]));
  return value;
}

function unpacked(value) {
  if (Array.isArray(value)) return value.map(unpacked);
  if (!value || typeof value !== "object") return value;
  if (typeof value.$binary === "string") return Buffer.from(value.$binary, "base64");
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, unpacked(one)]));
}

/** inPage runs in the page: it connects, and reports whatever happens. */
function inPage({ url, hash, options }) {
  const bytes = (base64) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const base64 = (array) => btoa(Array.from(array, (byte) => String.fromCharCode(byte)).join(""));
  window.unpacked = (value) => {
    if (Array.isArray(value)) return value.map(window.unpacked);
    if (!value || typeof value !== "object") return value;
    if (typeof value.$binary === "string") return bytes(value.$binary);
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, window.unpacked(one)]));
  };
  const packed = (value) => {
    if (value instanceof ArrayBuffer) return { $binary: base64(new Uint8Array(value)) };
    if (Array.isArray(value)) return value.map(packed);
    if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, packed(one)]));
    return value;
  };
  const socket = (window.socket = window.io(url, {
    forceNew: true, reconnection: false, ...options,
    transportOptions: { webtransport: { serverCertificateHashes: [{ algorithm: "sha-256", value: bytes(hash) }] } },
  }));
  window.ask = (name, ...args) => new Promise((resolve) => socket.emit(name, ...args, (...answer) => resolve(packed(answer))));
  socket.on("connect", () => window.report("connect", { id: socket.id }));
  socket.on("connect_error", (error) => window.report("refused", { message: String(error.message) }));
  socket.on("disconnect", (reason) => window.report("disconnect", { reason }));
  socket.onAny((name, ...args) => {
    const ack = typeof args.at(-1) === "function" ? args.pop() : null;
    window.report("event", packed([name, ...args]));
    ack?.(...args);
  });
}
