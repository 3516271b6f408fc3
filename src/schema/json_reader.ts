/** Maximum depth of a document that is read here. */
const MAX_DEPTH = 64;

/** Maximum length of a key; YAML allows no keys of more than 1,024 characters. */
const MAX_KEY_LENGTH = 500;

const SPACE = /[ \t\n\r]*/y;

/** A colon after a key; YAML requires it on the same line. */
const COLON = / *:/y;

/**
 * A string that YAML and JSON read alike: without some control characters, line
 * separators, escaped slashes and escaped surrogates.
 */
const STRING =
  /"(?:[^"\\\p{Cc}\u2028\u2029\ufeff\ufffe\uffff]|\\(?:["\\bfnrt]|u(?![dD][89a-fA-F])[0-9a-fA-F]{4}))*"/uy;

/** A number without an exponent that keeps all of its digits when parsed. */
const NUMBER = /(?:0|-?[1-9]\d{0,14})(?:\.\d{1,10})?(?![\w.+-])/y;

const WORD = /(?:true|false|null)(?![\w.+-])/y;

/** The two forms of a document, as `DocumentNode` expects them. */
export interface JsonDocument {
  /** The value, in which all scalars are strings, as they are written. */
  readonly written: unknown;
  /** The value. */
  readonly understood: unknown;
}

/** Thrown if the text is not JSON, or if YAML might read it differently. */
class NotPlainJson extends Error {}

/**
 * Reads a JSON object or list that YAML reads in the same way.
 *
 * @returns `undefined` if the text is not JSON, has a key twice, or YAML might
 * read it differently.
 */
export function scanJson(text: string): JsonDocument | undefined {
  if (!/^[ \t\n\r]*[[{]/.test(text) || !text.isWellFormed()) return undefined;
  try {
    return new Reader(text).document();
  } catch (error) {
    if (error instanceof NotPlainJson) return undefined;
    throw error;
  }
}

class Reader {
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): JsonDocument {
    const value = this.#value();
    if (this.#at === this.#text.length) return value;
    throw new NotPlainJson();
  }

  /** Reads a value and the space around it. */
  #value(): JsonDocument {
    this.#take(SPACE);
    const value = this.#bareValue();
    this.#take(SPACE);
    return value;
  }

  #bareValue(): JsonDocument {
    const next = this.#text[this.#at];
    if (next === '"') {
      const text = this.#string();
      return { written: text, understood: text };
    }
    if (next === "{" || next === "[") {
      if (++this.#depth > MAX_DEPTH) throw new NotPlainJson();
      this.#at++;
      const value = next === "{" ? this.#mapping() : this.#list();
      this.#depth--;
      return value;
    }
    const written = this.#find(NUMBER) ?? this.#find(WORD);
    if (written === undefined) throw new NotPlainJson();
    return { written, understood: JSON.parse(written) };
  }

  #mapping(): JsonDocument {
    const written: Record<string, unknown> = {};
    const understood: Record<string, unknown> = {};
    this.#take(SPACE);
    if (this.#skip("}")) return { written, understood };
    do {
      this.#take(SPACE);
      const key = this.#string();
      const isPlain = key !== "__proto__" && key !== "<<" &&
        key.length <= MAX_KEY_LENGTH && !Object.hasOwn(written, key);
      if (!isPlain) throw new NotPlainJson();
      this.#take(COLON);
      const value = this.#value();
      written[key] = value.written;
      understood[key] = value.understood;
    } while (this.#skip(","));
    if (this.#skip("}")) return { written, understood };
    throw new NotPlainJson();
  }

  #list(): JsonDocument {
    const written: unknown[] = [];
    const understood: unknown[] = [];
    this.#take(SPACE);
    if (this.#skip("]")) return { written, understood };
    do {
      const value = this.#value();
      written.push(value.written);
      understood.push(value.understood);
    } while (this.#skip(","));
    if (this.#skip("]")) return { written, understood };
    throw new NotPlainJson();
  }

  #string(): string {
    const text = this.#take(STRING);
    return text.includes("\\") ? JSON.parse(text) : text.slice(1, -1);
  }

  #take(pattern: RegExp): string {
    const found = this.#find(pattern);
    if (found === undefined) throw new NotPlainJson();
    return found;
  }

  #find(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const [found] = pattern.exec(this.#text) ?? [];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  #skip(character: string): boolean {
    const isThere = this.#text[this.#at] === character;
    if (isThere) this.#at++;
    return isThere;
  }
}
