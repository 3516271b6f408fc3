/** How a program ended. */
export interface ExitStatus {
  /** Exit code as a shell counts it: 128+N after signal N. */
  exitCode: number;
  /** Signal that killed the program, or `null`. */
  signal: Deno.Signal | null;
}

/** Exit code after a timeout. */
export const TIMEOUT_EXIT_CODE = 124;

/** Numbers of the signals that a runner sends or receives; the same on Linux and macOS. */
const SIGNAL_NUMBERS = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGKILL: 9,
  SIGTERM: 15,
};

/**
 * Returns the exit status of a finished child process.
 *
 * Deno reports a death by signal N as code 128+N.
 *
 * @param status Status of the finished child.
 * @returns Exit code and signal.
 */
export function exitStatus(status: Deno.CommandStatus): ExitStatus {
  return { exitCode: status.code, signal: status.signal };
}

/**
 * Returns the exit code of a program that a signal ended.
 *
 * @returns 128 plus the number of the signal.
 */
export function signalExitCode(signal: keyof typeof SIGNAL_NUMBERS): number {
  return 128 + SIGNAL_NUMBERS[signal];
}
