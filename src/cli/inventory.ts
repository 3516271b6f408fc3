import { parseJobFile } from "../config/job_file.ts";
import { messageOf } from "../errors.ts";
import { absolutePath } from "../job_path.ts";
import type { Logger } from "../output/logger.ts";
import { maskEnvironment } from "../runner/mask_secrets.ts";
import type { RunnerContext } from "../runner/runner_context.ts";
import { readJobText } from "../schema/read_document.ts";
import type { Condition } from "../schema/scalars.ts";
import { expandDefinition } from "../steps/expand_matrix.ts";
import { maskDefinitions } from "../triggers/mask_definitions.ts";
import type { JobDefinition } from "../workflow/definition/definition.ts";
import { readJobDefinition } from "../workflow/definition/job_definition.ts";
import { readWorkflow } from "../workflow/definition/read_workflow.ts";
import { findDefinitions } from "../workflow/eval/load_tree.ts";
import { findJobFile } from "./job_location.ts";

/** A job with its steps, or a workflow with its jobs. */
export interface InventoryEntry {
  /** Kind: job for `run`, workflow, or job that events start. */
  readonly kind: "job" | "workflow" | "event-job";
  /** Path of the file, relative to the directory. */
  readonly file: string;
  /** Name; optional in a job file. */
  readonly name?: string;
  /** Description for people, or the command. */
  readonly description?: string;
  /** Events that start it. */
  readonly events?: readonly string[];
  /** Steps of a job, or jobs of a workflow. */
  readonly parts: readonly InventoryPart[];
}

/** A step of a job, or a job of a workflow. */
export interface InventoryPart {
  readonly name: string;
  /** Description for people, or the command. */
  readonly description: string;
  /** Names of the parts that it depends on. */
  readonly dependsOn: readonly string[];
  /** Condition for running it. */
  readonly condition: Condition;
  /** Number of items or combinations that it runs for. */
  readonly count?: number;
  /** Set for a step that runs alongside the others. */
  readonly kind?: "service" | "background";
}

/** Options for {@linkcode readInventory}. */
export interface InventoryOptions {
  /** Context of the runner; secrets in the files are masked. */
  readonly runner: RunnerContext;
  /** Called for each invalid file. */
  readonly onProblem: (message: string) => void;
  /** Called for each warning about a file. */
  readonly onWarning: (message: string) => void;
}

/**
 * Reads the definitions of a directory: its job file, workflows, and jobs that
 * events start.
 *
 * @param root Absolute path of the directory.
 * @returns Entries in the order of the files.
 */
export async function readInventory(
  root: string,
  { runner, onProblem, onWarning }: InventoryOptions,
): Promise<InventoryEntry[]> {
  const entries: InventoryEntry[] = [];
  const add = async (read: () => Promise<InventoryEntry>) => {
    try {
      entries.push(await read());
    } catch (error) {
      onProblem(messageOf(error));
    }
  };
  const file = await findJobFile(root);
  if (file !== undefined) await add(() => readJobFileEntry(root, file, runner));
  const { workflows, jobs } = await findDefinitions(root);
  for (const file of workflows) {
    await add(() => readWorkflowEntry(root, file, { runner, onWarning }));
  }
  for (const file of jobs) {
    await add(async () => {
      const { job, triggers: { events = [] } } = await readJobDefinition(
        root,
        file,
        { onWarning },
      );
      maskJobs(runner, [job]);
      const { name, description, body: { command, steps = [] } } = job;
      return {
        kind: "event-job",
        file,
        name,
        description: description ?? summarizeCommand(command),
        events,
        parts: steps.map(describeStep),
      };
    });
  }
  return entries;
}

/**
 * Reads the entry of a job file.
 *
 * @param root Absolute path of the directory.
 * @param file Path of the file, absolute or relative to the directory.
 * @param runner Context of the runner; secrets in the file are masked.
 * @throws {RunnerError} `invalid-job-file` if the file is invalid.
 */
export async function readJobFileEntry(
  root: string,
  file: string,
  runner: RunnerContext,
): Promise<InventoryEntry> {
  const path = absolutePath(file, root);
  const { name, description, layer, steps = [] } = await parseJobFile({
    name: file,
    text: await readJobText(path, file),
    path,
  });
  maskEnvironment(runner.masker, runner.host, layer, { hasJobFile: true });
  const command = layer.job_command?.value;
  const words = typeof command === "string"
    ? command
    : Object.values(command ?? {}).join(" ");
  return {
    kind: "job",
    file,
    name,
    description: description ?? summarizeCommand(words),
    parts: steps.map(describeStep),
  };
}

async function readWorkflowEntry(
  root: string,
  file: string,
  { runner, onWarning }: Pick<InventoryOptions, "runner" | "onWarning">,
): Promise<InventoryEntry> {
  const { name, id, description, triggers, jobs } = await readWorkflow(
    root,
    file,
    { onWarning },
  );
  maskJobs(runner, jobs);
  return {
    kind: "workflow",
    file,
    name: name || id,
    description,
    events: triggers.events ?? [],
    parts: jobs.map(describeWorkflowJob),
  };
}

/** Masks secrets in jobs before they are printed. */
export function maskJobs(
  runner: RunnerContext,
  jobs: readonly JobDefinition[],
): void {
  maskDefinitions(
    runner,
    jobs.flatMap(({ env, body: { command, steps = [] } }) => [
      { env, texts: [command] },
      ...steps.map(({ env, run }) => ({ env, texts: [run].flat() })),
    ]),
  );
}

function describeStep(
  step: Parameters<typeof expandDefinition>[0],
): InventoryPart {
  const { name, description, run, dependsOn = [], condition } = step;
  const text = typeof run === "string"
    ? run
    : Array.isArray(run)
    ? run.join(" ")
    : "";
  return {
    name,
    description: description ?? summarizeCommand(text) ?? "",
    dependsOn,
    // In files, conditions are never functions.
    condition: typeof condition === "string" ? condition : "all_success",
    ...step.forEach === undefined && step.matrix === undefined
      ? {}
      : { count: expandDefinition(step).length },
    ...step.service
      ? { kind: "service" }
      : step.background
      ? { kind: "background" }
      : {},
  };
}

/** Describes a job of a workflow. */
export function describeWorkflowJob(
  { name, description, body }: JobDefinition,
): InventoryPart {
  const { command, steps = [], forEach, ...rest } = body;
  const { dependsOn = [], condition = "all_success" } = rest;
  const names = steps.map((step) => step.name).join(", ");
  return {
    name,
    description: description ?? summarizeCommand(command) ?? `steps: ${names}`,
    dependsOn,
    condition,
    ...forEach === undefined ? {} : { count: forEach.length },
  };
}

/** Returns the first line of a command that is neither a comment nor `set -`. */
function summarizeCommand(command: string | undefined): string | undefined {
  const lines = (command ?? "").split("\n").map((line) => line.trim())
    .filter((line) => line !== "" && !/^(#|set -)/.test(line));
  if (lines.length === 0) return undefined;
  return lines.length > 1 ? `${lines[0]} …` : lines[0];
}

/**
 * Creates a function that logs warnings about definitions, each only once:
 * several workflows may use the same job file.
 *
 * @param part Component that the log lines name.
 */
export function warnOnce(
  logger: Logger,
  part: string,
): (warning: string) => void {
  const logged = new Set<string>();
  return (warning) => {
    if (!logged.has(warning)) logger.warn(part, warning);
    logged.add(warning);
  };
}
