import { RunnerError } from "../../errors.ts";

const BLOCK_BYTES = 512;

/** Longest extended header that is looked into; the library refuses longer ones. */
const MOST_EXTENSION_BYTES = 8 * 1024 * 1024;

/** Types of entries that the library knows; it takes any other for a file. */
const KNOWN_TYPES = "\x0001234567xgLK";

/** Types of entries that nothing follows, whatever their size says. */
const TYPES_WITHOUT_CONTENT = "123456";

/** Types of entries that only describe the next one. */
const DESCRIBING_TYPES = "xgLK";

/** Types that are told from others in messages. */
const WORDS: Readonly<Record<string, string>> = {
  S: "a sparse file in the old format of GNU tar",
  M: "the rest of a file of another volume",
  V: "the label of a volume",
};

/**
 * Passes a tar on and ends it at an entry of a type that the library would
 * take for a plain file, and so unpack to something wrong.
 *
 * @param stream Bytes of the tar.
 * @returns The same bytes.
 * @throws {RunnerError} With code `source-failed`, if there is such an entry.
 */
export async function* refuseUnknownTypes(
  stream: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const walker = new Walker();
  for await (const bytes of stream) {
    walker.feed(bytes);
    yield bytes;
  }
}

/** Walks from header to header. */
class Walker {
  readonly #header = new Uint8Array(BLOCK_BYTES);
  /** What is being filled: the header, or the content of an extended one. */
  #wanted = this.#header;
  #filled = 0;
  #toSkip = 0;
  /** Size of the next entry that an extended header gave. */
  #extendedSize: number | undefined;
  #isOver = false;

  feed(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length && !this.#isOver) {
      at += this.#take(bytes.subarray(at));
    }
  }

  #take(bytes: Uint8Array): number {
    if (this.#toSkip > 0) {
      const count = Math.min(this.#toSkip, bytes.length);
      this.#toSkip -= count;
      return count;
    }
    const count = Math.min(this.#wanted.length - this.#filled, bytes.length);
    this.#wanted.set(bytes.subarray(0, count), this.#filled);
    this.#filled += count;
    if (this.#filled === this.#wanted.length) this.#use();
    return count;
  }

  #use(): void {
    this.#filled = 0;
    if (this.#wanted !== this.#header) {
      this.#extendedSize = extendedSize(this.#wanted);
      this.#wanted = this.#header;
      return;
    }
    if (this.#header.every((byte) => byte === 0)) {
      this.#isOver = true;
      return;
    }
    const type = String.fromCharCode(this.#header[156]);
    if (!KNOWN_TYPES.includes(type)) throw unknownType(type);
    const isDescribing = DESCRIBING_TYPES.includes(type);
    const size = TYPES_WITHOUT_CONTENT.includes(type)
      ? 0
      : (isDescribing ? undefined : this.#extendedSize) ??
        sizeOf(this.#header.subarray(124, 136));
    const paddedSize = Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES;
    if (!isDescribing) this.#extendedSize = undefined;
    if (type === "x" && size > 0 && size <= MOST_EXTENSION_BYTES) {
      this.#wanted = new Uint8Array(paddedSize);
    } else this.#toSkip = paddedSize;
  }
}

/** Octal digits or, for what they cannot say, a binary number with a mark. */
function sizeOf(field: Uint8Array): number {
  if (field[0] & 0x80) {
    return field.subarray(1).reduce((size, byte) => size * 256 + byte, 0);
  }
  const digits = new TextDecoder("latin1").decode(field).split("\0")[0].trim();
  return digits === "" ? 0 : Number.parseInt(digits, 8) || 0;
}

function extendedSize(content: Uint8Array): number | undefined {
  const [, size] = /(?:^|\n)\d+ size=(\d+)\n/.exec(
    new TextDecoder("latin1").decode(content),
  ) ?? [];
  return size === undefined ? undefined : Number(size);
}

function unknownType(type: string): RunnerError {
  const what = WORDS[type] ??
    `an entry of the unknown type ${JSON.stringify(type)}`;
  return new RunnerError(`Cannot unpack the archive: it holds ${what}`, {
    code: "source-failed",
  });
}
