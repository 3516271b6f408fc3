import type { Command } from "../command.ts";
import { listDefinitions } from "../list_definitions.ts";

/** The command `list`. */
export const list: Command = {
  usage: "[DIRECTORY] [OPTIONS]",
  description:
    `Lists what a directory defines, with descriptions: the job that "runnerlib run"
runs and its steps, the workflows in .reactorcide/workflows and their jobs, and
the jobs in .reactorcide/jobs. Exits with 1 if one of the files is invalid.`,
  examples: [
    ["list", "List what the current directory defines"],
    ["list --json", "Print it for another program"],
  ],
  flags: [{ name: "json", help: "Print the result as a JSON document" }],
  maxOperands: 1,
  run: (context) => listDefinitions(context, context.operands[0]),
};
