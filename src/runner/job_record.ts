/**
 * The record of a job: where it is, what it contains at its start, and the
 * record of the last run that it replaces.
 *
 * @module
 */
import type { JobConfig } from "../config/job_config.ts";
import { formatSetting, type SettingValue } from "../config/settings.ts";
import { parseEnvLines } from "../config/text_values.ts";
import { type Environment, Variable } from "../environment/variables.ts";
import { messageOf } from "../errors.ts";
import { absolutePath } from "../job_path.ts";
import { OPTIONS } from "../options/options.ts";
import { RECORD_FILE, type RunEvents } from "../report/run_event.ts";
import {
  readRecord,
  readRecordText,
  type RecordText,
  type RunRecord,
} from "../report/run_record.ts";
import { showUrl } from "../url_secrets.ts";
import { guardPath } from "../workspace/guard.ts";
import type { RunState } from "./run_state.ts";
import type { RunnerContext } from "./runner_context.ts";

/** Maximum length of a recorded option value, in UTF-16 units. */
const MAX_VALUE_LENGTH = 2_000;

/** Options that contain values of secrets. */
const SECRET_OPTIONS: ReadonlySet<string> = new Set(["secret_values_list"]);

/** Place of a file. */
export interface Place {
  /** Absolute path of the directory. */
  directory: string;
  /** Name of the file. */
  name: string;
}

/**
 * Finds the record of an earlier run of a job.
 *
 * @returns Absolute path of the file, which need not exist; `undefined` if the
 * job has no record.
 * @throws {RunnerError} `workspace` if a link leads out of the workspace.
 */
export async function recordPath(
  { host, workspace }: RunnerContext,
  { artifactsDir, output: { record } }: JobConfig,
): Promise<string | undefined> {
  if (record === "off") return undefined;
  const { directory, name } = record === undefined
    ? {
      directory: await guardPath(
        workspace.base,
        workspace.pathOf(artifactsDir),
      ),
      name: recordName(host.env),
    }
    : splitPath(record, host.cwd);
  return `${directory}/${name}`;
}

/**
 * Splits the path of a file.
 *
 * @param path Absolute path, or one relative to the current directory.
 * @param cwd Absolute path of the current directory.
 */
export function splitPath(path: string, cwd: string): Place {
  const absolute = absolutePath(path, cwd);
  const slash = absolute.lastIndexOf("/");
  return {
    directory: absolute.slice(0, slash) || "/",
    name: absolute.slice(slash + 1),
  };
}

/**
 * Returns the file name of the record; a job inside another job gets its own
 * name, so that it does not replace the outer record.
 */
export function recordName(env: Environment): string {
  const isNested = (env[Variable.workspaceLock] ?? "") !== "";
  if (!isNested) return RECORD_FILE;
  return `run-${crypto.randomUUID().slice(0, 8)}.jsonl`;
}

/**
 * Returns the requested repository, ref and commit that are known at the start.
 */
export function requestedRevision(
  { runner: { host: { env } } }: RunState,
  { source }: JobConfig,
): Pick<RunEvents["run.started"], "repository" | "ref" | "commit"> {
  const { url, ref } = "url" in source ? source : {};
  const repository = url && showUrl(url) || env[Variable.repo];
  const branch = ref || env[Variable.branch];
  const commit = env[Variable.sha];
  return {
    ...repository ? { repository } : {},
    ...branch ? { ref: branch } : {},
    ...commit ? { commit } : {},
  };
}

/**
 * Returns the options that differ from the defaults; for variables and secrets,
 * only the names.
 */
export function shownOptions(
  { settings }: RunState,
): RunEvents["run.configured"]["options"] {
  return OPTIONS.flatMap(({ name }) => {
    const all = name === "job_env" ? settings.all(name) : [settings.get(name)];
    return all.flatMap((setting) => {
      if (setting === undefined || setting.origin === "the default") return [];
      const { value, origin } = setting;
      const shown = SECRET_OPTIONS.has(name)
        ? "(not shown)"
        : name === "job_env"
        ? listVariableNames(value)
        : formatSetting(name, value);
      return [{
        name,
        // Not truncated, since a part of a secret would not be masked.
        value: shown.length > MAX_VALUE_LENGTH
          ? `(${shown.length} characters)`
          : shown,
        origin,
      }];
    });
  });
}

function listVariableNames(value: SettingValue): string {
  if (typeof value === "string") {
    const path = value.trim();
    if (path.startsWith("./job/") && !path.includes("\n")) return path;
    return Object.keys(parseEnvLines(value).env).join(", ");
  }
  return Object.keys(value).join(", ");
}

/**
 * Reads the earlier record that the HTML report compares the run with: the
 * chosen one, or the one that the run is about to replace.
 *
 * @returns The record, unmasked; `undefined` if there is none.
 */
export async function readEarlierRun(
  { runner }: RunState,
  config: JobConfig,
): Promise<RecordText | undefined> {
  const { compareWith } = config.output;
  const { host, logger } = runner;
  try {
    if (compareWith === undefined) {
      const path = await recordPath(runner, config);
      return path === undefined ? undefined : await readRecordText(path);
    }
    const { directory, name } = splitPath(compareWith, host.cwd);
    return await readRecordText(`${directory}/${name}`);
  } catch (error) {
    // Most runs have no earlier one.
    if (compareWith === undefined) return undefined;
    logger.warn(
      "report",
      `Cannot compare with "${compareWith}": ${messageOf(error)}`,
    );
    return undefined;
  }
}

/**
 * Decides whether a page compares a run with an earlier one: if the user chose
 * it, or if both have the name of the job and a step in common.
 *
 * @param text The earlier record.
 * @param record The run.
 * @returns The earlier run, masked by what is secret now.
 */
export function earlierRun(
  { text, isRunning }: RecordText,
  record: RunRecord,
  { runner: { masker } }: RunState,
  { output: { compareWith } }: JobConfig,
): RunRecord | undefined {
  const maskText = (text: string) => masker.maskText(text);
  const earlier = readRecord(text, { isRunning, maskText });
  if (earlier === undefined || compareWith !== undefined) return earlier;
  const names = new Set(earlier.steps.map(({ name }) => name));
  const isSameJob = earlier.started.kind === record.started.kind &&
    earlier.started.name === record.started.name &&
    record.steps.some(({ name }) => names.has(name));
  return isSameJob ? earlier : undefined;
}
