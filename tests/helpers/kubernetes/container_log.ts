/** A line of a log. */
interface Line {
  /** Time in nanoseconds since 1970. */
  readonly time: bigint;
  readonly text: Uint8Array;
}

/** The log of a container, as a node keeps it. */
export class ContainerLog {
  readonly #lines: Line[] = [];
  #wake = Promise.withResolvers<void>();
  #isClosed = false;
  #lastTime = 0n;
  readonly #clockMs: number;

  /** @param clockMs Difference of the node's clock and ours, in milliseconds. */
  constructor(clockMs: number) {
    this.#clockMs = clockMs;
  }

  /** Reads a stream of the container to its end. */
  async read(stream: ReadableStream<Uint8Array>): Promise<void> {
    let rest = new Uint8Array();
    for await (const bytes of stream) {
      const all = new Uint8Array([...rest, ...bytes]);
      let start = 0;
      for (let end; (end = all.indexOf(10, start)) !== -1; start = end + 1) {
        this.#add(all.slice(start, end));
      }
      rest = all.slice(start);
    }
    if (rest.length > 0) this.#add(rest);
  }

  /** Ends the log. */
  close(): void {
    this.#isClosed = true;
    this.#wake.resolve();
  }

  /** Yields lines with their times from a second on. */
  async *lines(
    since: bigint,
    follow: boolean,
    isTimed: boolean,
  ): AsyncGenerator<Uint8Array> {
    for (let at = 0;;) {
      for (; at < this.#lines.length; at++) {
        const { time, text } = this.#lines[at];
        if (time < since) continue;
        const head = isTimed ? `${rfc3339(time)} ` : "";
        yield new Uint8Array([
          ...new TextEncoder().encode(head),
          ...text,
          10,
        ]);
      }
      if (this.#isClosed || !follow) return;
      await this.#wake.promise;
    }
  }

  #add(text: Uint8Array): void {
    const clock = BigInt(Date.now() + this.#clockMs) * 1_000_000n;
    // Lines of one burst may have the same time.
    this.#lastTime = clock > this.#lastTime ? clock : this.#lastTime;
    this.#lines.push({ time: this.#lastTime, text });
    this.#wake.resolve();
    if (!this.#isClosed) this.#wake = Promise.withResolvers<void>();
  }
}

function rfc3339(time: bigint): string {
  const date = new Date(Number(time / 1_000_000n)).toISOString().slice(0, 19);
  return `${date}.${String(time % 1_000_000_000n).padStart(9, "0")}Z`;
}
