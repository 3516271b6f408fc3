import type { ArchiveConfig, CheckoutConfig } from "../config/job_config.ts";
import type { ChildEnvironment } from "../environment/child_environment.ts";
import { RunnerError } from "../errors.ts";
import type { Logger } from "../output/logger.ts";
import type { Cancellation } from "../process/cancellation.ts";
import type { RetryPolicy } from "../process/retry.ts";
import type { SourceHandler } from "../source_handler.ts";
import type { Workspace } from "../workspace/layout.ts";

/** Source code that a job needs, and its target directory. */
export interface SourceRequest {
  /**
   * Type of the source: `git`, `copy`, `tarball`, `hg`, `svn`, a type with a
   * registered handler, or `none`.
   */
  type: string;
  /**
   * URL, or path relative to the current directory.
   *
   * Required unless the type is `none` or has a handler.
   */
  url?: string;
  /**
   * Branch, tag, commit ID or full ref name; for an archive, `sha256:` and its
   * checksum.
   *
   * @default {the default branch of the repository}
   */
  ref?: string;
  /**
   * `.gitignore` patterns of files that are not copied.
   *
   * @default {everything is copied}
   */
  copyIgnore?: readonly string[];
  /**
   * Options of a git checkout.
   *
   * @default {only the commit is fetched}
   */
  git?: GitOptions;
  /** Limits of an archive; required for type `tarball`. */
  archive?: ArchiveConfig;
  /** Absolute path of the target directory in the workspace. */
  target: string;
  /**
   * Whether existing code is replaced in a container. Trusted CI code is,
   * because only the runner's own copy can be trusted.
   */
  replace: boolean;
}

/** Options of a git source: those of a checkout, and how to fetch it. */
export interface GitOptions extends Partial<Omit<CheckoutConfig, "mode">> {
  /**
   * Whether to fetch the base of the job's pull request as well, and the
   * commits in between.
   *
   * @default {true}
   */
  pullRequestBase?: boolean;
  /**
   * Number of attempts after failed connections, and their delays.
   *
   * @default {4 attempts, with delays from 1 to 10 seconds}
   */
  retry?: RetryPolicy;
}

/** Parts of a run that are needed to prepare source code. */
export interface SourceContext {
  /** Workspace that contains the target. */
  workspace: Workspace;
  /** Complete environment of the programs that fetch the code. */
  env: ChildEnvironment;
  /** Absolute path against which relative paths are resolved. */
  cwd: string;
  /** Log, which never gets the user info of a URL. */
  log: Logger;
  /** Cancellation of the job. */
  cancellation: Cancellation;
  /**
   * Handlers of other source types, by type.
   *
   * @default {there are no other types}
   */
  handlers?: ReadonlyMap<string, SourceHandler>;
  /**
   * Receives the measurements of the preparation.
   *
   * @default {only the log gets it}
   */
  measure?: SourceMeasure;
}

/** Receives the measurements of a source's preparation. */
export interface SourceMeasure {
  /** A stage has ended; the start is a time of `performance.now()`. */
  stage(name: string, start: number, durationMs: number): void;
  /** Some more bytes belong to the source. */
  bytes(count: number): void;
}

/** Runs a stage of the preparation and measures its duration. */
export type StageTimer = <T>(
  name: string,
  action: () => Promise<T>,
) => Promise<T>;

/**
 * Creates a function that measures the duration of each stage, even if it
 * fails.
 */
export function createStageTimer(
  { log, measure }: Pick<SourceContext, "log" | "measure">,
): StageTimer {
  return async (name, action) => {
    const start = performance.now();
    try {
      return await action();
    } finally {
      const durationMs = performance.now() - start;
      measure?.stage(name, start, durationMs);
      log.debug("source", `Stage ${name}`, { ms: Math.round(durationMs) });
    }
  };
}

/** Result of the preparation. */
export interface PreparedSource {
  /** Absolute path of the code; absent for type `none`. */
  path?: string;
  /**
   * ID of the commit or revision that was checked out, if the source has one.
   */
  commit?: string;
  /** Whether existing code was kept. */
  skipped?: boolean;
}

/**
 * Fills an empty directory with a validated source.
 *
 * @param target Absolute path of the directory.
 * @returns ID of the commit or revision, if the source has one.
 */
export type FillDirectory = (target: string) => Promise<string | undefined>;

/**
 * Creates the error of a source that cannot be prepared or read.
 *
 * @param action Failed action with its object, such as `read "file"`.
 */
export function sourceError(
  action: string,
  reason: string,
  cause?: unknown,
): RunnerError {
  return new RunnerError(`Cannot ${action}: ${reason}`, {
    code: "source-failed",
    cause,
  });
}
