import { suggest } from "../../suggest.ts";
import type { Command, CommandContext } from "../command.ts";
import { configFlags } from "../config_flags.ts";
import { usageError } from "../parse_arguments.ts";
import { EXPLAIN_FLAGS } from "../workflow/explain_flags.ts";

/** What can be done with workflows; each is loaded when it is asked for. */
const ACTIONS: Readonly<
  Record<string, (context: CommandContext, file?: string) => Promise<number>>
> = {
  async run(context, file) {
    const { loadWorkflow } = await import("../workflow/load_workflow.ts");
    const { runAction } = await import("../workflow/run_action.ts");
    const loaded = await loadWorkflow(context, file);
    const only = context.flags.get("only") as readonly string[] | undefined;
    const result = await runAction(context, loaded, only);
    return result?.exitCode ?? 0;
  },
  async graph(context, file) {
    const { loadWorkflow } = await import("../workflow/load_workflow.ts");
    const { graphText } = await import("../workflow/graph_action.ts");
    const { workflow } = await loadWorkflow(context, file);
    await context.print(graphText(workflow, context.flags.get("format")));
    return 0;
  },
  async list(context, directory) {
    const { listAction } = await import("../workflow/list_action.ts");
    return await listAction(context, directory);
  },
};

/** The command `workflow`. */
export const workflow: Command = {
  usage: "ACTION [FILE] [OPTIONS]",
  description: `Runs and shows workflows: jobs that wait for one another.

Actions:
  run FILE          Run the jobs of a workflow file on this machine
  graph FILE        Print which jobs wait for which
  list [DIRECTORY]  List what is in .reactorcide/workflows and .reactorcide/jobs

Each job has a workspace of its own below .reactorcide/workflow, with a copy of
the directory of the workflow. How the jobs stand is in
.reactorcide/workflow-state.json, which holds what they gave to others.`,
  flags: [
    {
      name: "concurrency",
      valueName: "COUNT",
      help: "Most jobs that run at once (the number of processors)",
    },
    {
      name: "only",
      valueName: "JOB",
      isRepeatable: true,
      help: "Run this job alone; may be given several times",
    },
    {
      name: "resume",
      help: "Go on with the last run: run what has not succeeded yet",
    },
    {
      name: "source",
      valueName: "WHERE",
      choices: ["copy", "in-place", "none"],
      help: "Where jobs get their code: copy, in-place or none (copy)",
    },
    {
      name: "executor",
      valueName: "NAME",
      choices: ["process", "docker", "podman"],
      help: "What runs jobs: process, docker or podman (process)",
    },
    {
      name: "network",
      valueName: "NAME",
      help: "Network of the containers",
    },
    {
      name: "event",
      valueName: "TYPE",
      help: "Run only if the workflow is for this event, such as push",
    },
    { name: "branch", valueName: "NAME", help: "Branch of the event" },
    {
      name: "changed-file",
      valueName: "PATH",
      isRepeatable: true,
      help: "File that the event has changed; may be given several times",
    },
    ...configFlags(["wait"]),
    { name: "dry-run", help: "Say what would be run" },
    ...EXPLAIN_FLAGS,
    {
      name: "format",
      valueName: "FORMAT",
      choices: ["text", "mermaid", "dot", "svg"],
      help: "How a graph is printed: text, mermaid, dot or svg (text)",
    },
  ],
  actions: Object.keys(ACTIONS),
  maxOperands: 2,
  async run(context) {
    const { operands: [name, operand], parts } = context;
    const code = await findAction(name)(context, operand);
    await parts.logger.flush();
    return code;
  },
};

function findAction(name: string | undefined) {
  const names = Object.keys(ACTIONS);
  if (name === undefined) {
    throw usageError(`An action is required: ${names.join(", ")}`, "workflow");
  }
  if (Object.hasOwn(ACTIONS, name)) return ACTIONS[name];
  const near = suggest(name, names);
  const hint = near === undefined ? "" : `; did you mean "${near}"?`;
  throw usageError(`Unknown action "${name}"${hint}`, "workflow");
}
