import type { Host, TerminationSignal } from "../../host.ts";
import { onAbort } from "../../process/cancellation.ts";

/** Maximum size of standard output that is kept, in bytes. */
const MAX_OUTPUT_BYTES = 1024 * 1024;

/** Maximum size of the end of the log that is kept, in bytes. */
const MAX_LOG_BYTES = 32 * 1024;

/** How a command line ended, and what it printed. */
export interface ProgramEnd {
  readonly exitCode: number;
  /** Its standard output, at most its first mebibyte. */
  readonly output: string;
  /** Last lines of both streams. */
  readonly log: string;
}

/** Runs a command line of this program with another host. */
export type RunProgram = (
  args: readonly string[],
  host: Host,
) => Promise<number>;

/** Parameters that all calls of the program share. */
export interface ProgramPlace {
  readonly runProgram: RunProgram;
  /** Process around this one. */
  readonly host: Host;
  /** Absolute path of the directory in which commands run. */
  readonly root: string;
}

/**
 * Runs a command line of this program in this process, without its standard
 * streams.
 *
 * @param signal Ends the command as SIGTERM does.
 */
export async function callProgram(
  args: readonly string[],
  { runProgram, host: { env, program }, root }: ProgramPlace,
  signal: AbortSignal,
): Promise<ProgramEnd> {
  const listeners = new Set<(signal: TerminationSignal) => void>();
  const output = new KeptText("first", MAX_OUTPUT_BYTES);
  const log = new KeptText("last", MAX_LOG_BYTES);
  const streamTo = (...texts: KeptText[]) => ({
    write(bytes: Uint8Array) {
      for (const text of texts) text.add(bytes);
      return Promise.resolve(bytes.length);
    },
    isTerminal: () => false,
  });
  using _ = onAbort(signal, () => {
    for (const listener of [...listeners]) listener("SIGTERM");
  });
  const exitCode = await runProgram(args, {
    env: { ...env, NO_COLOR: "1" },
    cwd: root,
    program,
    stdout: streamTo(output, log),
    stderr: streamTo(log),
    onSignal(listener) {
      listeners.add(listener);
      if (signal.aborted) listener("SIGTERM");
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
  });
  return { exitCode, output: output.text, log: log.text };
}

/** The first or the last bytes of a stream. */
class KeptText {
  readonly #end: "first" | "last";
  readonly #maxBytes: number;
  #parts: Uint8Array[] = [];
  #length = 0;

  constructor(end: "first" | "last", maxBytes: number) {
    this.#end = end;
    this.#maxBytes = maxBytes;
  }

  add(bytes: Uint8Array): void {
    const part = this.#end === "first"
      ? bytes.slice(0, Math.max(0, this.#maxBytes - this.#length))
      : bytes.slice(-this.#maxBytes);
    this.#parts.push(part);
    this.#length += part.length;
    while (this.#length - this.#parts[0].length > this.#maxBytes) {
      this.#length -= this.#parts.shift()!.length;
    }
  }

  get text(): string {
    const decoder = new TextDecoder();
    const all =
      this.#parts.map((part) => decoder.decode(part, { stream: true }))
        .join("") + decoder.decode();
    return this.#end === "first" ? all : all.slice(-this.#maxBytes);
  }
}
