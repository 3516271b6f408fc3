import type { ArchiveConfig } from "../config/job_config.ts";
import type { ChildEnvironment } from "../environment/child_environment.ts";
import type { Logger } from "../output/logger.ts";
import type { Cancellation } from "../process/cancellation.ts";
import type { SourceHandler } from "../source_handler.ts";
import type { Workspace } from "../workspace/layout.ts";
import type { GitOptions } from "./git/options.ts";

/** Source code that a job needs, and where. */
export interface SourceRequest {
  /**
   * How the code is got: `git`, `copy`, `tarball`, `hg`, `svn`, a type that
   * has a handler, or `none`.
   */
  type: string;
  /**
   * Where the code is: a URL or, relative to the current directory, a path.
   *
   * Required unless the type is `none` or has a handler.
   */
  url?: string;
  /**
   * Branch, tag, commit id or full name of a reference; `sha256:` and the
   * checksum of an archive.
   *
   * @default {the default branch of the repository}
   */
  ref?: string;
  /**
   * What a copy leaves out, as patterns of `.gitignore`.
   *
   * @default {everything is copied}
   */
  copyIgnore?: readonly string[];
  /**
   * How a git repository is checked out.
   *
   * @default {the commit alone}
   */
  git?: GitOptions;
  /** What an archive may hold; required for type `tarball`. */
  archive?: ArchiveConfig;
  /** Absolute path in the workspace at which the code is put. */
  target: string;
  /**
   * Whether code that is in its place in a container is replaced: the trusted
   * CI code is, because only the runner's own copy of it can be trusted.
   */
  replace: boolean;
}

/** What the preparation of source code needs of the run. */
export interface SourceContext {
  /** Where the code goes. */
  workspace: Workspace;
  /** The complete environment of programs that get the code. */
  env: ChildEnvironment;
  /** Absolute path of the directory against which relative paths are read. */
  cwd: string;
  /** Log of what is prepared; never the user info of a URL. */
  log: Logger;
  /** Cancellation of the job. */
  cancellation: Cancellation;
  /**
   * Code that gets sources of other types, by type.
   *
   * @default {there are no other types}
   */
  handlers?: ReadonlyMap<string, SourceHandler>;
}

/** Source code that is in its place. */
export interface PreparedSource {
  /** Absolute path of the code, absent for type `none`. */
  path?: string;
  /** Id of the commit or revision that was checked out, if the source has any. */
  commit?: string;
  /** Whether the code was there already and was left as it was. */
  skipped?: boolean;
}

/**
 * Fills an empty directory with a source that was checked.
 *
 * @param target Absolute path of the directory.
 * @returns Id of the commit or revision, if the source has any.
 */
export type FillDirectory = (target: string) => Promise<string | undefined>;
