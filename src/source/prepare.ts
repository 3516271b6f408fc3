import { messageOf, osReason, type RunnerError } from "../errors.ts";
import { isMounted, mountsBelow } from "../fs/mounts.ts";
import { guardPath } from "../workspace/guard.ts";
import { claimPath, ownsPath, releasePath } from "../workspace/owned_paths.ts";
import { emptyDirectory, removeTree } from "../workspace/remove.ts";
import { sourceError } from "./source_error.ts";
import type {
  FillDirectory,
  PreparedSource,
  SourceContext,
  SourceRequest,
} from "./source_request.ts";

/** State of the directory in which source code is prepared. */
type TargetState = "absent" | "empty" | "populated";

/**
 * Puts source code into its place in the workspace.
 *
 * What is there already decides: nothing, or an empty directory, is filled. In
 * a container a worker has put the source there, and it is left alone unless
 * it is to be replaced. Elsewhere, a directory that an earlier run created is
 * replaced, and a directory of the user never.
 *
 * After a failure or a cancellation the place is empty, or absent as before.
 *
 * @param request What to prepare, and where.
 * @param context What the run offers.
 * @param resolve Checks the request and returns what fills the place.
 * @returns Where the code is.
 * @throws {RunnerError} With code `source-failed`, if the code cannot be got or
 * the place is taken; `workspace`, if the place is outside the workspace;
 * `output-failed`, if it cannot be recorded.
 * @throws {DOMException} An `AbortError` if the job was cancelled meanwhile.
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
  const state = await stateOf(target);
  const path = request.target;
  if (state === "populated" && workspace.inContainer && !request.replace) {
    log.info("source", "The source is in its place already", { path });
    return { path, skipped: true };
  }
  const fill = await resolve(request, target, context);
  const isOwned = !workspace.inContainer && await ownsPath(workspace, target);
  if (state === "populated" && !workspace.inContainer && !isOwned) {
    throw failure(
      path,
      "the directory is not empty, and no earlier run of runnerlib created it; " +
        "remove it if another runner left it, or choose another directory with --code-dir",
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

async function stateOf(target: string): Promise<TargetState> {
  try {
    for await (const _ of Deno.readDir(target)) return "populated";
    return "empty";
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return "absent";
    throw failure(target, osReason(cause), cause);
  }
}

/** Keeps the directory: it may be a mount point, or the current directory of a process. */
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

/** Leaves nothing half-prepared; the failure that led here goes first. */
async function undo(
  target: string,
  keepDirectory: boolean,
  { workspace, log }: SourceContext,
): Promise<void> {
  try {
    let hasMount = false;
    await emptyDirectory(target, { onMount: () => hasMount = true });
    // It stays the runner's directory, for the next run to fill.
    if (hasMount) return;
    if (!keepDirectory) await removeTree(target);
    if (!workspace.inContainer) await releasePath(workspace, target);
  } catch (error) {
    log.warn("source", "Cannot remove a half-prepared source", {
      path: target,
      reason: messageOf(error),
    });
  }
}

function failure(path: string, reason: string, cause?: unknown): RunnerError {
  return sourceError(`prepare "${path}"`, reason, cause);
}

/** Checks a source of one type and returns what fills its place. */
type SourceProvider = (
  url: string,
  request: SourceRequest,
  target: string,
  context: SourceContext,
) => Promise<FillDirectory>;

/** Types of sources; each is loaded when a job has one. */
const PROVIDERS: ReadonlyMap<string, SourceProvider> = new Map<
  string,
  SourceProvider
>([
  ["git", async (url, { ref, git }, _target, context) => {
    const { gitSource } = await import("./git/git_source.ts");
    return gitSource(url, ref, context, git);
  }],
  ["copy", async (url, { copyIgnore = [] }, target, context) => {
    const { copySource } = await import("./copy.ts");
    return await copySource(url, target, copyIgnore, context);
  }],
  ["tarball", async (url, request, target, context) => {
    const { archiveSource } = await import("./archive/archive_source.ts");
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
 * Checks a source before anything in its place is touched.
 *
 * @param request What to prepare.
 * @param target Absolute path of its place, free of links.
 * @param context What the run offers.
 * @returns Function that fills the place.
 * @throws {RunnerError} With code `source-failed`, if there is no provider, or it
 * refuses the source.
 */
export async function resolveSource(
  request: SourceRequest,
  target: string,
  context: SourceContext,
): Promise<FillDirectory> {
  const { type, url } = request;
  const handler = context.handlers?.get(type);
  if (handler) {
    const { handledSource } = await import("./custom_source.ts");
    return handledSource(handler, request, context);
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
