import { RunnerError } from "../errors.ts";
import { TIMEOUT_EXIT_CODE } from "../process/exit_code.ts";
import type { SupervisedExit } from "../process/supervise.ts";
import type { JobStatus } from "./job_result.ts";

/** How a command ended, in the words of a job. */
export interface CommandEnd {
  /** What became of it. */
  readonly outcome: JobStatus;
  /** Exit code as a shell counts it. */
  readonly exitCode: number;
  /** Signal that ended it. */
  readonly signal: Deno.Signal | null;
  /** Why it did not succeed; `undefined` too when it was cancelled. */
  readonly error?: RunnerError;
}

/** Options for {@linkcode commandEnd}. */
export interface CommandEndOptions {
  /** What messages call the command, at their beginning. */
  subject: string;
  /** Its time limit, in milliseconds. */
  timeoutMs: number | undefined;
}

/**
 * Waits for a command and says how it ended.
 *
 * @param exit The command's exit; rejects, if it cannot be started.
 * @param options Words for messages.
 * @returns How it ended; a command that cannot be started ends the way a
 * shell ends then.
 * @throws What kept the command from being run for another reason.
 */
export async function commandEnd(
  exit: Promise<SupervisedExit>,
  options: CommandEndOptions,
): Promise<CommandEnd> {
  const { subject, timeoutMs } = options;
  let ended: SupervisedExit;
  try {
    ended = await exit;
  } catch (error) {
    if (!(error instanceof RunnerError)) throw error;
    if (!error.code.startsWith("command-not-")) throw error;
    return { outcome: "failed", exitCode: error.exitCode, signal: null, error };
  }
  const { exitCode, signal, cause } = ended;
  if (cause === "cancelled") return { outcome: "cancelled", exitCode, signal };
  if (cause === "timeout") {
    const error = new RunnerError(
      `${subject} exceeded its time limit of ${timeoutMs} ms`,
      { code: "command-timeout", exitCode: TIMEOUT_EXIT_CODE },
    );
    return { outcome: "timeout", exitCode, signal, error };
  }
  if (exitCode === 0) return { outcome: "success", exitCode, signal };
  const how = signal === null ? `with exit code ${exitCode}` : `by ${signal}`;
  const error = new RunnerError(`${subject} ended ${how}`, {
    code: "command-failed",
    exitCode,
  });
  return { outcome: "failed", exitCode, signal, error };
}
