import { quoteWord } from "../command_text.ts";
import type { RunnerError } from "../errors.ts";

/** Maximum output of one stream that a result keeps: 16 MiB. */
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

/** Exit code and output of a command of a step. */
export interface CommandResult {
  /**
   * Standard output as text, exactly as the command printed it. Secrets are
   * masked only in the log.
   */
  readonly stdout: string;
  /** Standard error as text, exactly as the command printed it. */
  readonly stderr: string;
  /** Exit code; 128+N after signal N, as in a shell. */
  readonly exitCode: number;
  /** Whether a stream exceeded 16 MiB and was truncated to its beginning. */
  readonly isTruncated: boolean;
}

/** A running command of a step; awaiting it returns its result. */
export interface RunningCommand extends Promise<CommandResult> {
  /**
   * Waits for the command to succeed.
   *
   * @returns Standard output without trailing newlines.
   */
  text(): Promise<string>;
  /**
   * Waits for the command to succeed.
   *
   * @returns The lines of standard output.
   */
  lines(): Promise<string[]>;
  /**
   * Waits for the command and accepts any exit code.
   *
   * @returns The result. The promise still rejects after a timeout or a
   * cancellation, and if the program cannot be started.
   */
  noThrow(): Promise<CommandResult>;
}

/** A value in a template for {@linkcode StepContext.$}. */
export type CommandArgument =
  | string
  | number
  | CommandResult
  | readonly (string | number)[];

/** Result of a command that has ended, and its error if it failed. */
export interface EndedCommand {
  /** The result. */
  readonly result: CommandResult;
  /** Why it failed. */
  readonly error?: RunnerError;
}

/**
 * Wraps a command that has been started.
 *
 * @param ended Resolves when the command has ended.
 * @returns Promise that rejects with the error of the command, if it fails.
 */
export function runningCommand(ended: Promise<EndedCommand>): RunningCommand {
  const succeeded = ended.then(({ result, error }) => {
    if (error) throw error;
    return result;
  });
  const text = (output: string) => output.replace(/[\r\n]+$/, "");
  return Object.assign(succeeded, {
    text: async () => text((await succeeded).stdout),
    lines: async () => {
      const output = text((await succeeded).stdout);
      return output === "" ? [] : output.split(/\r?\n/);
    },
    async noThrow() {
      // `ended` reports the error instead.
      succeeded.catch(() => {});
      const { result, error } = await ended;
      if (error && error.code !== "command-failed") throw error;
      return result;
    },
  });
}

/**
 * Builds the shell command of a template. Each value becomes one quoted word;
 * each item of an array becomes a separate word.
 *
 * @param parts Literal parts of the template.
 * @param values Values between them.
 * @returns Command for `/bin/sh`.
 * @throws {TypeError} For a value that cannot be a word: `undefined`, an
 * object, or a string with a NUL character.
 */
export function templateCommand(
  parts: readonly string[],
  values: readonly CommandArgument[],
): string {
  return parts.reduce((text, part, index) =>
    `${text}${quoteWords(values[index - 1])}${part}`
  );
}

/** Collects the output of a command, up to a limit. */
export class OutputCollector {
  readonly #decoder = new TextDecoder();
  #text = "";
  #bytes = 0;
  #isTruncated = false;

  /** Appends bytes. */
  readonly add = (bytes: Uint8Array): void => {
    const kept = bytes.subarray(0, MAX_OUTPUT_BYTES - this.#bytes);
    if (kept.length < bytes.length) this.#isTruncated = true;
    this.#bytes += kept.length;
    this.#text += this.#decoder.decode(kept, { stream: true });
  };

  /** Whether the output exceeded the limit. */
  get isTruncated(): boolean {
    return this.#isTruncated;
  }

  /** Flushes the decoder and returns the text. */
  end(): string {
    return this.#text + this.#decoder.decode();
  }
}

function quoteWords(value: CommandArgument): string {
  if (Array.isArray(value)) return value.map(quoteValue).join(" ");
  if (isResult(value)) return quoteValue(value.stdout.replace(/[\r\n]+$/, ""));
  return quoteValue(value);
}

function quoteValue(value: unknown): string {
  if (typeof value === "number") return quoteWord(String(value));
  if (typeof value !== "string") {
    throw new TypeError(
      `Cannot use ${
        value === null ? "null" : typeof value
      } in a command: it must be a string, a number, a list of these or the result of a command`,
    );
  }
  if (value.includes("\0")) {
    throw new TypeError(
      "Cannot use a string with a NUL character in a command",
    );
  }
  return quoteWord(value);
}

function isResult(value: unknown): value is CommandResult {
  return typeof value === "object" && value !== null && "stdout" in value &&
    typeof value.stdout === "string";
}
