import { openStore, storeVariables } from "../cache/open_store.ts";
import type { JobConfig } from "../config/job_config.ts";
import { childEnvironment } from "../environment/child_environment.ts";
import { SYSTEM_PREFIX } from "../environment/variables.ts";
import { RunnerError } from "../errors.ts";
import {
  privateDirectories,
  temporaryParents,
} from "../fs/temporary_directory.ts";
import { isInside, normalizePath } from "../job_path.ts";
import { memoryDirectory } from "../steps/cache/file_memory.ts";
import { type AuditResult, StepCache } from "../steps/cache/step_cache.ts";
import type { JobPlan } from "../steps/job_plan.ts";
import { realPath } from "../workspace/guard.ts";
import type { ExecutionContext } from "./execute_step.ts";
import { recordFailure } from "./job_result.ts";
import type { RunState } from "./run_state.ts";
import { workingDirectory } from "./working_directory.ts";

/**
 * Opens the cache of the steps of a job.
 *
 * @throws {RunnerError} `invalid-config` if its settings cannot be used.
 */
export async function openStepCache(
  run: RunState,
  config: JobConfig,
  plan: JobPlan,
  { activity, gate }: Pick<ExecutionContext, "activity" | "gate">,
): Promise<StepCache> {
  const { runner, jobEnv, cancellation } = run;
  const { host, workspace, masker, logger } = runner;
  const jobPath = await workingDirectory(run, config);
  const root = await realPath(jobPath);
  const inRoot = (path: string) =>
    isInside(root, path) ? path.slice(root.length + 1) : undefined;
  const artifactsPath = await realPath(workspace.pathOf(config.artifactsDir));
  const artifacts = inRoot(artifactsPath);
  const warn = (message: string) => logger.warn("cache", message);
  const reported = new Set<string>();
  return await StepCache.open({
    settings: config.cache,
    plan,
    root,
    jobPath,
    activity,
    masker,
    cancellation,
    project: getProject(config, root),
    image: workspace.inContainer ? config.runnerImage ?? "" : "",
    variables: Object.keys(jobEnv)
      .filter((name) => !name.startsWith(SYSTEM_PREFIX)),
    storeVariables: storeVariables(config.cache.store ?? ""),
    resolveDirectory: (step) =>
      findStepDirectory(step, plan, root, workspace.pathOf),
    ignored: {
      inputs: (path) => isBelow(artifacts, path),
      outputs: (path) =>
        artifacts !== undefined &&
        ["logs", "run.jsonl"].some((name) =>
          isBelow(artifacts === "" ? name : `${artifacts}/${name}`, path)
        ),
    },
    memoryDirectory: memoryDirectory(host.env),
    userId: userId(),
    fileTime: () => fileTimeIn(artifactsPath),
    open: () =>
      openStore(config.cache.store ?? "", {
        env: host.env,
        allowInsecureTransport: runner.allowInsecureTransport,
      }),
    env: childEnvironment(host.env, { kind: "tool" }),
    temporaryParents: temporaryParents({ env: host.env, workspace }),
    runExclusively: (action) => gate.transfer(action),
    onFailure(reason) {
      if (reported.has(reason)) return;
      reported.add(reason);
      warn(`Cannot use the cache of steps: ${masker.maskText(reason)}`);
    },
    onUncached: (step, reason) => warn(`${step}: not cached: ${reason}`),
    onExplain: (step, text) => logger.info("cache", `${step}: ${text}`),
    onAudit: (step, result) => reportAudit(run, step, result),
  });
}

/**
 * Returns the ID of the user who owns the files that this run creates. Asking the
 * system would need another permission.
 */
function userId(): number | null {
  const [own] = privateDirectories();
  return own === undefined ? null : Deno.lstatSync(own).uid;
}

/**
 * Returns the time of a new file in a directory, in milliseconds since 1970; 0 if
 * there cannot be one.
 */
function fileTimeIn(directory: string): number {
  try {
    const path = Deno.makeTempFileSync({ dir: directory, prefix: ".time-" });
    const { ctime } = Deno.lstatSync(path);
    Deno.removeSync(path);
    return ctime?.getTime() ?? 0;
  } catch {
    // A step has replaced the directory, so nothing is remembered.
    return 0;
  }
}

function reportAudit(
  run: RunState,
  step: string,
  { differences, undeclared, isTraced }: AuditResult,
): void {
  const { logger } = run.runner;
  for (const difference of differences) {
    logger.warn("cache", `${step}: ${difference}`);
  }
  if (undeclared.length > 0) {
    const files = undeclared.join(", ");
    logger.warn("cache", `${step}: reads files that are not inputs: ${files}`);
  }
  const traced = isTraced ? "" : "; the files that it reads are unknown";
  if (differences.length === 0) {
    logger.info("cache", `${step}: its result is the same again${traced}`);
    return;
  }
  recordFailure(
    run,
    new RunnerError(
      `The result of step "${step}" in the cache differs from that of this run`,
      { code: "cache-differs" },
    ),
  );
}

/**
 * Returns the name that identifies the job in a store shared by several jobs.
 */
function getProject({ source }: JobConfig, root: string): string {
  return "url" in source ? `${source.type} ${source.url}` : root;
}

function findStepDirectory(
  step: number,
  { steps }: JobPlan,
  root: string,
  pathOf: (path: string) => string,
): string {
  const { workingDir = "" } = steps[step].definition;
  const path = normalizePath(
    workingDir.startsWith("/") ? pathOf(workingDir) : `${root}/${workingDir}`,
  );
  return isInside(root, path) ? path.slice(root.length + 1) : "";
}

function isBelow(directory: string | undefined, path: string): boolean {
  return directory !== undefined && directory !== "" &&
    (path === directory || path.startsWith(`${directory}/`));
}
