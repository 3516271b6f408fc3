/**
 * Triggers on standard output, for workers that read them there.
 *
 * 1. A genuine line contains the document and a nonce, which only the worker
 *    and the runner know.
 * 2. Similar lines of steps are marked, so that a worker that does not compare
 *    the nonce cannot mistake them for triggers.
 *
 * @module
 */

import { GrowingBytes } from "../bytes.ts";
import { type Environment, Variable } from "../environment/variables.ts";
import { RunnerError } from "../errors.ts";
import { WORKER_LINE_BYTES } from "../options/options.ts";
import { LINE_BREAK, LINE_FEED } from "../output/line_limit.ts";
import type { Sinks } from "../output/printer.ts";
import type { Sink } from "../output/sink.ts";
import type { Masker } from "../secrets/masker.ts";
import type { TriggerDocument } from "./trigger_document.ts";

/** Maximum size of a line that is held back; no worker reads longer lines. */
const MAX_HELD_BYTES = 1024 * 1024;

const BRACE = 0x7b;

/** Prefix for lines of steps that look like a trigger. */
const MARK = new TextEncoder().encode("[not a trigger] ");

const decoder = new TextDecoder();

/** Options for {@linkcode triggerLine}. */
export interface TriggerLineOptions {
  /** Environment of the runner, which contains the nonce. */
  readonly env: Environment;
  /** Masker for finding secrets, which must not be printed. */
  readonly masker: Masker;
}

/**
 * Formats a document as the line that workers read.
 *
 * @returns The line, including a line feed.
 * @throws {RunnerError} `invalid-config` without a nonce;
 * `invalid-trigger` if the line would be too long or contain a secret.
 */
export function triggerLine(
  document: TriggerDocument,
  { env, masker }: TriggerLineOptions,
): string {
  const nonce = readTriggerNonce(env);
  if (masker.containsSecret(JSON.stringify(document))) {
    throw createPrintError("they contain a secret, which must not be printed");
  }
  const { type, ...rest } = document;
  const line = JSON.stringify({ type, nonce, ...rest });
  if (new TextEncoder().encode(line).length >= WORKER_LINE_BYTES) {
    throw createPrintError(`the line would exceed ${WORKER_LINE_BYTES} bytes`);
  }
  return `${line}\n`;
}

/** The part of a runner that filters the output of steps. */
interface FilteringRunner {
  readonly host: { readonly env: Environment };
  spoofFilter?: TriggerSpoofFilter;
}

/**
 * Filters the output of steps if a worker reads triggers from standard output,
 * where no step must be able to forge one.
 *
 * @param runner The runner, in which the filter is stored.
 * @param sinks Sinks for the filtered output.
 * @throws {RunnerError} `invalid-config` if the worker has not set a nonce.
 */
export function filteredSinks(
  runner: FilteringRunner,
  sinks: Sinks,
): Sinks {
  const { env } = runner.host;
  // Reports a missing nonce now instead of after the steps have run.
  readTriggerNonce(env);
  // Each line is inside a JSON object, which is never a trigger.
  if (env.LOG_FORMAT === "json") return sinks;
  return runner.spoofFilter ??= new TriggerSpoofFilter(
    sinks.stdout,
    sinks.stderr,
  );
}

/**
 * Reads the nonce of trigger lines.
 *
 * @throws {RunnerError} `invalid-config` if the worker has not set one.
 */
export function readTriggerNonce(env: Environment): string {
  const nonce = env[Variable.triggerNonce];
  if (nonce) return nonce;
  throw new RunnerError(
    `Cannot use trigger transport "stdout": ${Variable.triggerNonce} is not set`,
    { code: "invalid-config" },
  );
}

/** Marks output of steps that looks like a trigger, on both streams. */
export class TriggerSpoofFilter {
  readonly #stdout: FilteredSink;
  readonly #stderr: FilteredSink;

