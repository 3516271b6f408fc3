import type { ChildEnvironment } from "../environment/child_environment.ts";
import { Variable } from "../environment/variables.ts";
import { messageOf, RunnerError } from "../errors.ts";
import type {
  CommandOutputs,
  StepCommand,
  StepContext,
  StepFunction,
} from "./step.ts";
import { Cancellation } from "../process/cancellation.ts";
import { TIMEOUT_EXIT_CODE } from "../process/exit_code.ts";
import { onAbort } from "../process/on_abort.ts";
import { settlesWithin, timeLimit } from "../process/time_limit.ts";
import type { AttemptContext, AttemptEnd } from "./attempts.ts";
import { readOutputs } from "./output_files.ts";
import { commandEnd, runCommand } from "./run_command.ts";

/** Exit code with which a command may say that there was nothing to do. */
const NEUTRAL_EXIT_CODE = 78;

/**
 * Runs a step that is a command, once.
 *
 * @param command The command.
 * @param context Everything that the attempt needs.
 * @returns How it ended.
 */
export async function attemptCommand(
  command: StepCommand,
  context: AttemptContext,
): Promise<AttemptEnd> {
  const { definition, name, env, outputPath } = context;
  const { timeoutMs } = definition;
  const end = await commandEnd(
    runStepCommand(command, context, {
      ...env,
      [Variable.output]: outputPath,
    }),
    { subject: `Step "${name}"`, timeoutMs },
  );
  if (definition.neutralExit && end.exitCode === NEUTRAL_EXIT_CODE) {
    return {
      ...end,
      outcome: "neutral",
      error: undefined,
      endJob: `step "${name}" found nothing to do`,
    };
  }
  let value: CommandOutputs;
  try {
    value = await readOutputs(outputPath);
  } catch (cause) {
    // Those that depend on it would go on without what they were to get.
    return end.error ? end : {
      outcome: "failed",
      exitCode: 1,
      signal: null,
      error: new RunnerError(
        `Cannot read the outputs of step "${name}": ${messageOf(cause)}`,
        { code: "step-failed", cause },
      ),
    };
  }
  return { ...end, value };
}

/**
 * Runs a command in the directory of a step, into its log.
 *
 * @param command The command.
 * @param context Everything that the attempt needs.
 * @param env The whole environment.
 * @returns How it ended.
 */
export function runStepCommand(
  command: StepCommand,
  context: AttemptContext,
  env: ChildEnvironment = context.env,
): ReturnType<typeof runCommand> {
  const { definition, log } = context;
  return runCommand(command, {
    ...context,
    env,
    shell: definition.shell,
    isUntrusted: definition.untrusted,
    timeoutMs: definition.timeoutMs,
    stdout: log.stdout,
    stderrSink: log.stderr,
  });
}

/**
 * Runs a step that is a function, once.
 *
 * A function cannot be ended from outside: its signal asks it, its commands
 * are ended, and after the grace time nobody waits for it any longer.
 *
 * @param run The function.
 * @param context Everything that the attempt needs.
 * @returns How it ended.
 */
export async function attemptFunction(
  run: StepFunction<unknown, unknown>,
  context: AttemptContext,
): Promise<AttemptEnd> {
  const { name, cancellation, graceMs } = context;
  const { timeoutMs } = context.definition;
  // Commands of the function end with the step, for whatever reason.
  const ending = new Cancellation();
  using _asked = onAbort(
    cancellation.asked,
    () => ending.cancel(cancellation.signal!),
  );
  using _insisted = onAbort(cancellation.insisted, () => {
    ending.cancel("SIGTERM");
    ending.cancel("SIGTERM");
  });
  let endJob: string | undefined;
  const stepContext = contextOf(
    { ...context, cancellation: ending },
    (reason) => endJob = reason,
  );
  const entered = context.enterFunction();
  const value = Promise.try(run, stepContext)
    .finally(() => entered?.[Symbol.dispose]());
  const cause = await firstCause(value, context);
  if (cause !== "over") {
    ending.cancel("SIGTERM");
    const insisted = Promise.withResolvers<void>();
    using _ = onAbort(ending.insisted, insisted.resolve);
    await settlesWithin(Promise.race([value, insisted.promise]), graceMs);
  }
  if (cause === "cancelled") {
    return { outcome: "cancelled", exitCode: 1, signal: null };
  }
  if (cause === "timeout") {
    const error = new RunnerError(
      `Step "${name}" exceeded its time limit of ${timeoutMs} ms`,
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
    (cause) => thrown(name, cause),
  );
}

async function firstCause(
  value: Promise<unknown>,
  { definition, cancellation }: AttemptContext,
): Promise<"over" | "cancelled" | "timeout"> {
  const { timeoutMs } = definition;
  using limit = timeoutMs === undefined ? undefined : timeLimit(timeoutMs);
  const { promise, resolve } = Promise.withResolvers<
    "over" | "cancelled" | "timeout"
  >();
  value.then(() => resolve("over"), () => resolve("over"));
  using _ = onAbort(cancellation.asked, () => resolve("cancelled"));
  limit?.reached.then(() => resolve("timeout"));
  return await promise;
}

function contextOf(
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
    signal: cancellation.asked,
    print: (text) =>
      log.stdout.write(encoder.encode(`${masker.maskText(text)}\n`)),
    async run(command) {
      const exit = runStepCommand(command, context);
      const subject = `A command of step "${name}"`;
      const { error } = await commandEnd(exit, {
        subject,
        timeoutMs: context.definition.timeoutMs,
      });
      if (error) throw error;
      cancellation.asked.throwIfAborted();
    },
    registerSecret: (value) => masker.add(value),
    endJob,
  };
}

function thrown(name: string, cause: unknown): AttemptEnd {
  if (cause instanceof RunnerError && cause.code.startsWith("command-")) {
    const { exitCode } = cause;
    return { outcome: "failed", exitCode, signal: null, error: cause };
  }
  const error = new RunnerError(`Step "${name}" threw: ${messageOf(cause)}`, {
    code: "step-failed",
    cause,
  });
  return { outcome: "failed", exitCode: 1, signal: null, error };
}
