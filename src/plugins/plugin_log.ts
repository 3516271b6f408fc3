import type { MaskStream } from "../secrets/mask/mask_stream.ts";

/** Maximum length of a line, in characters; longer lines are split. */
const MAX_LINE = 1024 * 1024;

/** Options for {@linkcode PluginLog}. */
export interface PluginLogOptions {
  /** Starts a stream that masks secrets. */
  readonly maskStream: () => Pick<MaskStream, "mask">;
  /** Receives each masked line without its newline. */
  readonly onLine: (line: string) => void;
}

/**
 * Masks the messages of a plugin and splits them into lines.
 *
 * All messages are masked as one stream before they are split, so a secret of
 * several lines is masked even if each line is a separate message. A line that
 * could be the start of a secret is held back until the next message or the end
 * of the call.
 */
export class PluginLog implements Disposable {
  readonly #options: PluginLogOptions;
  readonly #encoder = new TextEncoder();
  #decoder = new TextDecoder();
  /** Started with the first bytes, since most plugins print nothing. */
  #stream: Pick<MaskStream, "mask"> | undefined;
  #held = new Uint8Array();
  #line = "";
  #isClosed = false;

  /** Creates an empty log. */
  constructor(options: PluginLogOptions) {
    this.#options = options;
  }

  /**
   * Adds a message and a newline.
   *
   * @param message Message of one or more lines.
   */
  write(message: string): void {
    this.writeBytes(this.#encoder.encode(`${message}\n`));
  }

  /**
   * Adds bytes.
   *
   * @param bytes Chunk of UTF-8 text.
   */
  writeBytes(bytes: Uint8Array): void {
    const window = new Uint8Array(this.#held.length + bytes.length);
    window.set(this.#held);
    window.set(bytes, this.#held.length);
    this.#stream ??= this.#options.maskStream();
    const { output, heldFrom } = this.#stream.mask(window, false);
    this.#held = window.slice(heldFrom);
    this.#print(this.#decoder.decode(output, { stream: true }));
    if (this.#isClosed) this.flush();
  }

  /** Prints what is held back, and starts a new stream. */
  flush(): void {
    if (this.#stream === undefined) return;
    const { output } = this.#stream.mask(this.#held, true);
    this.#print(this.#decoder.decode(output));
    if (this.#line !== "") this.#print("\n");
    this.#held = new Uint8Array();
    this.#decoder = new TextDecoder();
    this.#stream = undefined;
  }

  /** Prints what is held back; later messages are printed immediately. */
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
