import type { ChildEnvironment } from "../environment/child_environment.ts";
import { RunnerError } from "../errors.ts";
import type { JobStatus } from "./step.ts";
import type { PassableCommand } from "./script_file.ts";
import { osReason } from "../os_reason.ts";
import { pump } from "../output/pump.ts";
import type { Sink } from "../output/sink.ts";
import type { Cancellation } from "../process/cancellation.ts";
import type { Containment } from "../process/containment.ts";
import { TIMEOUT_EXIT_CODE } from "../process/exit_code.ts";
import type { ProtectedPaths } from "../process/namespace.ts";
import { tagProcessTree } from "../process/process_tree.ts";
import { type Command, spawn } from "../process/spawn.ts";
import { supervise, type SupervisedExit } from "../process/supervise.ts";
import type { Masker } from "../secrets/masker.ts";
import type { TemporaryPlace } from "../workspace/temporary.ts";

/** Length of a text that is no argument too long, whatever its characters. */
const SURELY_SHORT = 40_000;

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
   * Program, with arguments, that runs a text.
   *
   * @default {`/bin/sh`}
   */
  shell?: readonly string[];
  /**
   * Whether the command runs code that is not trusted, and gets namespaces of
   * its own where the system allows it.
   *
   * @default {false}
   */
  isUntrusted?: boolean;
  /**
   * What an untrusted command must not change or see.
   *
   * @default {nothing}
   */
  protectedPaths?: ProtectedPaths;
  /** Where a script can be that is too long for an argument. */
  temporaryPlace: TemporaryPlace;
  /** Whether the runner is in a container for this job. */
  isInContainer: boolean;
  /** Hears what the system does not allow. */
  onWarning: (message: string) => void;
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
  const { isUntrusted = false, isInContainer, onWarning } = options;
  const { protectedPaths } = options;
  const { namespace, problem } = isUntrusted
    ? await containment(isInContainer)
    : {};
  if (problem !== undefined) {
    onWarning(
      `Cannot guarantee that no process of an untrusted step outlives it: ${problem}`,
    );
  }
  if (
    isUntrusted && protectedPaths?.readOnly?.length && !namespace?.hasMounts
  ) {
    onWarning(
      "Cannot hide the copy of the CI source from untrusted steps: the system allows no mount namespace",
    );
  }
  using passable = await passableCommand(command, options);
  const tree = tagProcessTree({ isUntrusted, isInContainer });
  const child = start(passable.command, {
    ...options,
    tree,
    namespace: namespace?.wordsFor(protectedPaths),
  });
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
  const exit = await supervise(child, {
    graceMs,
    timeoutMs,
    cancellation,
    drained: drained.then(() => {}, outputFailed),
    stopDraining: () => stop.abort(),
  });
  if (exit.hasSurvivors) {
    onWarning("Processes of a command that is over are still running");
  }
  return exit;
}

/** Most commands are short, and need nothing that would have to be loaded. */
async function passableCommand(
  command: Command,
  options: RunCommandOptions,
): Promise<PassableCommand> {
  const isPlain = typeof command !== "string" ||
    options.shell === undefined && command.length < SURELY_SHORT;
  if (isPlain) return { command, [Symbol.dispose]() {} };
  const script = await import("./script_file.ts");
  return await script.passableCommand(command, options);
}

/** Loaded for untrusted commands only: others run as they always did. */
async function containment(isInContainer: boolean): Promise<Containment> {
  const { findContainment } = await import("../process/containment.ts");
  return await findContainment(isInContainer);
}

function outputFailed(cause: unknown): never {
  throw new RunnerError(
    `Cannot write the output of the command: ${osReason(cause)}`,
    { code: "output-failed", cause },
  );
}

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