  /** Creates a filter. */
  constructor(stdout: Sink, stderr: Sink) {
    this.#stdout = new FilteredSink(stdout);
    this.#stderr = new FilteredSink(stderr);
  }

  /** Sink for standard output of steps. */
  get stdout(): Sink {
    return this.#stdout;
  }

  /** Sink for standard error of steps. */
  get stderr(): Sink {
    return this.#stderr;
  }

  /** Writes the output that is held back. */
  async end(): Promise<void> {
    await this.#stdout.end();
    await this.#stderr.end();
  }

  /**
   * Writes a genuine trigger on a separate line.
   *
   * @param line The line, including a line feed.
   */
  async writeTrigger(line: string): Promise<void> {
    await this.#stdout.end();
    await this.#stdout.writeLine(new TextEncoder().encode(line));
  }
}

class FilteredSink implements Sink {
  readonly #lines = new SpoofedLineMarker();
  readonly #sink: Sink;
  #last: Promise<void> = Promise.resolve();
  #isLineOpen = false;

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#enqueue(() => this.#print(this.#lines.take(bytes)));
  }

  end(): Promise<void> {
    return this.#enqueue(() => this.#print(this.#lines.end()));
  }

  writeLine(line: Uint8Array): Promise<void> {
    return this.#enqueue(async () => {
      if (this.#isLineOpen) await this.#print(LINE_BREAK);
      await this.#print(line);
    });
  }

  async #print(bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return;
    this.#isLineOpen = bytes.at(-1) !== LINE_FEED;
    await this.#sink.write(bytes);
  }

  /**
   * Runs tasks one after another, since the bytes of the marker are valid only
   * until its next call.
   */
  #enqueue(task: () => Promise<void>): Promise<void> {
    // A failed write fails its caller only; later writes are attempted.
    this.#last = this.#last.catch(() => {}).then(task);
    return this.#last;
  }
}

/**
 * Marks the lines of one stream that look like a trigger.
 *
 * Lines that start with a brace are held back until their end; all others pass
 * immediately, since a trigger is a JSON object.
 */
export class SpoofedLineMarker {
  readonly #held = new GrowingBytes();
  readonly #output = new GrowingBytes();
  #state: "start" | "text" | "held" = "start";

  /**
   * Takes output.
   *
   * @returns Output that can be printed; valid until the next call.
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

  /** Ends the stream, and returns the output that was held back. */
  end(): Uint8Array {
    this.#output.clear();
    this.#endLine();
    return this.#output.view;
  }

  /** Takes a part of one line. */
  #takePart(part: Uint8Array): void {
    if (this.#state === "start") {
      // A reader may trim white space before the object.
      const first = part.findIndex((byte) => byte > 0x20 && byte < 0x7f);
      if (first < 0) return this.#output.add(part);
      this.#state = part[first] === BRACE ? "held" : "text";
      this.#output.add(part.subarray(0, first));
      part = part.subarray(first);
    }
    if (this.#state === "text") return this.#output.add(part);
    this.#held.add(part);
    if (this.#held.length <= MAX_HELD_BYTES) return;
    this.#output.add(MARK);
    this.#output.add(this.#held.view);
    this.#held.release();
    this.#state = "text";
  }

  #endLine(): void {
    this.#state = "start";
    if (this.#held.length === 0) return;
    if (looksLikeTrigger(this.#held.view)) this.#output.add(MARK);
    this.#output.add(this.#held.view);
    this.#held.clear();
  }
}

/** Decodes escape sequences first, since JSON can escape any letter. */
function looksLikeTrigger(line: Uint8Array): boolean {
  return decoder.decode(line)
    .replace(
      /\\u([0-9a-f]{4})/gi,
      (_, code) => String.fromCharCode(parseInt(code, 16)),
    )
    .includes("trigger_job");
}

function createPrintError(state: string): RunnerError {
  return new RunnerError(`Cannot print triggers: ${state}`, {
    code: "invalid-trigger",
  });
}
