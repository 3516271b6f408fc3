import { messageOf, RunnerError } from "../errors.ts";
import { tailedLog } from "../output/job_log.ts";
import { LogTail } from "../output/log_tail.ts";
import type { Sink } from "../output/sink.ts";
import { Cancellation, onAbort } from "../process/cancellation.ts";
import {
  type AttemptContext,
  runStepCommand,
  type StepEnd,
  withOutcome,
} from "./attempt.ts";
import type { AttemptFiles } from "./attempt_files.ts";
import { acceptsConnections, waitUntilReady, watchLog } from "./readiness.ts";
import { runAttempts, type RunAttemptsOptions } from "./run_attempts.ts";
import { waitForCommand } from "./run_command.ts";
import type { CommandOutputs } from "./step.ts";

/** Options for {@linkcode runService}. */
export interface RunServiceOptions extends RunAttemptsOptions {
  /** Ports that were chosen for the service, by name. */
  ports: Readonly<Record<string, number>>;
  /**
   * Called with the outputs of the service when it is ready, and the time since
   * its start in milliseconds.
   */
  onReady: (outputs: CommandOutputs, durationMs: number) => void;
  /**
   * Called with the error and the last lines of a service that is not ready in
   * time, before its processes are ended.
   */
  onUnusable: (failure: Pick<StepEnd, "error" | "lastLines">) => void;
}

/** Context of a service, without the parts that differ between attempts. */
type ServiceContext = Omit<AttemptContext, "attempt" | keyof AttemptFiles>;

/**
 * Runs a service until it is cancelled.
 *
 * @returns How it ended. It failed if it was not ready in time or exited on its
 * own.
 */
export async function runService(
  context: ServiceContext,
  options: RunServiceOptions,
): Promise<StepEnd> {
  const { definition: { ready = {} }, cancellation } = context;
  const watched = watchLog(context.log, ready.log ?? []);
  const started = Promise.withResolvers<AttemptFiles | undefined>();
  const over = new AbortController();
  const { clock } = context.system;
  const start = clock.now();
  let isReady = false;

  /** Waits until the service is ready; returns why it cannot be used. */
  async function becomeReady(): Promise<string | undefined> {
    const files = await started.promise;
    if (files === undefined) return undefined;
    using _work = clock.work();
    const problem = await waitUntilReady(ready, {
      ports: options.ports,
      isTextPrinted: watched.isFound,
      runCommand: (signal) =>
        checkCommand({
          ...context,
          ...files,
          env: { ...context.env, ...files.directories },
          attempt: 1,
        }, signal),
      signal: over.signal,
    });
    if (problem !== undefined) return problem;
    if (over.signal.aborted || cancellation.signal !== null) return undefined;
    const outputs = await files.readOutputs();
    isReady = true;
    options.onReady(outputs, clock.now() - start);
    return undefined;
  }

  const port = await findUsedPort(ready.port);
  if (port !== undefined) {
    const problem = `cannot start: port ${port} is in use`;
    return failService(context, NOT_STARTED, problem);
  }
  const readiness = becomeReady()
    .catch((error) => `cannot be used: ${messageOf(error)}`)
    .then((problem) => {
      if (problem !== undefined && cancellation.signal === null) {
        cancellation.cancel("SIGTERM");
        options.onUnusable(createFailure(context, problem));
      }
      return problem;
    });
  const end = await runAttempts({ ...context, log: watched.log }, {
    ...options,
    openAttempt() {
      const files = options.openAttempt();
      started.resolve(files);
      return files;
    },
  });
  over.abort();
  started.resolve(undefined);
  const problem = await readiness ?? explainEnd(end, isReady);
  return problem === undefined
    ? { ...end, lastLines: context.log.tail() }
    : failService(context, end, problem);
}

/** End of a service whose process was never started. */
const NOT_STARTED: StepEnd = {
  outcome: "failed",
  exitCode: 1,
  signal: null,
  attemptResults: [],
};

/**
 * Finds a port of a service on which another program listens: it would be
 * mistaken for the service.
 */
async function findUsedPort(
  port: number | string | undefined,
): Promise<number | undefined> {
  if (typeof port !== "number") return undefined;
  return await acceptsConnections(port) ? port : undefined;
}

/**
 * Explains why a service ended, unless the runner ended it or could not start
 * it.
 */
function explainEnd(
  { outcome, exitCode, signal, error }: StepEnd,
  isReady: boolean,
): string | undefined {
  const hasExited = outcome === "success" || error?.code === "command-failed";
  if (!hasExited) return undefined;
  const how = signal === null ? `with exit code ${exitCode}` : `by ${signal}`;
  const when = isReady ? "while it was needed" : "before it was ready";
  const advice = exitCode === 0 ? "; it must stay in the foreground" : "";
  return `ended ${how} ${when}${advice}`;
}

function failService(
  context: ServiceContext,
  end: StepEnd,
  problem: string,
): StepEnd {
  return {
    ...withOutcome(end, "failed"),
    ...createFailure(context, problem, end.exitCode || 1),
  };
}

function createFailure(
  { name, log }: ServiceContext,
  problem: string,
  exitCode = 1,
): Required<Pick<StepEnd, "error" | "lastLines">> {
  const error = new RunnerError(`Service "${name}" ${problem}`, {
    code: "step-failed",
    exitCode,
  });
  return { error, lastLines: log.tail() };
}

/**
 * Runs the command of `ready`. The last line of its output may explain what is
 * missing.
 */
async function checkCommand(
  context: AttemptContext,
  signal: AbortSignal,
): Promise<string | undefined> {
  const cancellation = new Cancellation();
  using _ = onAbort(signal, () => {
    cancellation.cancel("SIGTERM");
    cancellation.cancel("SIGTERM");
  });
  const tail = new LogTail();
  const nowhere: Sink = { write: () => Promise.resolve() };
  const exit = runStepCommand(context.definition.ready!.command!, {
    ...context,
    cancellation,
    log: tailedLog(nowhere, nowhere, tail),
  });
  const { outcome, error } = await waitForCommand(exit, {
    subject: "its command",
    timeoutMs: undefined,
  });
  if (outcome === "success") return undefined;
  const [line] = tail.lines(new Uint8Array(), new Uint8Array(), 1);
  return (error?.message ?? "its command does not end") +
    (line ? ` (${line})` : "");
}
