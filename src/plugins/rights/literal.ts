/** What stands between two tokens. */
const SPACE = /(?:\s|\/\/[^\n]*|\/\*[\s\S]*?\*\/)*/y;

const TOKEN =
  /"(?:[^"\\\n]|\\["'\\])*"|'(?:[^'\\\n]|\\["'\\])*'|[A-Za-z_$][\w$]*|-?\d+(?:\.\d+)?|[[\]{}:,]/y;

const WORDS: Readonly<Record<string, unknown>> = {
  true: true,
  false: false,
  null: null,
};

/**
 * Reads an object or list that is written out in a source text, without
 * running the text: texts, numbers, `true`, `false`, `null`, comments.
 *
 * @param source Source text.
 * @param start Where the literal begins.
 * @returns The value.
 * @throws {TypeError} If it is no such literal.
 */
export function parseLiteral(source: string, start: number): unknown {
  let at = start;

  function next(): string {
    SPACE.lastIndex = at;
    TOKEN.lastIndex = at + SPACE.exec(source)![0].length;
    const token = TOKEN.exec(source)?.[0];
    if (token === undefined) throw new TypeError("it is not written out");
    at = TOKEN.lastIndex;
    return token;
  }

  function peek(): string {
    const before = at;
    const token = next();
    at = before;
    return token;
  }

  function expect(wanted: string): void {
    const token = next();
    if (token !== wanted) {
      throw new TypeError(`it has ${token} in the place of ${wanted}`);
    }
  }

  /** Calls for each member up to the closing mark. */
  function members(close: string, read: () => void): void {
    while (peek() !== close) {
      read();
      if (peek() !== close) expect(",");
    }
    next();
  }

  function value(): unknown {
    const token = next();
    if (token === "[") {
      const list: unknown[] = [];
      members("]", () => list.push(value()));
      return list;
    }
    if (token === "{") {
      const object: Record<string, unknown> = Object.create(null);
      members("}", () => {
        const key = next();
        expect(":");
        object[textOf(key) ?? key] = value();
      });
      return object;
    }
    if (Object.hasOwn(WORDS, token)) return WORDS[token];
    const text = textOf(token);
    if (text !== undefined) return text;
    if (/^[-\d]/.test(token)) return Number(token);
    throw new TypeError(`it has ${token}, which is known only when it runs`);
  }

  return value();
}

function textOf(token: string): string | undefined {
  return /^["']/.test(token)
    ? token.slice(1, -1).replace(/\\(.)/g, "$1")
    : undefined;
}
