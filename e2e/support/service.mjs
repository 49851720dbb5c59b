// The service under test: the real binary, on ports of its own.

import { createServer } from "node:net";

import { binary } from "./binaries.mjs";
import { Process } from "./process.mjs";

/**
 * fixedAddresses finds addresses to listen on, for a service that is to come back under the same ones. Their ports are below those that the
 * system gives to whoever connects: a client that keeps trying to connect to a service that is away could be given that very port.
 */
export async function fixedAddresses() {
  const [listen, grpcListen, adminListen] = await Promise.all([0, 1, 2].map(freeAddress));
  return { listen, grpcListen, adminListen };
}

async function freeAddress() {
  for (;;) {
    const port = 15_000 + Math.floor(Math.random() * 15_000);
    const free = await new Promise((resolve) => {
      const server = createServer().once("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
    });
    if (free) return `127.0.0.1:${port}`;
  }
}

/** What every service is started with that is not told otherwise. REALTIME_TEST_ENGINE chooses the engine that all tests run on. */
const DEFAULTS = {
  listen: "127.0.0.1:0", grpcListen: "127.0.0.1:0", adminListen: "127.0.0.1:0", engine: process.env.REALTIME_TEST_ENGINE || "auto", logFormat: "json",
};

const kebab = (name) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** Service is the running binary. */
export class Service {
  #process;
  #flags;
  /** The processes before the last restart. */
  #before = [];

  /** start starts it; flags are those of its command line in camel case, e.g. {pingInterval: "1s"}. */
  static async start(flags = {}) {
    const service = new Service(flags);
    await service.#begin();
    return service;
  }

  constructor(flags) {
    this.#flags = { ...DEFAULTS, ...flags };
  }

  async #begin() {
    const args = Object.entries(this.#flags).map(([name, value]) => `--${kebab(name)}=${value}`);
    this.#process = new Process("realtime-svc", binary("realtime-svc"), args);
    const started = await this.#process.line((line) => (line.includes('"msg":"started"') ? JSON.parse(line) : null), "the service to be started");
    /** Where it listens, as host:port. */
    this.edge = started.listen;
    this.grpc = started.grpc_listen;
    this.admin = started.admin_listen;
    /** Where it speaks HTTP with services, if it does. */
    this.http = started.http_listen;
    /** Where it serves WebTransport, if it does. */
    this.webtransport = started.webtransport_listen;
  }

  /** How often it was started. */
  get starts() {
    return this.#before.length + 1;
  }

  /** The address for browsers. */
  get url() {
    return `http://${this.edge}`;
  }

  get pid() {
    return this.#process.pid;
  }

  signal(name) {
    this.#process.signal(name);
  }

  /** logged resolves when it has logged a message, since its last start. */
  logged(message) {
    return this.#process.line((line) => line.includes(`"msg":${JSON.stringify(message)}`) || null, `the log to say ${message}`);
  }

  /** kill ends it as a crash would. */
  async kill() {
    await this.#process.end("SIGKILL");
  }

  /** terminate asks it to end and resolves to {code, ms}: its exit code and how long it took. */
  async terminate() {
    const begin = performance.now();
    const { code } = await this.#process.end("SIGTERM");
    return { code, ms: performance.now() - begin };
  }

  /** restart starts it again after its end, with further flags. */
  async restart(flags = {}) {
    Object.assign(this.#flags, flags);
    this.#before.push(this.#process);
    await this.#begin();
  }

  /** close ends it if it is still there. */
  close() {
    return this.#process.end("SIGKILL");
  }

  /** tail is the end of its log, and of those before a restart. */
  tail() {
    return [...this.#before, this.#process].map((one) => one.tail()).join("\n");
  }
}
