import { dirname } from "@std/path/posix/dirname";
import { RunnerError } from "../errors.ts";
import { findOption } from "../options/options.ts";
import {
  reportNoMapping,
  reportUnknown,
  type Schema,
} from "../schema/combinators.ts";
import type { DocumentNode } from "../schema/document.ts";
import { parseDuration } from "../schema/duration.ts";
import {
  JOB_FILE,
  Problems,
  refuseForeignDocument,
  refuseForeignPath,
} from "../schema/problems.ts";
import { parseJobText, readJobText } from "../schema/read_document.ts";
import { positiveDuration } from "../schema/scalars.ts";
import type { When } from "../schema/when.ts";
import { type EnvFile, readEnvFiles } from "./env_file.ts";
import {
  callersOnlyProblem,
  JOB_FILE_KEYS,
  type JobFileKeys,
} from "./job_keys.ts";
import type { Layer, SettingValue } from "./settings.ts";
import type { StepConfig } from "./step_config.ts";

/** The contents of a job file. */
export interface JobFile {
  /** Name of the job. */
  readonly name?: string;
  /** Description of the job. */
  readonly description?: string;
  /** Values of options. */
  readonly layer: Layer;
  /** Steps of the job; `undefined` if the file has none. */
  readonly steps: readonly StepConfig[] | undefined;
  /** Condition on the event. */
  readonly when: When | undefined;
  /** Whether the job must not run on a developer's machine. */
  readonly disableRunLocal: boolean;
  /** Whether it names artifacts, which only jobs of a workflow save. */
  readonly hasArtifacts: boolean;
}

/** Source type of files that use existing code. */
const LOCAL_SOURCE = "local";

const SOURCE_TYPE_OPTIONS: readonly string[] = [
  "source_type",
  "ci_source_type",
];

/** Command that starts its own shell and does not need another one. */
const SHELL_COMMAND = /^\s*(\/(usr\/)?bin\/)?(ba|z|da|k)?sh\s+-c\b/;

/** Values read so far. */
interface Reading {
  readonly layer: Layer;
  readonly origin: string;
  steps?: readonly StepConfig[];
  stepsNode?: DocumentNode;
  commandNode?: DocumentNode;
  commandPrefix?: string;
  disableRunLocal?: boolean;
  hasArtifacts?: boolean;
  envFiles?: readonly EnvFile[];
  when?: When;
}

/**
 * Reads a YAML or JSON job file: a layer of the configuration, and steps.
 *
 * Scalars keep the text that was written: `1.0`, `yes` and `0x10` reach the
 * environment of a job unchanged.
 *
 * @param name Path as the user wrote it, for messages.
 * @throws {RunnerError} With code `invalid-job-file`, if the file cannot be
 * read or is invalid; the message lists all problems with line and column.
 */
export async function readJobFile(
  path: string,
  name: string,
): Promise<JobFile> {
  refuseForeignPath(name, JOB_FILE);
  return await parseJobFile({
    name,
    text: await readJobText(path, name),
    path,
  });
}

/** The text of a job file. */
export interface JobFileText {
  /** Path or another name of the file, for messages. */
  readonly name: string;
  readonly text: string;
  /** Absolute path of the file; absent if the text is not from a file. */
  readonly path?: string;
}

/**
 * Parses the text of a job file.
 *
 * @throws {RunnerError} With code `invalid-job-file`, if it is invalid.
 */
export async function parseJobFile(
  { name, text, path }: JobFileText,
): Promise<JobFile> {
  const problems = new Problems(name);
  const document = await parseJobText(text, name, problems);
  refuseForeignDocument(document, name, JOB_FILE);
  refuseWorkflow(document, name);
  const reading: Reading = { layer: {}, origin: name };
  readKeys(document, JOB_FILE_KEYS, reading);
  const { layer, steps, stepsNode, commandNode } = reading;
  if (stepsNode !== undefined && commandNode !== undefined) {
    stepsNode.explain(
      () => `a job has either steps or a command; command at`,
      commandNode,
    );
  }
  await addEnvFiles(reading, path);
  await problems.throwIfAny(text);
  addPrefix(reading);
  const readText = (key: string) =>
    document.entries?.find(([name]) => name === key)?.[1].text;
  return {
    name: readText("name"),
    description: readText("description"),
    layer,
    steps,
    when: reading.when,
    disableRunLocal: reading.disableRunLocal ?? false,
    hasArtifacts: reading.hasArtifacts ?? false,
  };
}

/** Keys of a job; each job has at least one of them. */
const CONTENT: readonly string[] = ["steps", "command", "job", "job_command"];

