import type { MaskStream } from "../secrets/mask/stream.ts";

/** Maximum length of a line, in characters; the rest goes on in the next one. */
const MAX_LINE = 1024 * 1024;

/** Options for {@linkcode PluginLog}. */
export interface PluginLogOptions {
  /** Starts a stream that masks secrets. */
  readonly maskStream: () => Pick<MaskStream, "mask">;
  /** Receives each line, masked and without its line break. */
  readonly onLine: (line: string) => void;
}

/**
 * What a plugin says, message by message: one text that is masked as a whole
 * and only then cut into lines, so that the lines of a secret do not pass one
 * by one.
 *
 * A line that may be the beginning of a secret waits for the next message, or
 * for the end of the call.
 */
export class PluginLog implements Disposable {
  readonly #options: PluginLogOptions;
  readonly #encoder = new TextEncoder();
  #decoder = new TextDecoder();
  #stream: Pick<MaskStream, "mask">;
  #held = new Uint8Array();
  #line = "";
  #isClosed = false;

  /** Starts a log that is empty. */
  constructor(options: PluginLogOptions) {
    this.#options = options;
    this.#stream = options.maskStream();
  }

  /**
   * Adds a message, which ends with a line break.
   *
   * @param message The message; it may have several lines.
   */
  write(message: string): void {
    this.writeBytes(this.#encoder.encode(`${message}\n`));
  }

  /**
   * Adds bytes as they are.
   *
   * @param bytes A piece of UTF-8 text.
   */
  writeBytes(bytes: Uint8Array): void {
    const window = new Uint8Array(this.#held.length + bytes.length);
    window.set(this.#held);
    window.set(bytes, this.#held.length);
    const { output, heldFrom } = this.#stream.mask(window, false);
    this.#held = window.slice(heldFrom);
    this.#print(this.#decoder.decode(output, { stream: true }));
    if (this.#isClosed) this.flush();
  }

  /** Passes on what was held back: it did not become a secret. */
  flush(): void {
    const { output } = this.#stream.mask(this.#held, true);
    this.#print(this.#decoder.decode(output));
    if (this.#line !== "") this.#print("\n");
    this.#held = new Uint8Array();
    this.#decoder = new TextDecoder();
    this.#stream = this.#options.maskStream();
  }

  /** Holds nothing back any more; messages that come later are passed on at once. */
  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.flush();
  }

  #print(text: string): void {
    const lines = (this.#line + text).split("\n");
    this.#line = lines.pop()!;
    for (const line of lines) this.#options.onLine(line);
    while (this.#line.length > MAX_LINE) {
      this.#options.onLine(this.#line.slice(0, MAX_LINE));
      this.#line = this.#line.slice(MAX_LINE);
    }
  }
}
