import type { JobConfig } from "../config/job_config.ts";
import { messageOf, RunnerError } from "../errors.ts";
import { TIMEOUT_EXIT_CODE } from "../process/exit_code.ts";
import type { SupervisedExit } from "../process/supervise.ts";
import { jobEnvironment } from "./job_environment.ts";
import { openJobRegistration } from "./open_registration.ts";
import type { JobStatus, StepResult } from "./job_result.ts";
import { cancelledError, type JobRun } from "./job_run.ts";
import { runCommand } from "./run_command.ts";

/** Name of the only step of a job that is one command. */
const STEP_NAME = "command";

/** How a command ended, and why it did not even start. */
type CommandExit = SupervisedExit & { error?: RunnerError };

/**
 * Runs the command of a job and notes in the run how it ended.
 *
 * @param run The run.
 * @param config Configuration of the job.
 * @param traceId Id of the trace to which the job belongs.
 * @returns The steps of the job.
 * @throws {RunnerError} If the directory or the environment cannot be made.
 */
export async function execute(
  run: JobRun,
  config: JobConfig,
  traceId: string,
): Promise<StepResult[]> {
  const { parts, cancellation, jobEnv } = run;
  const { host, workspace, logger, masker, stdout, stderr } = parts;
  const { command } = config;
  if (command === undefined) throw new TypeError("The job has no command");
  const cwd = await workingDirectory(run, config);
  await using registration = await openJobRegistration(parts);
  const env = await jobEnvironment({
    env: host.env,
    config,
    jobEnv,
    workspace,
    traceId,
    secretsSocket: registration?.path,
  });
  cancellation.asked.throwIfAborted();
  logger.info("job", `$ ${commandText(command)}`);
  const startedAt = new Date();
  const start = performance.now();
  const exit: CommandExit = await runCommand(command, {
    ...config,
    cwd,
    env,
    cancellation,
    masker,
    stdout,
    stderrSink: stderr,
  }).catch(notStarted);
  const durationMs = performance.now() - start;
  run.exitCode = exit.exitCode;
  const error = exit.error ?? errorOf(run, config, exit);
  if (error) run.fail(error);
  const outcome = outcomeOf(exit);
  return [{
    name: STEP_NAME,
    outcome,
    conclusion: outcome,
    exitCode: exit.exitCode,
    signal: exit.signal,
    attempts: 1,
    startedAt,
    durationMs,
    ...error ? { reason: messageOf(error) } : {},
  }];
}

/**
 * Only outside a container, when nobody chose a job directory and no source
 * was prepared, the command runs in the current directory: it is the user's
 * own project then, in which nothing is made.
 */
async function workingDirectory(
  run: JobRun,
  config: JobConfig,
): Promise<string> {
  const { host, workspace } = run.parts;
  const isOwn = workspace.inContainer || config.isJobDirChosen ||
    run.sourcePath !== undefined;
  if (!isOwn) return host.cwd;
  const { makeDirectories } = await import("./make_directories.ts");
  return await makeDirectories(workspace, config);
}

/** A command as a person would type it. */
export function commandText(command: string | readonly string[]): string {
  if (typeof command === "string") return command;
  return command.map((word) =>
    /^[\w./:@%+,=-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
  ).join(" ");
}

/** A command that cannot be started ends the way a shell ends then. */
function notStarted(error: unknown): CommandExit {
  if (error instanceof RunnerError && error.code.startsWith("command-not-")) {
    return { exitCode: error.exitCode, signal: null, cause: "exit", error };
  }
  throw error;
}

function errorOf(
  run: JobRun,
  config: JobConfig,
  { exitCode, signal, cause }: SupervisedExit,
): RunnerError | undefined {
  if (cause === "cancelled") return cancelledError(run.cancellation.signal!);
  if (cause === "timeout") {
    return new RunnerError(
      `The command exceeded its time limit of ${config.timeoutMs} ms`,
      { code: "command-timeout", exitCode: TIMEOUT_EXIT_CODE },
    );
  }
  if (exitCode === 0) return undefined;
  const how = signal === null ? `with exit code ${exitCode}` : `by ${signal}`;
  return new RunnerError(`The command ended ${how}`, {
    code: "command-failed",
    exitCode,
  });
}

function outcomeOf({ exitCode, cause }: SupervisedExit): JobStatus {
  if (cause !== "exit") return cause;
  return exitCode === 0 ? "success" : "failed";
}
