import type { ChildEnvironment } from "../../environment/child_environment.ts";
import { Variable } from "../../environment/variables.ts";
import { messageOf, RunnerError } from "../../errors.ts";
import { runCommand } from "../run_command.ts";
import { commandEnd } from "../command_end.ts";
import type { CommandOutputs, StepCommand } from "../step.ts";
import type { AttemptContext, AttemptEnd } from "./attempt.ts";
import { readOutputs } from "./outputs_file.ts";

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
