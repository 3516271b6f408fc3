import type { Command } from "../command.ts";
import { drawDefinition, FORMAT_FLAG } from "../draw_definition.ts";

/** The command `graph`. */
export const graph: Command = {
  usage: "[FILE] [OPTIONS]",
  description:
    `Draws the steps of a job file, or the jobs of a workflow file. Without FILE, draws
the job file of the directory, or its only workflow.`,
  examples: [
    ["graph", "Draw the job of the current directory"],
    ["graph ci.yaml --format svg > ci.svg", "Write a picture"],
  ],
  flags: [FORMAT_FLAG],
  operandNames: "workflow",
  maxOperands: 1,
  run: (context) => drawDefinition(context, context.operands[0]),
};
