import { GrowingBytes } from "../output/growing_bytes.ts";

const LINE_FEED = 10;
const BRACE = 0x7b;

/** Longest line that is held back to be looked at; no worker reads longer ones. */
const LONGEST_HELD_BYTES = 1024 * 1024;

/** What is put in front of a line that looks like a message to the worker. */
const MARK = new TextEncoder().encode("[not a trigger] ");

const decoder = new TextDecoder();

/**
 * Marks the lines of one stream that a worker could take for a message.
 *
 * Lines that begin with a brace wait for their end, all others pass as they
 * come: only an object of JSON can be such a message.
 */
export class LineGuard {
  readonly #held = new GrowingBytes();
  readonly #output = new GrowingBytes();
  #state: "start" | "text" | "held" = "start";

  /**
   * Takes output.
   *
   * @param bytes Output.
   * @returns What may be printed; good until the next call.
   */
  take(bytes: Uint8Array): Uint8Array {
    this.#output.clear();
    for (let at = 0; at < bytes.length;) {
      const lineEnd = bytes.indexOf(LINE_FEED, at) + 1;
      const end = lineEnd === 0 ? bytes.length : lineEnd;
      this.#takePart(bytes.subarray(at, end));
      if (lineEnd > 0) this.#endLine();
      at = end;
    }
    return this.#output.view;
  }

  /** Ends the stream, and returns what was held back. */
  end(): Uint8Array {
    this.#output.clear();
    this.#endLine();
    return this.#output.view;
  }

  /** Takes a part of one line. */
  #takePart(part: Uint8Array): void {
    if (this.#state === "start") {
      // What a reader may trim, whatever it is, stands before the object.
      const first = part.findIndex((byte) => byte > 0x20 && byte < 0x7f);
      if (first < 0) return this.#output.add(part);
      this.#state = part[first] === BRACE ? "held" : "text";
      this.#output.add(part.subarray(0, first));
      part = part.subarray(first);
    }
    if (this.#state === "text") return this.#output.add(part);
    this.#held.add(part);
    if (this.#held.length <= LONGEST_HELD_BYTES) return;
    this.#output.add(MARK);
    this.#output.add(this.#held.view);
    this.#held.release();
    this.#state = "text";
  }

  #endLine(): void {
    this.#state = "start";
    if (this.#held.length === 0) return;
    if (looksLikeMessage(this.#held.view)) this.#output.add(MARK);
    this.#output.add(this.#held.view);
    this.#held.clear();
  }
}

/** JSON can write each letter in a second way. */
function looksLikeMessage(line: Uint8Array): boolean {
  return decoder.decode(line)
    .replace(
      /\\u([0-9a-f]{4})/gi,
      (_, code) => String.fromCharCode(parseInt(code, 16)),
    )
    .includes("trigger_job");
}
