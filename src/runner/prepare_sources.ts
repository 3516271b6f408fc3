import type { JobConfig, SourceConfig } from "../config/job_config.ts";
import { childEnvironment } from "../environment/child_environment.ts";
import { Variable } from "../environment/variables.ts";
import { CI_DIRECTORY } from "../job_path.ts";
import type { RunRecorder, StageRecord } from "../report/run_event.ts";
import type { Revision } from "../source/git/eval_repository.ts";
import type { SourceContext, SourceMeasure } from "../source/source.ts";
import { showUrl } from "../url_secrets.ts";
import type { RunState } from "./run_state.ts";

/** Options for {@linkcode prepareJobSource}. */
export interface PrepareJobSourceOptions {
  /**
   * Directory of the source, as seen by the job.
   *
   * @default {the source directory of the configuration}
   */
  directory?: string;
  /**
   * Whether to replace a source that exists already.
   *
   * @default {false}
   */
  replace?: boolean;
}

/** Parts of a run that preparing a source needs. */
type SourceRun =
  & Pick<RunState, "runner" | "cancellation">
  & Partial<Pick<RunState, "sources" | "recorder">>;

/**
 * Prepares the CI source and then the source in the workspace, and removes the
 * credentials for fetching them, even after a failure.
 *
 * @throws {RunnerError} `source-failed` or `workspace`.
 * @throws {DOMException} An `AbortError` if the job is cancelled.
 */
export async function prepareSources(
  run: RunState,
  config: JobConfig,
): Promise<void> {
  const { ciSource, source, sourceDir, checkout, selection } = config;
  const isPart = selection.rerunFailed || selection.only !== undefined ||
    selection.from !== undefined;
  try {
    await checkJobCredentials(run, config);
    const isShared = checkout.mode === "shared" &&
      await prepareSharedSources(run, config);
    if (!isShared) {
      const directory = findCiDirectory(run);
      run.ci.path = await prepareJobSource(run, config, ciSource, {
        directory,
        replace: true,
      });
    }
    if (run.ci.path !== undefined) {
      const { sealCiSource } = await import("./ci_source.ts");
      await sealCiSource(run, run.ownSteps ?? config.steps);
    }
    if (isShared) return;
    // Selected steps use the files that the other steps left in an earlier run.
    run.sourcePath = isPart && await findKeptSource(run, source, sourceDir) ||
      await prepareJobSource(run, config, source);
  } finally {
    await removeJobCredentials(run);
  }
}

/**
 * Prepares both sources of an evaluation from one repository: the history in
 * the code directory, without a work tree, and the job definitions of base and
 * head in the directory of the CI source.
 *
 * @returns Whether the job is such an evaluation; otherwise nothing is
 * prepared.
 * @throws {RunnerError} `source-failed` or `workspace`.
 */
async function prepareSharedSources(
  run: RunState,
  config: JobConfig,
): Promise<boolean> {
  const head = getRevision(config.source);
  const base = getRevision(config.ciSource);
  if (!isEvaluation(run, config) || head === undefined || base === undefined) {
    return false;
  }
  const { workspace } = run.runner;
  const context = createSourceContext(run);
  const [{ prepareSource }, { evalRepository }] = await Promise.all([
    import("../source/prepare.ts"),
    import("../source/git/eval_repository.ts"),
  ]);
  const { fillRepository, fillDefinitions } = evalRepository(
    head,
    base,
    context,
  );
  const place = async (
    role: "source" | "ci",
    directory: string,
    fill: typeof fillRepository,
  ) => {
    const measured = measureSource(run.recorder);
    const { path, commit } = await prepareSource(
      {
        type: "git",
        target: workspace.pathOf(directory),
        replace: true,
      },
      context,
      () => Promise.resolve(fill),
    );
    measured.end(role, {
      type: "git",
      ...role === "source" ? head : base,
      commit,
    });
    return path;
  };
  run.sourcePath = await place("source", config.sourceDir, fillRepository);
  const definitions = await place("ci", CI_DIRECTORY, fillDefinitions);
  run.ci.path = `${definitions}/base`;
  return true;
}

function isEvaluation(run: RunState, { command }: JobConfig): boolean {
  const { env } = run.runner.host;
  const isEval = env[Variable.jobKind] === "eval" ||
    [command ?? ""].flat().join(" ").includes("runnerlib eval");
  return isEval && !!env[Variable.prNumber];
}

function getRevision(source: JobConfig["source"]): Revision | undefined {
  if (source.type !== "git" || !("url" in source)) return undefined;
  const { url, ref } = source;
  return url && ref ? { url, ref } : undefined;
}

/**
 * Finds the directory of the CI source; the evaluation of a pull request
 * reads it from `base`.
 */
function findCiDirectory({ runner: { host: { env } } }: RunState): string {
  return env[Variable.jobKind] === "eval" && env[Variable.prNumber]
    ? `${CI_DIRECTORY}/base`
    : CI_DIRECTORY;
}

