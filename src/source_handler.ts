/** Context of a {@linkcode SourceHandler}. */
export interface SourceHandlerContext {
  /** Type of the source. */
  readonly type: string;
  /** Absolute path of an empty directory that the handler fills. */
  readonly target: string;
  /** Configured URL of the source; `undefined` if there is none. */
  readonly url: string | undefined;
  /** Configured ref of the source; `undefined` if there is none. */
  readonly ref: string | undefined;
  /**
   * Environment for programs that fetch the source: that of the runner, without
   * its tokens and passwords.
   */
  readonly env: Readonly<Record<string, string>>;
  /** Absolute path of the directory for resolving relative paths. */
  readonly cwd: string;
  /** Aborted when the job is cancelled. */
  readonly signal: AbortSignal;
  /**
   * Writes a message to the log of the runner; known secrets are masked.
   *
   * @param message The message.
   */
  log(message: string): void;
}

/**
 * Fetches sources of a custom type.
 *
 * It fills the target directory. If it throws, the job fails, and the directory
 * is emptied.
 *
 * @param context Location of the source, and the target directory.
 * @returns The ID of the revision, if any, or a promise of it.
 *
 * @example Fetch a source from an object store
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
