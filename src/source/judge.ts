import { RunnerError } from "../errors.ts";
import type {
  FillDirectory,
  SourceContext,
  SourceRequest,
} from "./source_request.ts";

/** Judges a source of one type. */
type Judge = (
  url: string,
  request: SourceRequest,
  target: string,
  context: SourceContext,
) => Promise<FillDirectory>;

/** The types of sources; each is loaded when a job has one. */
const JUDGES: ReadonlyMap<string, Judge> = new Map<string, Judge>([
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
 * Judges a source, before anything in its place is touched.
 *
 * @param request What to prepare.
 * @param target Absolute path of its place, free of links.
 * @param context What the run offers.
 * @returns Function that fills the place.
 * @throws {RunnerError} With code `source-failed`, if nobody can prepare it.
 */
export async function judgeSource(
  request: SourceRequest,
  target: string,
  context: SourceContext,
): Promise<FillDirectory> {
  const { type, url } = request;
  const handler = context.handlers?.get(type);
  if (handler) {
    const { handledSource } = await import("./handled.ts");
    return handledSource(handler, request, context);
  }
  const judge = JUDGES.get(type);
  if (judge === undefined) {
    throw failure(request, `nobody provides sources of type "${type}"`);
  }
  if (!url) throw failure(request, `a source of type "${type}" needs a URL`);
  return await judge(url, request, target, context);
}

function failure({ target }: SourceRequest, reason: string): RunnerError {
  return new RunnerError(`Cannot prepare "${target}": ${reason}`, {
    code: "source-failed",
  });
}
