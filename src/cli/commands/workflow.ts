import { ENGINES } from "../../workflow/export/engines.ts";
import { findAction } from "../actions.ts";
import type { CliCommand, CommandContext, Flag } from "../command.ts";
import { configFlags } from "../config_flags.ts";
import { QUIET_FLAG, VERBOSE_FLAG } from "../parse_arguments.ts";
import { EXPLAIN_FLAGS } from "../workflow/explanation.ts";
import { EXECUTOR_FLAG, KUBERNETES_FLAGS } from "../workflow/find_executor.ts";
import {
  CHANGED_FILE_FLAG,
  INPUT_FLAGS,
  loadWorkflow,
} from "../workflow/load_workflow.ts";
import { drawDefinition, FORMAT_FLAG } from "./graph.ts";
import { DRY_RUN_FLAG, WATCH_FLAG } from "./run.ts";

/** Actions; each loads its modules on demand. */
const ACTIONS: Readonly<
  Record<string, (context: CommandContext, file?: string) => Promise<number>>
> = {
  async run(context, file) {
    const { runAction } = await import("../workflow/run_workflow_action.ts");
    const run = async (context: CommandContext) => {
      const loaded = await loadWorkflow(context, file);
      const only = context.flags.get("only") as readonly string[] | undefined;
      const result = await runAction(context, loaded, only);
      return result?.exitCode ?? 0;
    };
    if (!context.isOn("watch")) return await run(context);
    const { root } = await loadWorkflow(context, file);
    const { watchRuns } = await import("../watch/watch_runs.ts");
    const record = context.flags.get("record");
    return await watchRuns(context, {
      roots: [root],
      written: typeof record === "string" ? [record] : [],
    }, run);
  },
  async graph(context, file) {
    return await drawDefinition(context, file);
  },
  async attach(context, id) {
    const { attachWorkflow } = await import(
      "../workflow/run_workflow_action.ts"
    );
    return await attachWorkflow(context, id);
  },
  async export(context, file) {
    const { exportAction } = await import(
      "../workflow/export_workflow_action.ts"
    );
    return await exportAction(context, file);
  },
  async job(context) {
    const { runExportedJobAction } = await import(
      "../workflow/export_workflow_action.ts"
    );
    return await runExportedJobAction(context);
  },
  async list(context, directory) {
    const { listDefinitions } = await import("./list.ts");
    return await listDefinitions(context, directory);
  },
};

/** Options of `workflow export`. */
const EXPORT_FLAGS: readonly Flag[] = [
  {
    name: "to",
    valueName: "ENGINE",
    choices: ENGINES,
    help: "Engine of an exported file: gitlab, github or argo",
    group: "Output",
  },
  {
    name: "output",
    valueName: "FILE",
    help: "File for the exported workflow (standard output)",
    group: "Output",
  },
];

/**
 * Options of `workflow job`, which only exported files use.
 */
const EXPORTED_JOB_FLAGS: readonly Flag[] = [
  {
    name: "need",
    valueName: "JOB=VARIABLES",
    isRepeatable: true,
    isHidden: true,
    help: "Needed job, and the variables that contain its results",
  },
  {
    name: "item",
    valueName: "INDEX",
    isHidden: true,
    help: "Only item of for_each that runs",
  },
  {
    name: "result-file",
    valueName: "FILE",
    isHidden: true,
    help: "File for the result",
  },
  {
    name: "result-name",
    valueName: "NAME",
    isHidden: true,
    help: "Name before the result and an equals sign",
  },
  {
    name: "artifact-store",
    valueName: "DIRECTORY",
    isHidden: true,
    help: "Directory for artifacts, unless a store is set",
  },
];

export const workflowCommand: CliCommand = {
  usage: "ACTION [FILE] [OPTIONS]",
  description:
    `Runs and shows workflows: graphs of jobs that depend on each other.

Actions:
  run [FILE]        Run the jobs of a workflow file
  attach ID         Follow a workflow that runs on a coordinator
  graph [FILE]      Draw the graph, as "runnerlib graph" does
  list [DIRECTORY]  List the jobs, steps and workflows, as "runnerlib list" does
  export [FILE]     Write a workflow file for GitLab, GitHub or Argo
  job               Run a job of an exported workflow in its engine

Without FILE, uses the only workflow in .reactorcide/workflows.

Each job has its own workspace below .reactorcide/workflow, with a copy of the
workflow's directory. The state of the jobs, with their outputs, is kept in
.reactorcide/workflow-state.json.

With --executor coordinator, the workers of a coordinator run the jobs, with the
commit that is checked out.`,
  usesCoordinator: true,
  examples: [
    ["workflow run .reactorcide/workflows/ci.yaml", "Run a workflow"],
    [
      "workflow run ci.yaml --only test --dry-run",
      "Show what one of its jobs would run",
    ],
    [
      "workflow export ci.yaml --to gitlab --output .gitlab-ci.yml",
      "Export the workflow for GitLab",
    ],
    [
      "workflow run ci.yaml --resume",
      "Run the jobs that have not succeeded yet",
    ],
    [
      "workflow run ci.yaml --executor coordinator",
      "Run a workflow on the workers of a coordinator",
    ],
  ],
  flags: [
    QUIET_FLAG,
    VERBOSE_FLAG,
    {
      name: "concurrency",
      valueName: "COUNT",
      help: "Maximum number of concurrent jobs (the number of processors)",
      group: "Limits",
    },
    {
      name: "only",
      valueName: "JOB",
      names: "job",
      isRepeatable: true,
      help: "Run only this job",
      group: "What to run",
    },
    {
      name: "resume",
      help: "Continue the last run: run the jobs that have not succeeded",
      group: "What to run",
    },
    {
      name: "source",
      valueName: "WHERE",
      choices: ["copy", "in-place", "git", "none"],
      help:
        "How jobs get their code: copy, in-place, git or none (copy; git on a coordinator)",
      group: "Source",
    },
    EXECUTOR_FLAG,
    {
      name: "detach",
      help:
        "Submit to the coordinator, print the command that follows it, and exit",
    },
    {
      name: "network",
      valueName: "NAME",
      help: "Network of the containers",
    },
    ...KUBERNETES_FLAGS,
    {
      name: "event",
      valueName: "TYPE",
      help: "Run only if the workflow handles this event, such as push",
      group: "What to run",
    },
    ...INPUT_FLAGS,
    {
      name: "branch",
      valueName: "NAME",
      help: "Branch of the event",
      group: "What to run",
    },
    CHANGED_FILE_FLAG,
    ...configFlags(["source_url", "source_ref", "wait", "record", "otel"]),
    DRY_RUN_FLAG,
    WATCH_FLAG,
    ...EXPLAIN_FLAGS,
    FORMAT_FLAG,
    ...EXPORT_FLAGS,
    ...EXPORTED_JOB_FLAGS,
  ],
  actions: Object.keys(ACTIONS),
  operandNames: "workflow",
  maxOperands: 2,
  async run(context) {
    const { operands: [name, operand], runner } = context;
    const code = await findAction(ACTIONS, name, { command: "workflow" })(
      context,
      operand,
    );
    await runner.logger.flush();
    return code;
  },
};
