import type { ChildEnvironment } from "../environment/child_environment.ts";
import { osReason, RunnerError } from "../errors.ts";
import type { EndingSignal } from "../host.ts";
import { type ExitStatus, exitStatus } from "./exit_code.ts";

/** Options for {@linkcode runInherited}. */
export interface RunInheritedOptions {
  /** Working directory. */
  cwd: string;
  /** The whole environment of the program. */
  env: ChildEnvironment;
  /** Calls a listener for each signal that the runner gets. */
  onSignal: (listener: (signal: EndingSignal) => void) => Disposable;
  /** Whether the program gets the signals of a terminal by itself. */
  hasTerminal: boolean;
}

/**
 * Runs a program in the place of the runner: with its streams and its terminal.
 *
 * @param argv Program and arguments.
 * @param options Directory, environment and signals, which are passed on.
 * @returns How it ended.
 * @throws {RunnerError} If it cannot be started.
 */
export async function runInherited(
  argv: readonly string[],
  options: RunInheritedOptions,
): Promise<ExitStatus> {
  const { cwd, env, onSignal, hasTerminal } = options;
  const [program, ...args] = argv;
  const streams = { stdin: "inherit", stdout: "inherit", stderr: "inherit" };
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(program, {
      ...streams as Deno.CommandOptions,
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
  using _ = onSignal((signal) => {
    // A terminal signals its whole group; a runner that gets a signal twice
    // kills at once.
    const isFromKeyboard = signal === "SIGINT" || signal === "SIGQUIT";
    if (isFromKeyboard && hasTerminal) return;
    try {
      child.kill(signal);
    } catch {
      // It has ended meanwhile, which was what the signal was for.
    }
  });
  return exitStatus(await child.status);
}
