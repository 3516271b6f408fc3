import type { Layer } from "../../config/settings.ts";
import { messageOf, RunnerError } from "../../errors.ts";
import { isObject, parseJson } from "../../json_value.ts";
import type { RunnerContext } from "../../runner/runner_context.ts";
import { workflowFunctions } from "../../runner/workflow_functions.ts";
import {
  flushTriggers,
  triggerOptionsFromEnv,
} from "../../triggers/flush_triggers.ts";
import { TriggerQueue } from "../../triggers/queue.ts";
import { findAction } from "../actions.ts";
import type { CliCommand, CommandContext } from "../command.ts";
import { readText } from "../read_input.ts";

/** Maximum size of the arguments, in bytes: that of a large trigger document. */
const MAX_INPUT_BYTES = 8 * 1024 * 1024;

/** Arguments of a function, by name. */
type Arguments = Readonly<Record<string, unknown>>;

type LibraryFunction = (
  args: Arguments,
  runner: RunnerContext,
) => Promise<unknown>;

/** Functions of the library that programs in other languages can call. */
const FUNCTIONS: Readonly<Record<string, LibraryFunction>> = {
  async triggerJobs({ jobs, triggersFile }, runner) {
    if (!Array.isArray(jobs)) throw argumentError("jobs", "a list");
    const queue = new TriggerQueue();
    queue.addWire(jobs);
    const { triggers } = await flushTriggers(runner, queue, {
      ...triggerOptionsFromEnv(
        runner,
        createTriggersLayer(readOptionalText({ triggersFile })),
      ),
      isAtomic: true,
      joinsEarlier: true,
    });
    return triggers.map(({ name }) => name);
  },
  async isJobRunning({ name }, runner) {
    return await workflowFunctions(() => runner).isJobRunning(
      readRequiredText({ name }),
    );
  },
  async getJobResult({ name }, runner) {
    return await workflowFunctions(() => runner).getJobResult(
      readRequiredText({ name }),
    );
  },
  async logNextJob({ name, reason, dependsOn = [], workflowFile }, runner) {
    if (!Array.isArray(dependsOn)) throw argumentError("dependsOn", "a list");
    await workflowFunctions(() => runner).logNextJob(
      readRequiredText({ name }),
      {
        reason: readOptionalText({ reason }),
        dependsOn: dependsOn.map(String),
        workflowFile: readOptionalText({ workflowFile }),
      },
    );
  },
  async setWorkflowVar({ name, value }, runner) {
    await workflowFunctions(() => runner).setWorkflowVar(
      readRequiredText({ name }),
      value,
    );
  },
  async setWorkflowOutput({ key, value }, runner) {
    await workflowFunctions(() => runner).setWorkflowOutput(
      readRequiredText({ key }),
      value,
    );
  },
  async getWorkflowVars(_, runner) {
    return await workflowFunctions(() => runner).getWorkflowVars();
  },
};

export const callCommand: CliCommand = {
  usage: "FUNCTION [OPTIONS]",
  description:
    `Calls a function of the library, from a job in any language. Reads the
arguments as a JSON object from standard input and prints the result as JSON. On
failure, prints {"error": {"code", "message"}} and exits with 1.

Functions: ${Object.keys(FUNCTIONS).join(", ")}.
Follow-up jobs use the keys of trigger documents: job_name, depends_on, env.`,
  usesCoordinator: true,
  examples: [
    [
      'call triggerJobs <<< \'{"jobs": [{"job_name": "deploy"}]}\'',
      "Submit a follow-up job",
    ],
    [
      'call getJobResult <<< \'{"name": "build"}\'',
      "Print how a job of the workflow ended",
    ],
  ],
  flags: [],
  maxOperands: 1,
  async run(context) {
    const { operands: [name], runner } = context;
    const call = findAction(FUNCTIONS, name, {
      command: "call",
      word: "function",
    });
    try {
      const result = await call(
        await readArguments(context),
        runner,
      );
      if (result !== undefined) await printJson(context, result);
      return 0;
    } catch (error) {
      const { code, exitCode } = error instanceof RunnerError
        ? error
        : { code: "invalid-config", exitCode: 1 };
      if (!(error instanceof RunnerError || error instanceof TypeError)) {
        throw error;
      }
      await printJson(context, { error: { code, message: messageOf(error) } });
      return exitCode;
    } finally {
      await runner.logger.flush();
    }
  },
};

async function readArguments({ runner }: CommandContext): Promise<Arguments> {
  const { stdin } = runner.host;
  const input = stdin === undefined || stdin.isTerminal()
    ? ""
    : await readText(stdin.readable, { limit: MAX_INPUT_BYTES });
  const args = input === "" ? {} : parseJson(input ?? "");
  if (isObject(args)) return args;
  throw new TypeError("the arguments on standard input are not a JSON object");
}

async function printJson({ print }: CommandContext, value: unknown) {
  await print(JSON.stringify(value));
}

function readRequiredText(field: Readonly<Record<string, unknown>>): string {
  const value = readOptionalText(field);
  if (value === undefined) {
    throw argumentError(Object.keys(field)[0], "a string");
  }
  return value;
}

function createTriggersLayer(file: string | undefined): Layer {
  return file === undefined
    ? {}
    : { triggers_file: { value: file, origin: "the call" } };
}

function readOptionalText(field: Readonly<Record<string, unknown>>) {
  const [[name, value]] = Object.entries(field);
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "string") throw argumentError(name, "a string");
  return value;
}

function argumentError(name: string, expected: string): TypeError {
  return new TypeError(`the argument "${name}" must be ${expected}`);
}
