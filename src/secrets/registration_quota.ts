import { MAX_REQUEST_VALUES } from "./registration_frame.ts";

/** Most values that clients register in one run; masking them costs memory. */
export const MAX_VALUES = 20_000;

/** Most bytes of values that clients register in one run. */
export const MAX_VALUES_BYTES = 4 * 1024 * 1024;

const encoder = new TextEncoder();

/**
 * Hands the values of clients on, up to a limit.
 *
 * A value counts once, however often it is registered: a step that registers
 * its token before each of its commands must not run into a limit.
 */
export class RegistrationQuota {
  readonly #onRegister: (values: string[]) => void | Promise<void>;
  readonly #known = new Set<string>();
  #bytes = 0;
  #last: Promise<unknown> = Promise.resolve();

  /**
   * Makes a quota that nothing was taken from.
   *
   * @param onRegister Gets each value once, before it counts as registered.
   */
  constructor(onRegister: (values: string[]) => void | Promise<void>) {
    this.#onRegister = onRegister;
  }

  /**
   * Registers all the values of a request, or none of them; one request after
   * the other, so that a value is known only once it is masked.
   *
   * @param values Values.
   * @returns Whether they were within the limits.
   */
  register(values: readonly string[]): Promise<boolean> {
    const registered = this.#last.then(() => this.#register(values));
    // Its client hears of a failure; those behind it need not.
    this.#last = registered.catch(() => {});
    return registered;
  }

  async #register(values: readonly string[]): Promise<boolean> {
    if (values.length > MAX_REQUEST_VALUES) return false;
    const fresh = [...new Set(values)].filter((it) => !this.#known.has(it));
    const bytes = fresh.reduce(
      (sum, value) => sum + encoder.encode(value).length,
      this.#bytes,
    );
    if (this.#known.size + fresh.length > MAX_VALUES) return false;
    if (bytes > MAX_VALUES_BYTES) return false;
    if (fresh.length > 0) await this.#onRegister(fresh);
    for (const value of fresh) this.#known.add(value);
    this.#bytes = bytes;
    return true;
  }
}
