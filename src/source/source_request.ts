import type { Logger } from "../output/logger.ts";
import type { Cancellation } from "../process/cancellation.ts";
import type { Workspace } from "../workspace/layout.ts";

/** Source code that a job needs, and where. */
export interface SourceRequest {
  /** How the code is got: from a git repository, from a directory, not at all. */
  type: "git" | "copy" | "none";
  /**
   * Where the code is: a URL or, relative to the current directory, a path.
   *
   * Required unless the type is `none`.
   */
  url?: string;
  /**
   * Branch, tag, commit id or full name of a reference; for git alone.
   *
   * @default {the default branch of the repository}
   */
  ref?: string;
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
  /** The whole environment of git. */
  env: Readonly<Record<string, string>>;
  /** Absolute path of the directory against which relative paths are read. */
  cwd: string;
  /** Hears what is prepared; never the user info of a URL. */
  log: Logger;
  /** The wish that the job ends. */
  cancellation: Cancellation;
}

/** Source code that is in its place. */
export interface PreparedSource {
  /** Absolute path of the code, absent for type `none`. */
  path?: string;
  /** Id of the commit that was checked out, for git alone. */
  commit?: string;
  /** Whether the code was there already and was left as it was. */
  skipped?: boolean;
}

/**
 * Fills an empty directory with a source that was judged.
 *
 * @param target Absolute path of the directory.
 * @returns Id of the commit, for git alone.
 */
export type FillDirectory = (target: string) => Promise<string | undefined>;
