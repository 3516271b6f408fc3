/** What the handler of a type of sources is told. */
export interface SourceHandlerContext {
  /** Type of the source. */
  readonly type: string;
  /** Absolute path of an empty directory, which the handler fills. */
  readonly target: string;
  /** Configured URL of the source; `undefined` if there is none. */
  readonly url: string | undefined;
  /** Configured ref of the source; `undefined` if there is none. */
  readonly ref: string | undefined;
  /**
   * Environment for programs that get the source: that of the runner, without
   * its tokens and passwords.
   */
  readonly env: Readonly<Record<string, string>>;
  /** Absolute path of the directory against which relative paths are read. */
  readonly cwd: string;
  /** Aborted when the job is cancelled. */
  readonly signal: AbortSignal;
  /**
   * Says something in the runner's log; known secrets are masked.
   *
   * @param message What to say.
   */
  log(message: string): void;
}

/**
 * Gets sources of a type that the runner does not know.
 *
 * It has done its work when the directory is filled. What it throws ends the
 * job, and the directory is emptied.
 *
 * @param context Where the source is and where it goes.
 * @returns The id of the revision, if there is one; a promise is waited for.
 *
 * @example Get a source from an object store
 * ```ts
 * import { createRunner, type SourceHandler } from "@reactorcide/runnerlib";
 * import { assertEquals } from "@std/assert";
 *
 * const bucket: SourceHandler = async ({ target, ref }) => {
 *   await Deno.writeTextFile(`${target}/main.sh`, "echo built");
 *   return ref;
 * };
 * const runner = createRunner();
 * runner.registerSource("bucket", bucket);
 * const result = await runner.runJob({
 *   command: "sh main.sh",
 *   source: { type: "bucket" },
 *   sourceDir: "/job/bucket-example",
 * });
 * assertEquals(result.status, "success");
 * ```
 */
export type SourceHandler = (
  context: SourceHandlerContext,
) => unknown;
