import type { ChildEnvironment } from "../environment/child_environment.ts";
import { osReason, RunnerError } from "../errors.ts";
import type { TerminationSignal } from "../host.ts";
import { closeFilesOnExec } from "./inherited_files.ts";
import type { ExitStatus } from "./spawn.ts";

/** Options for {@linkcode runInherited}. */
export interface RunInheritedOptions {
  /** Working directory. */
  cwd: string;
  /** The complete environment of the program. */
  env: ChildEnvironment;
  /** Adds a listener for the signals that the runner receives. */
  onSignal: (listener: (signal: TerminationSignal) => void) => Disposable;
  /** Whether the terminal sends its signals to the program, too. */
  hasTerminal: boolean;
  /**
   * Forwards the output of the program until its streams end. Once the signal
   * is aborted, it forwards only what the streams already contain.
   *
   * @default {the program inherits the streams of the runner}
   */
  forwardOutput?: (output: ProgramOutput, stop: AbortSignal) => Promise<void>;
}

/** Output streams of a program. */
export type ProgramOutput = Pick<Deno.ChildProcess, "stdout" | "stderr">;

/**
 * Runs a program that inherits the terminal of the runner, and its streams
 * unless its output is forwarded.
 *
 * @param argv Program and arguments.
 * @returns Exit status of the program.
 * @throws {RunnerError} If it cannot be started.
 */
export async function runInherited(
  argv: readonly string[],
  options: RunInheritedOptions,
): Promise<ExitStatus> {
  const { cwd, env, onSignal, hasTerminal, forwardOutput } = options;
  const [program, ...args] = argv;
  const output = forwardOutput ? "piped" : "inherit";
  let child: Deno.ChildProcess;
  closeFilesOnExec();
  try {
    child = new Deno.Command(program, {
      stdin: "inherit",
      stdout: output,
      stderr: output,
      args,
      cwd,
      env,
      clearEnv: true,
    }).spawn();
  } catch (cause) {
    throw new RunnerError(`Cannot start "${program}": ${osReason(cause)}`, {
      code: "command-not-executable",
      exitCode: 126,
      cause,
    });
  }
  const stop = new AbortController();
  const forwarded = forwardOutput?.(child, stop.signal);
  using _ = onSignal((signal) => {
    // A terminal sends signals to its whole process group, and a runner that
    // receives a signal twice kills immediately.
    const isFromKeyboard = signal === "SIGINT" || signal === "SIGQUIT";
    if (isFromKeyboard && hasTerminal) return;
    try {
      child.kill(signal);
    } catch {
      // It has already exited.
    }
  });
  const status = await child.status;
  // Programs in the background may keep the streams open.
  stop.abort();
  await forwarded;
  return { exitCode: status.code, signal: status.signal };
}
