import { maskChunks } from "../../output/step_file.ts";
import type { RunningProcess } from "../../process/spawn.ts";
import { settlesWithin } from "../../process/time_limit.ts";
import type { MaskStream } from "../../secrets/mask/mask_stream.ts";
import {
  parseMessage,
  type PluginMessage,
  type RunnerMessage,
  splitLines,
} from "./messages.ts";

/** Maximum length of a message, in characters. */
const MAX_MESSAGE_LENGTH = 1024 * 1024;

/** Maximum output of a plugin between two messages to it, in bytes. */
const MAX_BYTES = 8 * 1024 * 1024;

/** Maximum standard error of a plugin that is logged, in characters. */
const MAX_STDERR = 64 * 1024;

/** Time to wait for remaining output of an ended process, in milliseconds. */
const DRAIN_MS = 500;

/** Messages of V8 when the heap is full. */
const OUT_OF_MEMORY = /out of memory|memory allocation of \d+ bytes failed/i;

/** Warning that Deno prints when a permission broker is used. */
const BROKER_WARNING = "Warning Permission broker is an experimental feature";

/** Receives messages and output of a plugin's process. */
export interface PluginListener {
  /** Receives each message, in order. */
  message(message: PluginMessage): void;
  /** Receives lines of standard error of a sandboxed plugin, masked. */
  stderr(line: string): void;
  /** Receives standard error of a program, unmasked and without a limit. */
  output(bytes: Uint8Array): void;
  /** Starts a stream that masks secrets. */
  maskStream(): MaskStream;
}

/**
 * A plugin's process, which exchanges messages as lines of JSON.
 *
 * A process that violates the protocol or exceeds a limit is killed.
 */
export class PluginProcess implements AsyncDisposable {
  /** Resolves with the reason when the process has exited or was killed. */
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
   * Takes over a process whose streams are all pipes.
   *
   * @param child The process.
   * @param listener Receives messages and output.
   * @param isProgram Whether it is a program instead of code that Deno
   * sandboxes. The output of programs is not limited: they may do the work of a
   * job.
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

  /** Why the process has ended; `undefined` while it runs. */
  get reason(): string | undefined {
    return this.#reason;
  }

  /**
   * Sends a message and resets the limit on output.
   *
   * @param message The message.
   */
  send(message: RunnerMessage): void {
    this.#bytes = 0;
    const bytes = new TextEncoder().encode(`${JSON.stringify(message)}\n`);
    // If the process has ended, that is reported where its end is awaited.
    this.#writer.write(bytes).catch(() => {});
  }

  /**
   * Kills the process. Only the first reason is kept.
   *
   * @param reason Reason, phrased to follow "Cannot …:".
   */
  end(reason: string): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#child.signal("SIGKILL");
    this.#end.resolve(reason);
  }

  /** Kills the process and drains its output. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.end("the job is over");
    await settlesWithin(this.#drained, DRAIN_MS);
    await this.#child.status;
    // The pipe may already be closed because the process has ended.
    await this.#writer.abort().catch(() => {});
  }

  async #readMessages(): Promise<void> {
    await splitLines(this.#child.stdout, {
      maxLength: MAX_MESSAGE_LENGTH,
      onTooLong: () =>
        this.end(
          `it sent a message of more than ${MAX_MESSAGE_LENGTH} characters`,
        ),
      onBytes: (count) => {
        this.#bytes += count;
        if (this.#bytes <= MAX_BYTES || this.#isProgram) return;
        this.end(`it sent more than ${MAX_BYTES} bytes at once`);
      },
      onLine: (line) => {
        if (this.#reason !== undefined) return;
        const message = parseMessage(line);
        if (message !== undefined) this.#listener.message(message);
        else this.end(`it sent an invalid message: ${this.#quote(line)}`);
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
    // Masked as one stream, because a secret may have several lines.
    const stderr = maskChunks(
      this.#child.stderr!,
      () => this.#listener.maskStream(),
    );
    await splitLines(stderr, {
      maxLength: 4096,
      onTooLong: () => {},
      onLine: (line) => {
        this.#isOutOfMemory ||= OUT_OF_MEMORY.test(line);
        // Long stack traces of V8 follow; they do not help users.
        if (this.#isOutOfMemory || line.trim() === "") return;
        if (line === BROKER_WARNING) return;
        this.#stderrLength += line.length;
        if (this.#stderrLength <= MAX_STDERR) this.#listener.stderr(line);
      },
    });
  }

  /** Quotes the start of a line, masked, without an end that may be the start of a secret. */
  #quote(line: string): string {
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
