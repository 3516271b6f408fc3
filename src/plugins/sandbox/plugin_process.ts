import { maskChunks } from "../../output/remask_logs.ts";
import type { RunningProcess } from "../../process/spawn.ts";
import { settlesWithin } from "../../process/time_limit.ts";
import type { MaskStream } from "../../secrets/mask/stream.ts";
import {
  type GuestMessage,
  type HostMessage,
  parseMessage,
  readLines,
} from "./messages.ts";

/** Maximum length of a message, in characters. */
const MAX_MESSAGE_LENGTH = 1024 * 1024;

/** Most that a plugin may say from one call to the next, in bytes. */
const MAX_BYTES = 8 * 1024 * 1024;

/** Most of its standard error that is passed on, in characters. */
const MAX_STDERR = 64 * 1024;

/** How long the rest of its output is waited for once it was ended, in milliseconds. */
const DRAIN_MS = 500;

/** What V8 says when the heap is full. */
const OUT_OF_MEMORY = /out of memory|memory allocation of \d+ bytes failed/i;

/** What Deno says when the runner decides about each access. */
const BROKER_WARNING = "Warning Permission broker is an experimental feature";

/** Who hears what a plugin says. */
export interface PluginListener {
  /** Hears every message in its order. */
  message(message: GuestMessage): void;
  /** Hears what it writes to standard error. */
  stderr(line: string): void;
  /** Hears the same of a program, as it is and in full. */
  output(bytes: Uint8Array): void;
  /** Starts a stream that masks secrets. */
  maskStream(): MaskStream;
}

/**
 * A plugin's process: messages as lines of JSON, and its end.
 *
 * Whatever it does that a plugin does not do ends it, with a reason.
 */
export class PluginProcess implements AsyncDisposable {
  /** Resolves with the reason when the process has ended or was ended. */
  readonly ended: Promise<string>;
  readonly #child: RunningProcess;
  readonly #listener: PluginListener;
  readonly #isProgram: boolean;
  readonly #end = Promise.withResolvers<string>();
  readonly #writer: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #drained: Promise<unknown>;
  #reason: string | undefined;
  #bytes = 0;
  #stderrLength = 0;
  #isOutOfMemory = false;

  /**
   * Takes over a process that was started with all of its streams.
   *
   * @param child The process.
   * @param listener Who hears what it says.
   * @param isProgram Whether it is a program, which may do the work of a job
   * and print as much as that, and not code that Deno confines.
   */
  constructor(
    child: RunningProcess,
    listener: PluginListener,
    isProgram: boolean,
  ) {
    this.#child = child;
    this.#isProgram = isProgram;
    this.#listener = listener;
    this.#writer = child.stdin!.getWriter();
    this.ended = this.#end.promise;
    this.#drained = Promise.all([this.#readMessages(), this.#readErrors()]);
    void this.#watch();
  }

  /** Why it has ended; `undefined` as long as it runs. */
  get reason(): string | undefined {
    return this.#reason;
  }

  /**
   * Sends a message; what the plugin says from here on is counted anew.
   *
   * @param message The message.
   */
  send(message: HostMessage): void {
    this.#bytes = 0;
    const bytes = new TextEncoder().encode(`${JSON.stringify(message)}\n`);
    // The end of a plugin is reported where it is awaited.
    this.#writer.write(bytes).catch(() => {});
  }

  /**
   * Ends the process at once; its first reason stands.
   *
   * @param reason Why, worded to end a sentence.
   */
  end(reason: string): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#child.signal("SIGKILL");
    this.#end.resolve(reason);
  }

  /** Ends the process, and has its last words heard. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.end("the job is over");
    await settlesWithin(this.#drained, DRAIN_MS);
    await this.#child.status;
    // The pipe may be closed already: by the end of the process.
    await this.#writer.abort().catch(() => {});
  }

  async #readMessages(): Promise<void> {
    await readLines(this.#child.stdout, {
      maxLength: MAX_MESSAGE_LENGTH,
      onTooLong: () =>
        this.end(`it sent a message of more than ${MAX_MESSAGE_LENGTH} bytes`),
      onBytes: (count) => {
        this.#bytes += count;
        if (this.#bytes <= MAX_BYTES || this.#isProgram) return;
        this.end(`it sent more than ${MAX_BYTES} bytes at once`);
      },
      onLine: (line) => {
        if (this.#reason !== undefined) return;
        const message = parseMessage(line);
        if (message !== undefined) this.#listener.message(message);
        else this.end(`it sent what is no message: ${this.#summary(line)}`);
      },
    });
  }

  async #readErrors(): Promise<void> {
    if (this.#isProgram) {
      for await (const bytes of this.#child.stderr!) {
        this.#listener.output(bytes);
      }
      return;
    }
    // Its lines may be those of one secret.
    const stderr = maskChunks(
      this.#child.stderr!,
      this.#listener.maskStream(),
    );
    await readLines(stderr, {
      maxLength: 4096,
      onTooLong: () => {},
      onLine: (line) => {
        this.#isOutOfMemory ||= OUT_OF_MEMORY.test(line);
        // Pages of stack trace follow, which do not help a user.
        if (this.#isOutOfMemory || line.trim() === "") return;
        if (line === BROKER_WARNING) return;
        this.#stderrLength += line.length;
        if (this.#stderrLength <= MAX_STDERR) this.#listener.stderr(line);
      },
    });
  }

  /** The line may be a part of a secret, of which the rest is still to come. */
  #summary(line: string): string {
    const bytes = new TextEncoder().encode(`${line}\n`);
    const { output } = this.#listener.maskStream().mask(bytes, false);
    const text = new TextDecoder().decode(output).trimEnd();
    const quoted = JSON.stringify(text.slice(0, 100));
    return text.length > 100 ? `${quoted}…` : quoted;
  }

  async #watch(): Promise<void> {
    const { exitCode, signal } = await this.#child.status;
    if (this.#reason === undefined) {
      await settlesWithin(this.#drained, DRAIN_MS);
    }
    this.end(
      this.#isOutOfMemory
        ? "it needed more memory than a plugin may have"
        : signal === null
        ? `its process ended with exit code ${exitCode}`
        : `its process was ended by ${signal}`,
    );
  }
}
