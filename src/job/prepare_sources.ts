import type { JobConfig, SourceConfig } from "../config/job_config.ts";
import type { JobRun } from "./job_run.ts";

/** Where the trusted CI source goes, as the job knows it. */
const CI_DIR = "/job/ci";

/** Options for {@linkcode prepareSources}. */
export interface PrepareSourcesOptions {
  /**
   * Whether a source that is in its place already is replaced.
   *
   * @default {false}
   */
  replace?: boolean;
}

/**
 * Puts the CI source and then the source into the workspace, and takes the
 * credentials away that were there to fetch them, whatever happened.
 *
 * @param run The run.
 * @param config Configuration of the job.
 * @param options Additional options.
 * @throws {RunnerError} `source-failed` or `workspace`.
 * @throws {DOMException} An `AbortError` if the job was cancelled meanwhile.
 */
export async function prepareSources(
  run: JobRun,
  config: JobConfig,
  options: PrepareSourcesOptions = {},
): Promise<void> {
  const { ciSource, source, codeDir } = config;
  const { replace = false } = options;
  try {
    run.ciSourcePath = await prepare(run, ciSource, CI_DIR, true);
    run.sourcePath = await prepare(run, source, codeDir, replace);
  } finally {
    await removeCredentials(run);
  }
}

async function prepare(
  run: JobRun,
  source: SourceConfig,
  directory: string,
  replace: boolean,
): Promise<string | undefined> {
  if (source.type === "none") return undefined;
  const { workspace, host, logger } = run.parts;
  const { prepareSource } = await import("../source/prepare.ts");
  const { path } = await prepareSource(
    {
      ...source,
      target: workspace.pathOf(directory),
      replace,
    },
    {
      workspace,
      env: host.env,
      cwd: host.cwd,
      log: logger,
      cancellation: run.cancellation,
    },
  );
  return path;
}

/**
 * Takes the credentials of the sources away; doing it again does no harm.
 *
 * @param run The run.
 */
export async function removeCredentials(run: JobRun): Promise<void> {
  const { host, workspace, logger } = run.parts;
  if (host.env.REACTORCIDE_VCS_AUTH_DIR === undefined) return;
  const credentials = await import("../source/credentials.ts");
  await credentials.removeCredentials({
    env: host.env,
    workspace,
    log: logger,
  });
}
