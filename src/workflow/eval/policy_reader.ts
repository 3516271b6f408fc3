import { RunnerError } from "../../errors.ts";

/** Reads an object of a policy key by key, and overlooks none. */
export class PolicyReader {
  readonly #members: Map<string, unknown>;
  readonly #place: string;

  /**
   * Creates a reader of an object.
   *
   * @param value The object; nothing is an empty one.
   * @param place Where it is, for messages.
   * @throws {RunnerError} `invalid-config`, if it is not an object.
   */
  constructor(value: unknown, place: string) {
    this.#place = place;
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      this.fail(place, "must be an object");
    }
    this.#members = new Map(Object.entries(value));
  }

  /**
   * Takes a value of any kind.
   *
   * @param key Key.
   * @returns The value; `undefined` if there is none.
   */
  value(key: string): unknown {
    const value = this.#members.get(key);
    this.#members.delete(key);
    return value;
  }

  /**
   * Takes a text.
   *
   * @param key Key.
   * @param fallback Text if there is none; without it there must be one.
   * @param pattern What the text must match.
   * @returns The text.
   */
  text(key: string, fallback?: string, pattern: RegExp = /./s): string {
    const value = this.value(key) ?? fallback;
    if (typeof value === "string" && pattern.test(value)) return value;
    return this.fail(key, `must be a string that matches ${pattern}`);
  }

  /**
   * Takes one of a few words.
   *
   * @param key Key.
   * @param words The words.
   * @param fallback Word if there is none.
   * @returns The word.
   */
  word(key: string, words: readonly string[], fallback?: string): string {
    const value = this.value(key) ?? fallback;
    const word = words.find((it) => it === value);
    return word ?? this.fail(key, `must be ${words.join(" or ")}`);
  }

  /**
   * Takes a list of texts.
   *
   * @param key Key.
   * @param pattern What each must match.
   * @returns The texts; none if there is no list.
   */
  texts(key: string, pattern: RegExp = /./s): string[] {
    const list = this.value(key) ?? [];
    const isRight = Array.isArray(list) &&
      list.every((it) => typeof it === "string" && pattern.test(it));
    return isRight
      ? list
      : this.fail(key, `must be a list of strings that match ${pattern}`);
  }

  /**
   * Takes a list of texts that must not be empty.
   *
   * @param key Key.
   * @param pattern What each must match.
   * @returns The texts.
   */
  someTexts(key: string, pattern: RegExp): string[] {
    const texts = this.texts(key, pattern);
    return texts.length > 0 ? texts : this.fail(key, "must not be empty");
  }

  /**
   * Takes an object.
   *
   * @param key Key.
   * @returns Its reader; that of an empty one if there is none.
   */
  object(key: string): PolicyReader {
    return new PolicyReader(this.value(key) ?? {}, `${this.#place}.${key}`);
  }

  /**
   * Takes a list of objects.
   *
   * @param key Key.
   * @returns Their readers.
   */
  list(key: string): PolicyReader[] {
    const list = this.value(key) ?? [];
    if (!Array.isArray(list)) return this.fail(key, "must be a list");
    return list.map((it, at) =>
      new PolicyReader(it, `${this.#place}.${key}[${at}]`)
    );
  }

  /** Fails if there is a key that was not taken: a rule may not be overlooked. */
  end(): void {
    for (const key of this.#members.keys()) this.fail(key, "is unknown");
  }

  /**
   * Fails.
   *
   * @param key What is wrong.
   * @param problem Why, worded to follow its name.
   * @throws {RunnerError} `invalid-config`, always.
   */
  fail(key: string, problem: string): never {
    throw new RunnerError(
      `Cannot use the CI policy: ${key} of ${this.#place} ${problem}`,
      { code: "invalid-config" },
    );
  }
}