/** Rejects a workflow file, which unlike a job file has `jobs`. */
function refuseWorkflow({ entries = [] }: DocumentNode, name: string): void {
  if (!isWorkflow(entries.map(([key]) => key))) return;
  throw new RunnerError(
    `Cannot read job file "${name}": it is a workflow file, which "runnerlib workflow run ${name}" runs`,
    { code: JOB_FILE.code },
  );
}

/**
 * Checks whether the text of a file is that of a workflow file.
 *
 * @param name Path of the file, for messages.
 * @throws {RunnerError} `invalid-job-file`, if it is not YAML.
 */
export async function hasJobs(
  text: string,
  name: string,
): Promise<boolean> {
  const { entries = [] } = await parseJobText(text, name, new Problems(name));
  return isWorkflow(entries.map(([key]) => key));
}

function isWorkflow(keys: readonly string[]): boolean {
  return keys.includes("jobs") && !CONTENT.some((key) => keys.includes(key));
}

/** Adds the variables of files, which those of the job file override. */
async function addEnvFiles(
  { layer, envFiles = [], origin }: Reading,
  path: string | undefined,
): Promise<void> {
  if (envFiles.length === 0) return;
  const document = path && await Deno.realPath(path);
  const env = await readEnvFiles(
    envFiles,
    document ? { root: dirname(document), document } : undefined,
  );
  const { value } = layer.job_env ?? { value: {} };
  if (typeof value === "string") {
    const [{ node }] = envFiles;
    return node.report(
      "requires environment to be a mapping of names to values",
    );
  }
  layer.job_env = { value: { ...env, ...value }, origin };
}

/** Makes the command the last argument of the shell that the file specifies. */
function addPrefix({ layer, commandPrefix = "" }: Reading): void {
  const { job_command: command } = layer;
  const shell = commandPrefix.trim().split(/\s+/).filter(Boolean);
  if (typeof command?.value !== "string" || shell.length === 0) return;
  if (SHELL_COMMAND.test(command.value)) return;
  layer.job_command = { ...command, value: [...shell, command.value] };
}

function readKeys(
  node: DocumentNode,
  keys: JobFileKeys,
  reading: Reading,
): void {
  const { entries } = node;
  if (entries === undefined) return reportNoMapping(node);
  for (const [name, value] of entries) {
    const key = keys.get(name);
    if (key === undefined) {
      const option = findOption(name);
      if (option?.isCallersOnly) {
        value.report(callersOnlyProblem(option));
      } else reportUnknown(value, keys.keys());
    } else if (key.keys !== undefined) {
      if (!value.isNull) readKeys(value, key.keys, reading);
    } else if (key.sets === "steps") readSteps(value, key.schema, reading);
    else if (
      key.sets === "commandPrefix" || key.sets === "disableRunLocal" ||
      key.sets === "envFiles" || key.sets === "when"
    ) {
      if (value.isNull) continue;
      Object.assign(reading, { [key.sets]: key.schema.parse(value) });
    } else if (key.sets === "hasArtifacts") {
      reading.hasArtifacts = !value.isNull;
    } else if (key.sets !== undefined) {
      if (value.isNull && !("nullValue" in key.schema)) continue;
      const read = value.isNull ? undefined : key.schema.parse(value);
      if (key.sets === "job_command") reading.commandNode = value;
      // If both `command` and `job.command` exist, the later one is used.
      reading.layer[key.sets] = {
        value: key.areLines
          ? (read ?? []) as string[]
          : SOURCE_TYPE_OPTIONS.includes(key.sets) &&
              value.text === LOCAL_SOURCE
          ? "none"
          // Spellings of numbers that only YAML supports become durations.
          : key.schema === positiveDuration &&
              parseDuration(value.text ?? "") !== read
          ? `${read}ms`
          : readSetting(value),
        origin: reading.origin,
      };
    }
  }
}

function readSteps(
  node: DocumentNode,
  schema: Schema<unknown>,
  reading: Reading,
): void {
  if (node.isNull) return;
  const { stepsNode } = reading;
  if (stepsNode !== undefined) {
    node.explain(() => `steps defined twice; first at`, stepsNode);
  }
  reading.stepsNode = node;
  reading.steps = schema.parse(node) as readonly StepConfig[];
}

/**
 * Returns a value as written. It is validated together with all other layers.
 */
function readSetting(node: DocumentNode): SettingValue {
  if (node.items) return node.items.map((item) => item.text ?? "");
  return node.text ?? Object.fromEntries(
    node.entries?.map(([key, value]) => [key, value.text ?? ""]) ?? [],
  );
}
