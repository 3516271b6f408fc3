import type { JobConfig, SourceConfig } from "../config/job_config.ts";
import { childEnvironment } from "../environment/child_environment.ts";
import { Variable } from "../environment/variables.ts";
import type { SourceContext } from "../source/source.ts";
import type { JobRun } from "./job_run.ts";

/** Where the trusted CI source goes, as the job knows it. */
const CI_DIR = "/job/ci";

/** Options for {@linkcode prepareSource}. */
export interface PrepareSourceOptions {
  /**
   * Where the source goes, as the job knows it.
   *
   * @default {the source directory of the configuration}
   */
  directory?: string;
  /**
   * Whether a source that is in its place already is replaced.
   *
   * @default {false}
   */
  replace?: boolean;
}

/** What the preparation of a source needs of a run. */
type SourceRun =
  & Pick<JobRun, "parts" | "cancellation">
  & Partial<Pick<JobRun, "sources">>;

/**
 * Puts the CI source and then the source into the workspace, and takes the
 * credentials away that were there to fetch them, whatever happened.
 *
 * @param run The run.
 * @param config Configuration of the job.
 * @throws {RunnerError} `source-failed` or `workspace`.
 * @throws {DOMException} An `AbortError` if the job was cancelled meanwhile.
 */
export async function prepareSources(
  run: JobRun,
  config: JobConfig,
): Promise<void> {
  const { ciSource, source, sourceDir, checkout, selection } = config;
  const isPart = selection.only !== undefined || selection.from !== undefined;
  try {
    await checkCredentials(run, config);
    const isShared = checkout.mode === "shared" &&
      await prepareShared(run, config);
    if (!isShared) {
      const directory = ciDirectory(run);
      run.ciSourcePath = await prepareSource(run, config, ciSource, {
        directory,
        replace: true,
      });
    }
    if (run.ciSourcePath !== undefined) {
      const { sealCiSource } = await import("./ci_source.ts");
      await sealCiSource(run, run.ownSteps ?? config.steps);
    }
    if (isShared) return;
    // Some of the steps go on with what the others have left there.
    run.sourcePath = isPart && await keptSource(run, source, sourceDir) ||
      await prepareSource(run, config, source);
  } finally {
    await removeCredentials(run);
  }
}

async function prepareShared(run: JobRun, config: JobConfig): Promise<boolean> {
  const { prepareSharedSources } = await import("./shared_sources.ts");
  return await prepareSharedSources(run, config, sourceContext(run));
}

/** The evaluation of a pull request finds what it trusts below `base`. */
function ciDirectory({ parts: { host: { env } } }: JobRun): string {
  return env[Variable.jobKind] === "eval" && env[Variable.prNumber]
    ? `${CI_DIR}/base`
    : CI_DIR;
}

async function keptSource(
  { parts: { workspace, logger } }: JobRun,
  { type }: SourceConfig,
  directory: string,
): Promise<string | undefined> {
  if (type === "none") return undefined;
  const { guardPath } = await import("../workspace/guard.ts");
  const path = workspace.pathOf(directory);
  await guardPath(workspace.base, path);
  const entries = await Array.fromAsync(Deno.readDir(path)).catch(() => []);
  // Preparing the source reports what is wrong with the directory.
  if (entries.length === 0) return undefined;
  logger.info("source", "The source of an earlier run is kept", { path });
  return path;
}

/**
 * Prepares one source.
 *
 * @param run The run, or what a command has of one.
 * @param config Configuration of the job.
 * @param source One of its two sources.
 * @param options Additional options.
 * @returns Absolute path; `undefined` if there is nothing to prepare.
 * @throws {RunnerError} `source-failed` or `workspace`.
 * @throws {DOMException} An `AbortError` if it was cancelled meanwhile.
 */
export async function prepareSource(
  run: SourceRun,
  config: JobConfig,
  source: SourceConfig,
  options: PrepareSourceOptions = {},
): Promise<string | undefined> {
  const { directory = config.sourceDir, replace = false } = options;
  if (source.type === "none") return undefined;
  const { workspace } = run.parts;
  const prepare = await import("../source/prepare.ts");
  const isTrusted = source === config.ciSource;
  const { sparsePaths } = config.checkout;
  const { path } = await prepare.prepareSource(
    {
      ...source,
      git: {
        ...config.checkout,
        pullRequestBase: !isTrusted,
        // They are paths of the other tree.
        sparsePaths: isTrusted ? undefined : sparsePaths,
      },
      copyIgnore: config.copy.ignore,
      archive: config.archive,
      target: workspace.pathOf(directory),
      replace,
    },
    sourceContext(run),
  );
  return path;
}

function sourceContext(run: SourceRun): SourceContext {
  const { workspace, host, logger, sources } = run.parts;
  return {
    workspace,
    env: childEnvironment(host.env, { kind: "source-client" }),
    cwd: host.cwd,
    log: logger,
    cancellation: run.cancellation,
    handlers: (run.sources ?? sources)?.handlers,
  };
}

/**
 * Takes the credentials of the sources away; doing it again does no harm.
 *
 * @param run The run.
 */
export async function removeCredentials(
  run: Pick<JobRun, "parts">,
): Promise<void> {
  await withCredentials(run, "removeCredentials");
}

/**
 * Checks the credentials with which git fetches the sources, if there are any.
 *
 * @param run The run.
 * @param config Configuration of the job.
 * @throws {RunnerError} If they cannot be used.
 */
export async function checkCredentials(
  run: Pick<JobRun, "parts">,
  { source, ciSource }: JobConfig,
): Promise<void> {
  if (source.type === "git" || ciSource.type === "git") {
    await withCredentials(run, "checkCredentials");
  }
}

/** Most jobs have no credentials, and load nothing for them. */
async function withCredentials(
  { parts: { host, workspace, logger } }: Pick<JobRun, "parts">,
  action: "checkCredentials" | "removeCredentials",
): Promise<void> {
  if (host.env[Variable.vcsAuthDir] === undefined) return;
  const credentials = await import("../source/credentials.ts");
  await credentials[action]({ env: host.env, workspace, log: logger });
}