async function findKeptSource(
  { runner: { workspace, logger } }: RunState,
  { type }: SourceConfig,
  directory: string,
): Promise<string | undefined> {
  if (type === "none") return undefined;
  const { guardPath } = await import("../workspace/guard.ts");
  const path = workspace.pathOf(directory);
  await guardPath(workspace.base, path);
  const entries = await Array.fromAsync(Deno.readDir(path)).catch(() => []);
  // Preparing the source reports problems of the directory.
  if (entries.length === 0) return undefined;
  logger.info("source", "Keeping the source of an earlier run", { path });
  return path;
}

/**
 * Prepares one source.
 *
 * @param run The run, or the properties of one that a command has.
 * @param source One of the two sources in the configuration.
 * @returns Absolute path; `undefined` if there is nothing to prepare.
 * @throws {RunnerError} `source-failed` or `workspace`.
 * @throws {DOMException} An `AbortError` if it is cancelled.
 */
export async function prepareJobSource(
  run: SourceRun,
  config: JobConfig,
  source: SourceConfig,
  options: PrepareJobSourceOptions = {},
): Promise<string | undefined> {
  const { directory = config.sourceDir, replace = false } = options;
  if (source.type === "none") return undefined;
  const { workspace } = run.runner;
  const prepare = await import("../source/prepare.ts");
  const isTrusted = source === config.ciSource;
  const { sparsePaths } = config.checkout;
  const measured = run.recorder && measureSource(run.recorder);
  const { path, commit, skipped } = await prepare.prepareSource(
    {
      ...source,
      git: {
        ...config.checkout,
        pullRequestBase: !isTrusted,
        // The sparse paths apply to the other source.
        sparsePaths: isTrusted ? undefined : sparsePaths,
      },
      copyIgnore: config.copy.ignore,
      archive: config.archive,
      target: workspace.pathOf(directory),
      replace,
    },
    { ...createSourceContext(run), measure: measured?.measure },
  );
  measured?.end(isTrusted ? "ci" : "source", {
    ...source,
    commit,
    isKept: skipped,
  });
  return path;
}

/** Properties of a prepared source. */
interface EndedSource {
  readonly type: string;
  readonly url?: string;
  readonly ref?: string;
  readonly commit?: string;
  readonly isKept?: boolean;
}

/** A source that is being prepared. */
interface MeasuredSource {
  /** Receiver of measurements. */
  readonly measure: SourceMeasure;
  /** Records that the source is prepared. */
  end(role: "source" | "ci", source: EndedSource): void;
}

/** Measures the preparation of a source for the record. */
function measureSource(recorder: RunRecorder): MeasuredSource {
  const startMs = recorder.ms;
  const stages: StageRecord[] = [];
  let total = 0;
  return {
    measure: {
      stage(name, start, durationMs) {
        stages.push({ name, startMs: recorder.msAt(start), durationMs });
      },
      bytes(count) {
        total += count;
      },
    },
    end(role, { type, url, ref, commit, isKept }) {
      recorder.add("source.prepared", {
        source: role,
        type,
        ...url ? { repository: showUrl(url) } : {},
        ...ref ? { ref } : {},
        ...commit ? { commit } : {},
        ...total > 0 ? { bytes: total } : {},
        ...stages.length > 0 ? { stages } : {},
        ...isKept ? { isKept } : {},
        startMs,
        durationMs: recorder.ms - startMs,
      });
    },
  };
}

function createSourceContext(run: SourceRun): SourceContext {
  const { workspace, host, logger, sources } = run.runner;
  return {
    workspace,
    env: childEnvironment(host.env, { kind: "source-client" }),
    cwd: host.cwd,
    log: logger,
    cancellation: run.cancellation,
    handlers: (run.sources ?? sources)?.handlers,
  };
}

/** Removes the credentials of the sources. Further calls have no effect. */
export async function removeJobCredentials(
  run: Pick<RunState, "runner">,
): Promise<void> {
  await withCredentials(run, "removeCredentials");
}

/**
 * Checks the credentials for fetching git sources, if there are any.
 *
 * @throws {RunnerError} If the credentials cannot be used.
 */
export async function checkJobCredentials(
  run: Pick<RunState, "runner">,
  { source, ciSource }: JobConfig,
): Promise<void> {
  if (source.type === "git" || ciSource.type === "git") {
    await withCredentials(run, "checkCredentials");
  }
}

/** Loads the module only for jobs with credentials, since most have none. */
async function withCredentials(
  { runner: { host, workspace, logger } }: Pick<RunState, "runner">,
  action: "checkCredentials" | "removeCredentials",
): Promise<void> {
  if (host.env[Variable.vcsAuthDir] === undefined) return;
  const credentials = await import("../source/worker_credentials.ts");
  await credentials[action]({ env: host.env, workspace, log: logger });
}
