import type { Command, Flag, LoadedCommand } from "./command.ts";
import { run } from "./commands/run.ts";
import { COMMON_FLAGS } from "./parse_arguments.ts";

/** A command that is loaded when it is used. */
export interface CommandEntry {
  /** What the command does, in one line. */
  readonly summary: string;
  /** Loads the command. */
  readonly load: () => Promise<Command>;
}

/** Every command, in the order in which help lists them. */
export const COMMANDS: Readonly<Record<string, CommandEntry>> = {
  run: {
    summary: "Run a job: prepare its sources, run its command, clean up",
    // Loaded with the program, because its start matters most.
    load: () => Promise.resolve(run),
  },
  "run-job": {
    summary: "Run the job of a job file in a nested container",
    load: () =>
      import("./commands/run_job_file.ts").then((module) => module.runJobFile),
  },
  checkout: {
    summary: "Check a git repository out into the code directory",
    load: () =>
      import("./commands/checkout.ts").then((module) => module.checkout),
  },
  copy: {
    summary: "Copy a directory into the code directory",
    load: () => import("./commands/copy.ts").then((module) => module.copy),
  },
  cleanup: {
    summary: "Remove what earlier runs left in ./job",
    load: () =>
      import("./commands/cleanup.ts").then((module) => module.cleanup),
  },
  git: {
    summary: "Show what is checked out, or which files changed",
    load: () => import("./commands/git.ts").then((module) => module.git),
  },
  config: {
    summary: "Show the configuration and where each value comes from",
    load: () => import("./commands/config.ts").then((module) => module.config),
  },
  report: {
    summary: "Show what a run did, from its record",
    load: () => import("./commands/report.ts").then((module) => module.report),
  },
  "explain-masks": {
    summary: "Show which names are masked, and why",
    load: () =>
      import("./commands/explain_masks.ts").then((module) =>
        module.explainMasks
      ),
  },
  validate: {
    summary: "Check the configuration without running anything",
    load: () =>
      import("./commands/validate.ts").then((module) => module.validate),
  },
  plugins: {
    summary: "Show the plugins that a job would load, and their permissions",
    load: () =>
      import("./commands/plugins.ts").then((module) => module.plugins),
  },
  exec: {
    summary:
      "Run a TypeScript pipeline with few permissions, or a Python pipeline",
    load: () => import("./commands/exec.ts").then((module) => module.exec),
  },
  permissions: {
    summary: "Show the permissions of a pipeline and the command that runs it",
    load: () =>
      import("./commands/permissions.ts").then((module) => module.permissions),
  },
  workflow: {
    summary: "Run or show a workflow on this machine",
    load: () =>
      import("./commands/workflow.ts").then((module) => module.workflow),
  },
  trigger: {
    summary: "Submit the jobs in job files as follow-up jobs",
    load: () =>
      import("./commands/trigger.ts").then((module) => module.trigger),
  },
  call: {
    summary: "Call a function of the library from any language",
    load: () => import("./commands/call.ts").then((module) => module.call),
  },
  eval: {
    summary: "Find the workflows and jobs that an event starts",
    load: () => import("./commands/eval.ts").then((module) => module.evaluate),
  },
  schema: {
    summary: "Print a JSON Schema for editors",
    load: () => import("./commands/schema.ts").then((module) => module.schema),
  },
  secrets: {
    summary: "Keep secrets in an encrypted store on this machine",
    load: () =>
      import("./commands/secrets.ts").then((module) => module.secrets),
  },
  "register-secret": {
    summary: "Mask a secret in the output of the running job",
    load: () =>
      import("./commands/register_secret.ts").then((module) =>
        module.registerSecret
      ),
  },
  doctor: {
    summary: "Show what is installed, what is missing and what needs it",
    load: () => import("./commands/doctor.ts").then((module) => module.doctor),
  },
  completions: {
    summary: "Print a script for shell completion",
    load: () =>
      import("./commands/completions.ts").then((module) => module.completions),
  },
};

/**
 * Loads every command, for help, completions and docs.
 *
 * @returns Commands in the order of the help.
 */
export function loadCommands(): Promise<LoadedCommand[]> {
  return Promise.all(
    Object.entries(COMMANDS).map(async ([name, { summary, load }]) => {
      const command = await load();
      return { name, summary, command, flags: allFlags(command) };
    }),
  );
}

function allFlags({ flags }: Command): Flag[] {
  return [...flags, ...COMMON_FLAGS];
}
