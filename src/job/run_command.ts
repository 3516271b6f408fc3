import type { ChildEnvironment } from "../environment/child_environment.ts";
import { RunnerError } from "../errors.ts";
import { osReason } from "../os_reason.ts";
import { pump } from "../output/pump.ts";
import type { Sink } from "../output/sink.ts";
import type { Cancellation } from "../process/cancellation.ts";
import { markFamily } from "../process/family.ts";
import { type Command, spawn } from "../process/spawn.ts";
import { supervise, type SupervisedExit } from "../process/supervise.ts";
import type { Masker } from "../secrets/masker.ts";

/** Options for {@linkcode runCommand}. */
export interface RunCommandOptions {
  /** Absolute path of the working directory. */
  cwd: string;
  /** The whole environment of the command. */
  env: ChildEnvironment;
  /** Whether standard error joins standard output. */
  stderr: "merged" | "separate";
  /** Longest time the command may run, in milliseconds; no limit without it. */
  timeoutMs: number | undefined;
  /** Time between the ending signal and SIGKILL, in milliseconds. */
  graceMs: number;
  /** The wish that the job ends. */
  cancellation: Cancellation;
  /** Takes the secrets out of what is printed. */
  masker: Masker;
  /** Where standard output goes. */
  stdout: Sink;
  /** Where standard error goes when it is kept apart. */
  stderrSink: Sink;
  /**
   * What starts the command.
   *
   * @default {as a program of this machine}
   */
  start?: typeof spawn;
}

/**
 * Runs a command to its end and prints what it prints, masked.
 *
 * @param command Text for the shell, or a program and its arguments.
 * @param options Everything around the command.
 * @returns How it ended.
 * @throws {RunnerError} If it cannot be started; `output-failed`, if what it
 * prints cannot be passed on.
 */
export async function runCommand(
  command: Command,
  options: RunCommandOptions,
): Promise<SupervisedExit> {
  const { masker, cancellation, graceMs, timeoutMs, start = spawn } = options;
  const { stdout, stderr, stderrSink } = options;
  const child = start(command, { ...options, family: markFamily() });
  const stop = new AbortController();
  const pumping = { stop: stop.signal };
  const drained = Promise.all([
    pump(child.stdout, stdout, { ...pumping, mask: masker.stream() }),
    child.stderr &&
    pump(child.stderr, stderr === "merged" ? stdout : stderrSink, {
      ...pumping,
      mask: masker.stream(),
    }),
  ]);
  return await supervise(child, {
    graceMs,
    timeoutMs,
    cancellation,
    drained: drained.then(() => {}, outputFailed),
    stopDraining: () => stop.abort(),
  });
}

function outputFailed(cause: unknown): never {
  throw new RunnerError(
    `Cannot write the output of the command: ${osReason(cause)}`,
    { code: "output-failed", cause },
  );
}
