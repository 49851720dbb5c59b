// Waiting for things to happen, with a deadline, never for time to pass.

/** The deadline in ms of everything that is given no other. Only failures spend it, so it is generous: the machine may be busy. */
export const DEADLINE = 15_000;

/** A deadline for what is waited for only in case it comes. */
export const NEVER = 2 ** 31 - 1;

/** within resolves as promise does, or rejects with a text that names what was awaited. */
export async function within(promise, what, ms = DEADLINE) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${ms} ms in vain for ${what}`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * eventually waits until check returns something true, and returns it. It is for what tells nobody when it changes (a process's memory, the
 * state of another process's connections), and looks again every few milliseconds; everything else has an event to wait for.
 */
export async function eventually(check, what, ms = DEADLINE) {
  const end = performance.now() + ms;
  for (;;) {
    const value = await check();
    if (value) return value;
    if (performance.now() > end) throw new Error(`waited ${ms} ms in vain for ${typeof what === "function" ? what() : what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Inbox keeps what has happened until somebody takes it, so that nobody has to listen at the right moment. */
export class Inbox {
  #name;
  #items = [];
  #takers = [];
  #failure = null;

  /** name says in failures what this is the inbox of. */
  constructor(name) {
    this.#name = name;
  }

  push(item) {
    const i = this.#takers.findIndex((taker) => taker.match(item));
    if (i < 0) this.#items.push(item);
    else this.#takers.splice(i, 1)[0].resolve(item);
  }

  /** fail rejects everybody who waits now or later: nothing more will come. */
  fail(error) {
    this.#failure ??= error;
    for (const taker of this.#takers.splice(0)) taker.reject(this.#failure);
  }

  /** take removes the first item that matches, now or as soon as it comes. Other items stay where they are. */
  async take(match = () => true, what = "an item", ms = DEADLINE) {
    const i = this.#items.findIndex(match);
    if (i >= 0) return this.#items.splice(i, 1)[0];
    if (this.#failure) throw this.#failure;
    const taker = { match };
    const taken = new Promise((resolve, reject) => Object.assign(taker, { resolve, reject }));
    this.#takers.push(taker);
    try {
      return await within(taken, what, ms);
    } catch (error) {
      this.#takers = this.#takers.filter((other) => other !== taker);
      throw new Error(`${this.#name}: ${error.message}; it holds ${this.#summary()}`, { cause: error });
    }
  }

  /** rest returns what nobody has taken so far. */
  get rest() {
    return [...this.#items];
  }

  #summary() {
    if (this.#items.length === 0) return "nothing";
    return `${this.#items.length} others, the last: ${JSON.stringify(this.#items.slice(-5)).slice(0, 800)}`;
  }
}
