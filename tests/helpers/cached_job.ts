import { readRecord } from "../../src/report/run_record.ts";
import type { CliResult } from "./cli.ts";
import { runMain } from "./run_main.ts";
import { makeFiles, temporaryDirectory } from "./temporary_directory.ts";

/** Steps of a job file by name. */
export type JobSteps = Readonly<Record<string, Record<string, unknown>>>;

/** The steps of a run by what happened to them. */
export interface CachedRun extends CliResult {
  /** Names of the steps that ran, in the order of the job. */
  readonly ran: string[];
  /** Names of the steps that were restored. */
  readonly cached: string[];
}

/** A directory with a job and its files, and a store beside it. */
export interface CachedJob extends AsyncDisposable {
  /** Directory that contains all others. */
  readonly directory: string;
  /** Directory of the job. */
  readonly cwd: string;
  readonly store: string;
  /** Variables of every run. */
  readonly env: Record<string, string>;
  /** Writes the job file. */
  define(steps: JobSteps, keys?: Record<string, unknown>): Promise<void>;
  /** Runs the job with more flags and variables. */
  run(
    args?: readonly string[],
    env?: Record<string, string>,
  ): Promise<CachedRun>;
}

/**
 * Creates a job whose steps are cached.
 *
 * @param steps Steps of its job file.
 * @param files Files in its directory.
 */
export async function cachedJob(
  steps: JobSteps,
  files: Record<string, string> = {},
): Promise<CachedJob> {
  const place = await temporaryDirectory();
  const directory = place.path;
  const [cwd, store] = [`${directory}/job`, `${directory}/store`];
  await makeFiles(cwd, files);
  const env = {
    REACTORCIDE_CACHE_STORE: store,
    XDG_CACHE_HOME: `${directory}/user`,
  };
  const job: CachedJob = {
    directory,
    cwd,
    store,
    env,
    async define(steps, keys = {}) {
      const text = JSON.stringify({ ...keys, steps });
      await makeFiles(cwd, { "job.yaml": text });
    },
    async run(args = [], more = {}) {
      const result = await runMain(
        ["run", "--job-file", "job.yaml", ...args],
        { cwd, env: { ...env, ...more } },
      );
      return { ...result, ...await readSteps(cwd) };
    },
    [Symbol.asyncDispose]: () => place[Symbol.asyncDispose](),
  };
  await job.define(steps);
  return job;
}

/** Reads what the last run in a directory did. */
async function readSteps(
  cwd: string,
): Promise<Pick<CachedRun, "ran" | "cached">> {
  const path = `${cwd}/job/artifacts/run.jsonl`;
  const text = await Deno.readTextFile(path).catch(() => "");
  const steps = readRecord(text)?.steps ?? [];
  const names = (isCached: boolean) =>
    steps.filter(({ cached = false, startedAt }) =>
      startedAt !== null && cached === isCached
    ).map(({ name }) => name);
  return { ran: names(false), cached: names(true) };
}
