import { osReason, RunnerError } from "../errors.ts";
import type { Host } from "../host.ts";
import { absolutePath } from "../job_path.ts";
import { Cancellation } from "../process/cancellation.ts";
import { cancelledError } from "../runner/job_result.ts";
import { didYouMean, suggest } from "../suggest.ts";
import { usageError } from "./parse_arguments.ts";

/** Options for {@linkcode findAction}. */
export interface FindActionOptions {
  /** Command whose help the message mentions. */
  readonly command: string;
  /**
   * Word for an action in messages.
   *
   * @default {"action"}
   */
  readonly word?: string;
  /**
   * Whether messages must not quote the name, because it may be a secret.
   *
   * @default {false}
   */
  readonly isSecret?: boolean;
}

/**
 * Finds the action of a command.
 *
 * @param name Name as typed.
 * @throws {RunnerError} `usage` if the name is missing or unknown.
 */
export function findAction<T>(
  actions: Readonly<Record<string, T>>,
  name: string | undefined,
  { command, word = "action", isSecret = false }: FindActionOptions,
): T {
  const names = Object.keys(actions);
  if (name === undefined || name === "") {
    const article = /^[aeiou]/.test(word) ? "An" : "A";
    throw usageError(
      `${article} ${word} is required: ${names.join(", ")}`,
      command,
    );
  }
  if (Object.hasOwn(actions, name)) return actions[name];
  const near = suggest(name, names);
  const hint = near === undefined
    ? `; must be one of ${names.join(", ")}`
    : didYouMean(near);
  const quoted = isSecret ? "" : ` "${name}"`;
  throw usageError(`Unknown ${word}${quoted}${hint}`, command);
}

/**
 * Runs an action and cancels it on SIGTERM, SIGINT and other termination
 * signals.
 *
 * @throws {RunnerError} `cancelled` if a signal cancelled the action.
 */
export async function cancelOnSignal<T>(
  host: Host,
  action: (cancellation: Cancellation) => Promise<T>,
): Promise<T> {
  const cancellation = new Cancellation();
  using _ = host.onSignal((signal) => cancellation.cancel(signal));
  try {
    return await action(cancellation);
  } catch (error) {
    const { signal } = cancellation;
    // Any failure after a signal may be a consequence of it.
    throw signal === null ? error : cancelledError(signal);
  }
}

/** Returns the width of standard output; `undefined` if it is not a terminal. */
export function getOutputColumns(
  { stdout, consoleSize }: Pick<Host, "stdout" | "consoleSize">,
): number | undefined {
  return stdout.isTerminal() ? consoleSize?.()?.columns : undefined;
}

/**
 * Finds the directory that a command gets.
 *
 * @param given Path as typed.
 * @param action Beginning of the error message, such as `Cannot list`.
 * @returns Absolute path without links.
 * @throws {RunnerError} `invalid-config` if it is not a directory.
 */
export async function findDirectory(
  given: string,
  { cwd }: Pick<Host, "cwd">,
  action: string,
): Promise<string> {
  let reason = "it is not a directory";
  try {
    const path = await Deno.realPath(absolutePath(given, cwd));
    if ((await Deno.stat(path)).isDirectory) return path;
  } catch (error) {
    reason = osReason(error);
  }
  throw new RunnerError(`${action} "${given}": ${reason}`, {
    code: "invalid-config",
  });
}
