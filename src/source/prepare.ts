import { messageOf, osReason, type RunnerError } from "../errors.ts";
import {
  emptyDirectory,
  isMounted,
  mountsBelow,
  removeTree,
} from "../workspace/remove.ts";
import { guardPath } from "../workspace/guard.ts";
import { claimPath, ownsPath, releasePath } from "../workspace/owned_paths.ts";
import {
  type FillDirectory,
  type PreparedSource,
  type SourceContext,
  sourceError,
  type SourceRequest,
} from "./source.ts";

/** State of the target directory before preparation. */
type TargetState = "absent" | "empty" | "populated";

/**
 * Fetches source code into its directory in the workspace.
 *
 * A missing or empty directory is filled. In a container, existing code was put
 * there by the worker and is kept, unless it has to be replaced. Elsewhere, a
 * directory that an earlier run created is replaced, and the user's own
 * directory never.
 *
 * After a failure or a cancellation, the directory is empty, or missing if it
 * was missing before.
 *
 * @param resolve Validates the request and returns the function that fills the
 * directory.
 * @throws {RunnerError} With code `source-failed`, if the code cannot be
 * fetched or the directory is in use; `workspace`, if the directory is outside
 * the workspace; `output-failed`, if its owner cannot be recorded.
 * @throws {DOMException} An `AbortError` if the job is cancelled.
 */
export async function prepareSource(
  request: SourceRequest,
  context: SourceContext,
  resolve: typeof resolveSource = resolveSource,
): Promise<PreparedSource> {
  const { workspace, log, cancellation } = context;
  cancellation.graceful.throwIfAborted();
  if (request.type === "none") return {};
  const target = await guardPath(workspace.base, request.target);
  const state = await readTargetState(target);
  const path = request.target;
  if (state === "populated" && workspace.inContainer && !request.replace) {
    log.info("source", "The source already exists", { path });
    return { path, skipped: true };
  }
  const fill = await resolve(request, target, context);
  const isOwned = !workspace.inContainer && await ownsPath(workspace, target);
  if (state === "populated" && !workspace.inContainer && !isOwned) {
    throw failure(
      path,
      "the directory is not empty, and no earlier run of runnerlib created it; " +
        "remove it if another runner created it, or choose another directory with --code-dir",
    );
  }
  if (state === "populated" && !workspace.inContainer) {
    // It was mounted after a run had created the directory.
    if (await isMounted(target, await mountsBelow(target))) {
      throw failure(path, "something is mounted there");
    }
  }
  if (!workspace.inContainer) await claimPath(workspace, target);
  try {
    await makeEmpty(target, context);
    return { path, commit: await fill(target) };
  } catch (error) {
    await undo(target, state !== "absent" && !isOwned, context);
    throw error;
  }
}

async function readTargetState(target: string): Promise<TargetState> {
  try {
    for await (const _ of Deno.readDir(target)) return "populated";
    return "empty";
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return "absent";
    throw failure(target, osReason(cause), cause);
  }
}

/**
 * Keeps the directory itself, which may be a mount point or the current
 * directory of a process.
 */
async function makeEmpty(
  target: string,
  { log }: SourceContext,
): Promise<void> {
  try {
    await Deno.mkdir(target, { recursive: true });
    await emptyDirectory(target, {
      onMount: (path) =>
        log.warn("source", `Left "${path}": something is mounted there`),
    });
  } catch (cause) {
    throw failure(target, osReason(cause), cause);
  }
}

/** Removes a partial result. The original failure is reported first. */
async function undo(
  target: string,
  keepDirectory: boolean,
  { workspace, log }: SourceContext,
): Promise<void> {
  try {
    let hasMount = false;
    await emptyDirectory(target, { onMount: () => hasMount = true });
    // The runner still owns the directory, so the next run can fill it.
    if (hasMount) return;
    if (!keepDirectory) await removeTree(target);
    if (!workspace.inContainer) await releasePath(workspace, target);
  } catch (error) {
    log.warn("source", "Cannot remove a partially prepared source", {
      path: target,
      reason: messageOf(error),
    });
  }
}

function failure(path: string, reason: string, cause?: unknown): RunnerError {
  return sourceError(`prepare "${path}"`, reason, cause);
}

/**
 * Validates a source of one type and returns the function that fills its
 * directory.
 */
type SourceProvider = (
  url: string,
  request: SourceRequest,
  target: string,
  context: SourceContext,
) => Promise<FillDirectory>;

/** Source types, each loaded only when a job uses it. */
const PROVIDERS: ReadonlyMap<string, SourceProvider> = new Map<
  string,
  SourceProvider
>([
  ["git", async (url, { ref, git }, _target, context) => {
    const { gitSource } = await import("./git/git_source.ts");
    return gitSource(url, ref, context, git);
  }],
  ["copy", async (url, { copyIgnore = [] }, target, context) => {
    const { copySource } = await import("./copy_source.ts");
    return await copySource(url, target, copyIgnore, context);
  }],
  ["tarball", async (url, request, target, context) => {
    const { archiveSource } = await import("./archive_source.ts");
    return await archiveSource(url, request, target, context);
  }],
  ["hg", async (url, { ref }, _target, context) => {
    const { hgSource } = await import("./hg.ts");
    return hgSource(url, ref, context);
  }],
  ["svn", async (url, { ref }, _target, context) => {
    const { svnSource } = await import("./svn.ts");
    return svnSource(url, ref, context);
  }],
]);

/**
 * Validates a source before anything in its directory is changed.
 *
 * @param target Absolute path of the directory, without symbolic links.
 * @returns Function that fills the directory.
 * @throws {RunnerError} With code `source-failed`, if the type has no provider
 * or the source is invalid.
 */
async function resolveSource(
  request: SourceRequest,
  target: string,
  context: SourceContext,
): Promise<FillDirectory> {
  const { type, url } = request;
  const handler = context.handlers?.get(type);
  if (handler) {
    const { customSource } = await import("./custom_source.ts");
    return customSource(handler, request, context);
  }
  const provider = PROVIDERS.get(type);
  if (provider === undefined) {
    throw failure(request.target, `no provider for source type "${type}"`);
  }
  if (!url) {
    throw failure(request.target, `a source of type "${type}" needs a URL`);
  }
  return await provider(url, request, target, context);
}
