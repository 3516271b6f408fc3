import { Variable } from "../../environment/variables.ts";
import { osReason, RunnerError } from "../../errors.ts";
import { setOutput } from "../../runner/workflow_output.ts";
import { formatOutput, OUTPUT_KEY } from "../../steps/output_files.ts";
import { findAction } from "../actions.ts";
import type { CliCommand, CommandContext } from "../command.ts";
import { usageError } from "../parse_arguments.ts";
import { readText } from "../read_input.ts";

/** Maximum size of the outputs of a step, in bytes. */
const MAX_BYTES = 1024 * 1024;

export const outputCommand: CliCommand = {
  usage: "set KEY=VALUE… | set KEY",
  description:
    `Sets outputs of the running step for the steps that depend on it. Outside a step,
sets outputs of the job in its workflow. Without "=VALUE", reads the value from
standard input and removes the newline at its end.`,
  examples: [
    ["output set version=1.2.3", "Pass a version to the next steps"],
    ["output set notes < CHANGES.md", "Pass a multi-line value"],
  ],
  flags: [{
    name: "workflow",
    help: "Set an output of the job in its workflow, even in a step",
  }],
  actions: ["set"],
  maxOperands: Infinity,
  async run(context) {
    const { operands: [action, ...assignments], runner } = context;
    findAction({ set: true }, action, { command: "output" });
    if (assignments.length === 0) {
      throw usageError("An assignment KEY=VALUE is required", "output");
    }
    const outputs = await readOutputs(context, assignments);
    const path = runner.host.env[Variable.output];
    if (path && !context.isOn("workflow")) await appendOutputs(path, outputs);
    else {
      for (const [key, value] of outputs) {
        await setOutput(runner, { kind: "outputs", key, value });
      }
    }
    await runner.logger.flush();
    return 0;
  },
};

async function readOutputs(
  { runner: { host } }: CommandContext,
  assignments: readonly string[],
): Promise<[key: string, value: string][]> {
  const outputs: [string, string][] = [];
  let hasRead = false;
  for (const assignment of assignments) {
    const at = assignment.indexOf("=");
    const key = at === -1 ? assignment : assignment.slice(0, at);
    if (!OUTPUT_KEY.test(key)) {
      throw usageError(
        `Cannot set output ${
          JSON.stringify(key)
        }: a key consists of letters, digits, "_" and "-", and starts with a letter or "_"`,
        "output",
      );
    }
    if (at !== -1) {
      outputs.push([key, assignment.slice(at + 1)]);
      continue;
    }
    if (hasRead || host.stdin === undefined || host.stdin.isTerminal()) {
      throw usageError(`Output "${key}" has no value`, "output");
    }
    hasRead = true;
    const text = await readText(host.stdin.readable, { limit: MAX_BYTES });
    if (text === undefined) {
      throw new RunnerError(
        `Cannot set output "${key}": standard input must be UTF-8 text of up to ${MAX_BYTES} bytes`,
        { code: "output-failed" },
      );
    }
    outputs.push([key, text.replace(/\r?\n$/, "")]);
  }
  return outputs;
}

async function appendOutputs(
  path: string,
  outputs: readonly (readonly [key: string, value: string])[],
): Promise<void> {
  const text = outputs.map(([key, value]) => formatOutput(key, value)).join("");
  try {
    await Deno.writeTextFile(path, text, { append: true });
  } catch (cause) {
    throw new RunnerError(
      `Cannot write the outputs of the step: ${osReason(cause)}`,
      { code: "output-failed", cause },
    );
  }
}
