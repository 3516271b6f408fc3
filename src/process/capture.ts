import type { ChildEnvironment } from "../environment/child_environment.ts";
import { type Cancellation, onAbort } from "./cancellation.ts";
import type { ExitStatus } from "./exit_code.ts";
import { type ByteStream, spawn } from "./spawn.ts";
import { supervise, type SuperviseOptions } from "./supervise.ts";

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
  const { cwd, env, stdin, cancellation } = options;
  cancellation.graceful.throwIfAborted();
  const child = spawn(argv, {
    cwd,
    env,
    stderr: "separate",
    stdin: stdin === undefined ? "null" : "piped",
  });
  if (stdin !== undefined) void feed(child.stdin!, stdin);
  const giveUp = new AbortController();
  const stdout = readText(child.stdout, giveUp.signal);
  const stderr = readText(child.stderr!, giveUp.signal);
  const exit = await supervise(child, {
    ...options,
    graceMs: 2_000,
    cancellation,
    drained: Promise.all([stdout, stderr]).then(() => {}),
    stopDraining: () => giveUp.abort(),
  });
  cancellation.graceful.throwIfAborted();
  return { ...exit, stdout: await stdout, stderr: await stderr };
}

/** Reads to the end, so that the program does not block, but keeps a bounded part. */
async function readText(
  stream: ByteStream,
  giveUp: AbortSignal,
): Promise<string> {
  const decoder = new TextDecoder();
  const reader = stream.getReader();
  using _ = onAbort(giveUp, () => void reader.cancel());
  let text = "";
  let keptBytes = 0;
  while (true) {
    const { value, done } = await reader.read();
    if (done) return text + decoder.decode();
    const part = value.subarray(0, CAPTURE_LIMIT_BYTES - keptBytes);
    keptBytes += part.length;
    text += decoder.decode(part, { stream: true });
  }
}

async function feed(
  stream: WritableStream<Uint8Array<ArrayBuffer>>,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<void> {
  try {
    await ReadableStream.from([bytes]).pipeTo(stream);
  } catch {
    // A program need not read its standard input.
  }
}
