import type { Command } from "./command.ts";
import { run } from "./commands/run.ts";

/** A command that is loaded when it is called for. */
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
    // The one that must start at once is loaded with the program.
    load: () => Promise.resolve(run),
  },
  checkout: {
    summary: "Check a git repository out into the code directory",
    load: () => import("./commands/checkout.ts").then((it) => it.checkout),
  },
  copy: {
    summary: "Copy a directory into the code directory",
    load: () => import("./commands/copy.ts").then((it) => it.copy),
  },
  cleanup: {
    summary: "Remove what earlier runs made in ./job",
    load: () => import("./commands/cleanup.ts").then((it) => it.cleanup),
  },
  git: {
    summary: "Tell what is checked out, or which files have changed",
    load: () => import("./commands/git.ts").then((it) => it.git),
  },
  config: {
    summary: "Show the configuration and where each value comes from",
    load: () => import("./commands/config.ts").then((it) => it.config),
  },
  "explain-masks": {
    summary: "Show which names are masked, and why",
    load: () =>
      import("./commands/explain_masks.ts").then((it) => it.explainMasks),
  },
  validate: {
    summary: "Judge the configuration without running anything",
    load: () => import("./commands/validate.ts").then((it) => it.validate),
  },
  plugins: {
    summary: "Tell which plugins a job would load, and what they may do",
    load: () => import("./commands/plugins.ts").then((it) => it.plugins),
  },
  exec: {
    summary: "Run a pipeline in TypeScript, with few permissions, or in Python",
    load: () => import("./commands/exec.ts").then((it) => it.exec),
  },
  permissions: {
    summary: "Tell what a pipeline may do, and how it would be run",
    load: () =>
      import("./commands/permissions.ts").then((it) => it.permissions),
  },
  workflow: {
    summary: "Run the jobs of a workflow on this machine, or show them",
    load: () => import("./commands/workflow.ts").then((it) => it.workflow),
  },
  trigger: {
    summary: "Hand the jobs of job files over as follow-up jobs",
    load: () => import("./commands/trigger.ts").then((it) => it.trigger),
  },
  call: {
    summary: "Call a function of the library, from any language",
    load: () => import("./commands/call.ts").then((it) => it.call),
  },
  eval: {
    summary: "Find the workflows and jobs that an event starts",
    load: () => import("./commands/eval.ts").then((it) => it.evaluate),
  },
  schema: {
    summary: "Print the JSON Schemas of files and documents, for editors",
    load: () => import("./commands/schema.ts").then((it) => it.schema),
  },
  secrets: {
    summary: "Keep secrets in an encrypted store on this machine",
    load: () => import("./commands/secrets.ts").then((it) => it.secrets),
  },
  "register-secret": {
    summary: "Mask a secret in what the running job prints",
    load: () =>
      import("./commands/register_secret.ts").then((it) => it.registerSecret),
  },
  doctor: {
    summary: "Tell what is installed, what is missing, and what for",
    load: () => import("./commands/doctor.ts").then((it) => it.doctor),
  },
  completions: {
    summary: "Print a script that completes commands in a shell",
    load: () =>
      import("./commands/completions.ts").then((it) => it.completions),
  },
};
