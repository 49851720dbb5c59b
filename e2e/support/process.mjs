// Programs that a test starts: their output is kept, and none outlives the test.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

import { within } from "./inbox.mjs";

/** How many lines of output are kept. */
const KEEP = 5_000;

const running = new Set();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});
// The default for these would leave out the above.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.exit(1));

/** Process is a running program, from its construction on. */
export class Process {
  #child;
  #lines = [];
  #takers = new Set();

  /** Resolves to {code, signal} once it has ended and all of its output is read. Never rejects. */
  exited;

  /** more is what its environment has beyond the test's own. */
  constructor(name, file, args = [], more = {}) {
    this.name = name;
    // What the surroundings are configured with is not what is tested.
    const env = { ...Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith("REALTIME_"))), ...more };
    this.#child = spawn(file, args, { env, stdio: ["ignore", "pipe", "pipe"] });
    running.add(this.#child);
    for (const stream of [this.#child.stdout, this.#child.stderr]) createInterface(stream).on("line", (line) => this.#add(line));
    this.exited = new Promise((resolve) => {
      this.#child.on("error", (error) => {
        this.#add(`cannot start ${file}: ${error.message}`);
        resolve({ code: null, signal: null });
      });
      this.#child.on("close", (code, signal) => resolve({ code, signal }));
    }).then((how) => {
      running.delete(this.#child);
      return how;
    });
  }

  get pid() {
    return this.#child.pid;
  }

  /** line resolves to pick's first result that is not null or undefined, called with every line of output from the first one on. */
  async line(pick, what) {
    for (const line of this.#lines) {
      const found = pick(line);
      if (found != null) return found;
    }
    let taker;
    const taken = new Promise((resolve) => {
      taker = (line) => {
        const found = pick(line);
        if (found != null) resolve(found);
      };
      this.#takers.add(taker);
    });
    const ended = this.exited.then(({ code, signal }) => {
      throw new Error(`${this.name} ended (${signal ?? code}) before ${what}`);
    });
    try {
      return await within(Promise.race([taken, ended]), what);
    } catch (error) {
      throw new Error(`${error.message}\n${this.tail()}`, { cause: error });
    } finally {
      this.#takers.delete(taker);
    }
  }

  /** signal sends one; a process that has ended does not mind. */
  signal(name) {
    this.#child.kill(name);
  }

  /** end sends a signal and resolves to {code, signal} when the process has ended. */
  async end(name = "SIGKILL") {
    this.signal(name);
    try {
      return await within(this.exited, `${this.name} to end after ${name}`);
    } catch (error) {
      this.signal("SIGKILL");
      throw new Error(`${error.message}\n${this.tail()}`, { cause: error });
    }
  }

  /** tail is the end of the output, for failures. */
  tail(lines = 40) {
    return [`--- last lines of ${this.name} (${this.pid}):`, ...this.#lines.slice(-lines), "---"].join("\n");
  }

  #add(line) {
    this.#lines.push(line);
    if (this.#lines.length > KEEP) this.#lines.splice(0, KEEP / 2);
    for (const taker of this.#takers) taker(line);
  }
}
