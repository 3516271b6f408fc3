import { didYouMean, suggest } from "../suggest.ts";
import type {
  CommandCatalog,
  CommandEntry,
  Flag,
  LoadedCommand,
} from "./command.ts";
import { runJobCommand } from "./commands/run.ts";
import { formatArgument, listFlags, usageError } from "./parse_arguments.ts";

/** All commands; those of a group are in the order of the help. */
export const COMMANDS: Readonly<Record<string, CommandEntry>> = {
  init: {
    group: "Run",
    summary: "Write a first job, pipeline, workflow or plugin",
    load: () =>
      import("./commands/init.ts").then((module) => module.initCommand),
  },
  run: {
    group: "Run",
    summary: "Run a job: the job.yaml of the directory, or a command",
    // Imported statically, because the startup time of `run` matters most.
    load: () => Promise.resolve(runJobCommand),
  },
  exec: {
    group: "Run",
    summary:
      "Run a TypeScript pipeline with few permissions, or a Python pipeline",
    load: () =>
      import("./commands/exec.ts").then((module) => module.execCommand),
  },
  workflow: {
    group: "Run",
    summary: "Run or show a workflow on this machine",
    load: () =>
      import("./commands/workflow.ts").then((module) => module.workflowCommand),
  },
  "run-job": {
    group: "Run",
    summary: "Run the job of a job file in a nested container",
    load: () =>
      import("./commands/run_job_file.ts").then((module) =>
        module.runJobFileCommand
      ),
  },
  list: {
    group: "Inspect",
    summary: "List the jobs, steps and workflows of a directory",
    load: () =>
      import("./commands/list.ts").then((module) => module.listCommand),
  },
  graph: {
    group: "Inspect",
    summary: "Draw the steps of a job or the jobs of a workflow",
    load: () =>
      import("./commands/graph.ts").then((module) => module.graphCommand),
  },
  validate: {
    group: "Inspect",
    summary: "Check the configuration without running anything",
    load: () =>
      import("./commands/validate.ts").then((module) => module.validateCommand),
  },
  config: {
    group: "Inspect",
    summary: "Show the configuration and where each value comes from",
    load: () =>
      import("./commands/config.ts").then((module) => module.configCommand),
  },
  report: {
    group: "Inspect",
    summary: "Show a run from its record",
    load: () =>
      import("./commands/report.ts").then((module) => module.reportCommand),
  },
  ui: {
    group: "Inspect",
    summary: "Show runs live in a browser",
    load: () => import("./commands/ui.ts").then((module) => module.uiCommand),
  },
  mcp: {
    group: "Inspect",
    summary: "Let coding agents list, validate and inspect jobs and runs",
    load: () => import("./commands/mcp.ts").then((module) => module.mcpCommand),
  },
  artifacts: {
    group: "Inspect",
    summary: "List the artifacts of a workflow, or get their files",
    load: () =>
      import("./commands/artifacts.ts").then((module) =>
        module.artifactsCommand
      ),
  },
  plugins: {
    group: "Inspect",
    summary: "Show the plugins that a job would load, and their permissions",
    load: () =>
      import("./commands/plugins.ts").then((module) => module.pluginsCommand),
  },
  permissions: {
    group: "Inspect",
    summary: "Show the permissions of a pipeline and the command that runs it",
    load: () =>
      import("./commands/exec.ts").then((module) => module.permissionsCommand),
  },
  doctor: {
    group: "Inspect",
    summary: "Show what is installed, what is missing and what needs it",
    load: () =>
      import("./commands/doctor.ts").then((module) => module.doctorCommand),
  },
  checkout: {
    group: "Sources and workspace",
    summary: "Check a git repository out into the code directory",
    load: () =>
      import("./commands/checkout.ts").then((module) => module.checkoutCommand),
  },
  copy: {
    group: "Sources and workspace",
    summary: "Copy a directory into the code directory",
    load: () =>
      import("./commands/checkout.ts").then((module) => module.copyCommand),
  },
  git: {
    group: "Sources and workspace",
    summary: "Show what is checked out, or which files changed",
    load: () => import("./commands/git.ts").then((module) => module.gitCommand),
  },
  cleanup: {
    group: "Sources and workspace",
    summary: "Remove what earlier runs left in ./job",
    load: () =>
      import("./commands/cleanup.ts").then((module) => module.cleanupCommand),
  },
  "explain-masks": {
    group: "Secrets",
    summary: "Show which names are masked, and why",
    load: () =>
      import("./commands/explain_masks.ts").then((module) =>
        module.explainMasksCommand
      ),
  },
  secrets: {
    group: "Secrets",
    summary: "Keep secrets in an encrypted store on this machine",
    load: () =>
      import("./commands/secrets.ts").then((module) => module.secretsCommand),
  },
  "register-secret": {
    group: "Inside jobs and on workers",
    summary: "Mask a secret in the output of the running job",
    load: () =>
      import("./commands/register_secret.ts").then((module) =>
        module.registerSecretCommand
      ),
  },
  output: {
    group: "Inside jobs and on workers",
    summary: "Set outputs of the running step or job",
    load: () =>
      import("./commands/output.ts").then((module) => module.outputCommand),
  },
  trigger: {
    group: "Inside jobs and on workers",
    summary: "Submit the jobs in job files as follow-up jobs",
    load: () =>
      import("./commands/trigger.ts").then((module) => module.triggerCommand),
  },
  cache: {
    group: "Inside jobs and on workers",
    summary: "Save directories under a key and restore them in a later job",
    load: () =>
      import("./commands/cache.ts").then((module) => module.cacheCommand),
  },
  call: {
    group: "Inside jobs and on workers",
    summary: "Call a function of the library from any language",
    load: () =>
      import("./commands/call.ts").then((module) => module.callCommand),
  },
  eval: {
    group: "Inside jobs and on workers",
    summary: "Find the workflows and jobs that an event starts",
    load: () =>
      import("./commands/eval.ts").then((module) => module.evalCommand),
  },
  schema: {
    group: "More",
    summary: "Print a JSON Schema for editors",
    load: () =>
      import("./commands/schema.ts").then((module) => module.schemaCommand),
  },
  completions: {
    group: "More",
    summary: "Print a script for shell completion",
    load: () =>
      import("./commands/completions.ts").then((module) =>
        module.completionsCommand
      ),
  },
  help: {
    group: "More",
    summary: "Show the commands, or how to use one of them",
    load: () =>
      import("./commands/help.ts").then((module) => module.helpCommand),
  },
  version: {
    group: "More",
    summary: "Print the version",
    load: () =>
      import("./commands/help.ts").then((module) => module.versionCommand),
  },
};

/** The commands of the program. */
export const CATALOG: CommandCatalog = {
  entries: COMMANDS,
  find: findCommand,
  load: loadCommands,
};

/**
 * Loads all commands, for help, completions and docs.
 *
 * @returns Commands in the order of the help, with their visible options.
 */
function loadCommands(): Promise<LoadedCommand[]> {
  return Promise.all(
    Object.entries(COMMANDS).map(async ([name, { summary, load }]) => {
      const command = await load();
      const flags = listFlags(command).filter(({ isHidden }: Flag) =>
        !isHidden
      );
      return { name, summary, command, flags };
    }),
  );
}

function findCommand(name: string): CommandEntry {
  if (Object.hasOwn(COMMANDS, name)) return COMMANDS[name];
  const kind = name.startsWith("-") ? "option" : "command";
  const near = suggest(name.replace(/^-+/, ""), Object.keys(COMMANDS));
  throw usageError(
    `Unknown ${kind} "${formatArgument(name)}"${didYouMean(near)}`,
  );
}
