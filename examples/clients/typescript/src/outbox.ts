/** Outbox is what is sent on a stream: messages are read from it in the order in which they were put in. */
export class Outbox<T> implements AsyncIterable<T> {
  #waiting: T[] = [];
  #wake: () => void = () => {};

  send(message: T): void {
    this.#waiting.push(message);
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (;;) {
      yield* this.#waiting.splice(0);
      if (this.#waiting.length === 0) await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}
