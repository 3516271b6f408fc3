import { messageOf, RunnerError } from "../errors.ts";
import { Cancellation, onAbort } from "../process/cancellation.ts";
import { TIMEOUT_EXIT_CODE } from "../process/spawn.ts";
import { settlesWithin } from "../process/time_limit.ts";
import { durationText } from "../schema/duration.ts";
import {
  type AttemptContext,
  type AttemptEnd,
  failedAttempt,
  runStepCommand,
} from "./attempt.ts";
import { waitForCommand } from "./run_command.ts";
import {
  type EndedCommand,
  OutputCollector,
  runningCommand,
  templateCommand,
} from "./running_command.ts";
import type { StepCommand, StepContext, StepFunction } from "./step.ts";

/**
 * Runs one attempt at a function step.
 *
 * A function cannot be killed. Instead, its signal is aborted, its commands are
 * terminated, and the runner stops waiting for it after the grace period.
 *
 * @returns How the attempt ended.
 */
export async function attemptFunction(
  run: StepFunction<unknown, unknown>,
  context: AttemptContext,
): Promise<AttemptEnd> {
  const { name, cancellation, graceMs, definition: { timeoutMs } } = context;
  // Commands of the function are cancelled when the step ends for any reason.
  const ending = new Cancellation();
  using _graceful = onAbort(
    cancellation.graceful,
    () => ending.cancel(cancellation.signal!),
  );
  using _forced = onAbort(cancellation.forced, () => {
    ending.cancel("SIGTERM");
    ending.cancel("SIGTERM");
  });
  let endJob: string | undefined;
  const stepContext = createContext(
    { ...context, cancellation: ending },
    (reason) => endJob = reason,
  );
  const entered = context.enterFunction();
  const value = Promise.try(run, stepContext)
    .finally(() => entered?.[Symbol.dispose]());
  const cause = await waitForEnd(value, context);
  if (cause !== "over") {
    ending.cancel("SIGTERM");
    const forced = Promise.withResolvers<void>();
    using _ = onAbort(ending.forced, forced.resolve);
    const first = Promise.race([value, forced.promise]);
    await settlesWithin(first, graceMs, context.system.clock.limit);
  }
  if (cause === "cancelled") {
    return { outcome: "cancelled", exitCode: 1, signal: null };
  }
  if (cause === "timeout") {
    const error = new RunnerError(
      `Step "${name}" exceeded its time limit of ${durationText(timeoutMs!)}`,
      { code: "command-timeout", exitCode: TIMEOUT_EXIT_CODE },
    );
    const exitCode = TIMEOUT_EXIT_CODE;
    return { outcome: "timeout", exitCode, signal: null, error };
  }
  return await value.then(
    (value) => ({
      outcome: endJob === undefined ? "success" : "neutral",
      exitCode: 0,
      signal: null,
      value,
      ...endJob === undefined ? {} : { endJob },
    }),
    (cause) => toFailedAttempt(name, cause),
  );
}

async function waitForEnd(
  value: Promise<unknown>,
  { definition, cancellation, system: { clock } }: AttemptContext,
): Promise<"over" | "cancelled" | "timeout"> {
  const { timeoutMs } = definition;
  using limit = timeoutMs === undefined ? undefined : clock.limit(timeoutMs);
  const { promise, resolve } = Promise.withResolvers<
    "over" | "cancelled" | "timeout"
  >();
  value.then(() => resolve("over"), () => resolve("over"));
  using _ = onAbort(cancellation.graceful, () => resolve("cancelled"));
  limit?.reached.then(() => resolve("timeout"));
  return await promise;
}

function createContext(
  context: AttemptContext,
  endJob: (reason: string) => void,
): StepContext<unknown> {
  const { name, attempt, env, masker, log, cancellation } = context;
  const encoder = new TextEncoder();
  return {
    name,
    attempt,
    outputs: context.needOutputs,
    needs: context.needs,
    env,
    workingDir: context.cwd,
    artifactsDir: context.artifactsPath,
    signal: cancellation.graceful,
    print: (text) =>
      log.stdout.write(encoder.encode(`${masker.maskText(text)}\n`)),
    run: (command) => runningCommand(runAndCollect(command, context)),
    $: (parts, ...values) =>
      runningCommand(
        runAndCollect(templateCommand(parts, values), {
          ...context,
          definition: { ...context.definition, shell: undefined },
        }),
      ),
    registerSecret: context.registerSecret,
    endJob,
  };
}

async function runAndCollect(
  command: StepCommand,
  context: AttemptContext,
): Promise<EndedCommand> {
  const stdout = new OutputCollector();
  const stderr = new OutputCollector();
  const exit = runStepCommand(command, context, {
    onOutput: { stdout: stdout.add, stderr: stderr.add },
  });
  const { exitCode, error } = await waitForCommand(exit, {
    subject: `A command of step "${context.name}"`,
    timeoutMs: context.definition.timeoutMs,
  });
  context.cancellation.graceful.throwIfAborted();
  return {
    result: {
      stdout: stdout.end(),
      stderr: stderr.end(),
      exitCode,
      isTruncated: stdout.isTruncated || stderr.isTruncated,
    },
    error,
  };
}

function toFailedAttempt(name: string, cause: unknown): AttemptEnd {
  if (cause instanceof RunnerError && cause.code.startsWith("command-")) {
    return failedAttempt(cause);
  }
  const message = `Step "${name}" threw: ${messageOf(cause)}`;
  return failedAttempt(
    new RunnerError(message, { code: "step-failed", cause }),
  );
}
