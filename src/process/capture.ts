import { joinBytes } from "../bytes.ts";
import type { ChildEnvironment } from "../environment/child_environment.ts";
import { type Cancellation, onAbort } from "./cancellation.ts";
import { type ByteStream, type ExitStatus, spawn } from "./spawn.ts";
import {
  supervise,
  type SupervisedExit,
  type SuperviseOptions,
} from "./supervise.ts";

/** Maximum output that is kept of one stream, in bytes. */
export const CAPTURE_LIMIT_BYTES = 16 * 1024 * 1024;

/** Options for {@linkcode capture}. */
export interface CaptureOptions
  extends Pick<SuperviseOptions, "drainMs" | "closeMs"> {
  /** Working directory. */
  cwd: string;
  /** The complete environment of the program. */
  env: ChildEnvironment;
  /**
   * Standard input of the program.
   *
   * @default {nothing}
   */
  stdin?: Uint8Array<ArrayBuffer>;
  /** Cancellation of the program. */
  cancellation: Cancellation;
}

/** Exit status and output of a program. */
export interface CaptureResult extends ExitStatus {
  /** Standard output as text, at most its first 16 MiB. */
  stdout: string;
  /** Standard error as text, at most its first 16 MiB. */
  stderr: string;
}

/** Options for {@linkcode captureBytes}. */
export interface CaptureBytesOptions
  extends CaptureOptions, Pick<SuperviseOptions, "timeoutMs"> {
  /**
   * Time between the signal that ends the program and SIGKILL, in milliseconds.
   *
   * @default {2_000}
   */
  graceMs?: number;
  /**
   * Maximum size of standard output, in bytes. A program that prints more is
   * ended.
   *
   * @default {no limit, but only 16 MiB are kept}
   */
  maxBytes?: number;
}

/** How a program ended, and its output. */
export interface CapturedBytes extends SupervisedExit {
  /** Standard output, at most its first 16 MiB. */
  stdout: Uint8Array<ArrayBuffer>;
  /** Standard error, at most its first 16 MiB. */
  stderr: Uint8Array<ArrayBuffer>;
}

/**
 * Runs one of the runner's own tools and captures its output.
 *
 * @param argv Program and arguments; no shell is involved.
 * @param options Directory, environment and cancellation.
 * @returns Exit status and output.
 * @throws {RunnerError} If the program cannot be started.
 * @throws {DOMException} An `AbortError` if the job is cancelled.
 */
export async function capture(
  argv: readonly string[],
  options: CaptureOptions,
): Promise<CaptureResult> {
  const result = await captureBytes(argv, options);
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return {
    ...result,
    stdout: text(result.stdout),
    stderr: text(result.stderr),
  };
}

/**
 * Runs one of the runner's own tools within limits, and captures its output as
 * bytes.
 *
 * @param argv Program and arguments; no shell is involved.
 * @param options Directory, environment, cancellation and limits.
 * @returns How the program ended, and its output.
 * @throws {RangeError} If it printed more than the maximum. The message follows
 * "Cannot …:".
 * @throws {RunnerError} If the program cannot be started.
 * @throws {DOMException} An `AbortError` if the job is cancelled.
 */
export async function captureBytes(
  argv: readonly string[],
  options: CaptureBytesOptions,
): Promise<CapturedBytes> {
  const { cwd, env, stdin, cancellation, maxBytes = Infinity } = options;
  cancellation.graceful.throwIfAborted();
  const child = spawn(argv, {
    cwd,
    env,
    stderr: "separate",
    stdin: stdin === undefined ? "null" : "piped",
  });
  if (stdin !== undefined) void writeInput(child.stdin!, stdin);
  const stop = new AbortController();
  const stdout = readBytes(child.stdout, stop.signal, maxBytes);
  const stderr = readBytes(child.stderr!, stop.signal);
  const drained = Promise.all([stdout, stderr]).then(() => {});
  const exit = await supervise(child, {
    graceMs: 2_000,
    ...options,
    drained,
    stopDraining: () => stop.abort(),
  });
  cancellation.graceful.throwIfAborted();
  return { ...exit, stdout: await stdout, stderr: await stderr };
}

/** Reads to the end, so that the program does not block, but keeps a bounded part. */
async function readBytes(
  stream: ByteStream,
  stop: AbortSignal,
  maxBytes: number = Infinity,
): Promise<Uint8Array<ArrayBuffer>> {
  const reader = stream.getReader();
  using _ = onAbort(stop, () => void reader.cancel());
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let keptBytes = 0;
  while (true) {
    const { value, done } = await reader.read();
    if (done) return joinBytes(parts);
    if (keptBytes + value.length > maxBytes) {
      await reader.cancel();
      throw new RangeError(`it printed more than ${maxBytes} bytes`);
    }
    const part = value.subarray(0, CAPTURE_LIMIT_BYTES - keptBytes);
    keptBytes += part.length;
    if (part.length > 0) parts.push(part);
  }
}

async function writeInput(
  stream: WritableStream<Uint8Array<ArrayBuffer>>,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<void> {
  try {
    await ReadableStream.from([bytes]).pipeTo(stream);
  } catch {
    // A program need not read its standard input.
  }
}
