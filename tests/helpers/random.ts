/** A source of repeatable random numbers (mulberry32). */
export class Random {
  #state: number;

  /** Seed that repeats the run. */
  readonly seed: number;

  constructor(seed: number = Math.floor(Math.random() * 2 ** 32)) {
    this.seed = seed;
    this.#state = seed;
  }

  /** Returns an integer from 0 up to but not including the limit. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6D2B79F5) | 0;
    let t = Math.imul(this.#state ^ this.#state >>> 15, 1 | this.#state);
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
    return Math.floor(((t ^ t >>> 14) >>> 0) / 2 ** 32 * limit);
  }

  /** Returns one of the given values. */
  pick<T>(values: ArrayLike<T>): T {
    return values[this.below(values.length)];
  }

  /** Returns a text of the given length over an alphabet. */
  text(length: number, alphabet: string): string {
    return Array.from({ length }, () => this.pick(alphabet)).join("");
  }
}

/**
 * Returns the number of random cases of masking to compare: more with
 * `MASK_ROUNDS`, a factor.
 */
export function maskRounds(count: number): number {
  return Math.ceil(count * Number(Deno.env.get("MASK_ROUNDS") ?? 1));
}
