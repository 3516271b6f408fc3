import { resolve } from "@std/path/posix/resolve";
import type { CaptureResult } from "../process/capture.ts";
import {
  checkoutError,
  clientReason,
  repositoryUrlProblem,
  runClient,
} from "./client.ts";
import { redactUrl } from "./redact_url.ts";
import type { FillDirectory, SourceContext } from "./source_request.ts";

/** Schemes that Mercurial may use; `bundle:`, `static-http:` and those of extensions are not among them. */
const SCHEMES = ["file", "http", "https", "ssh"];

/** What Mercurial says of a failure. */
const REASON = /^(?:abort|hg): ?/;

/** What another Mercurial around the runner, or a user's taste, tells. */
const FOREIGN_VARIABLES = [
  "HG",
  "HGEDITOR",
  "HGMERGE",
  "HGPLAINEXCEPT",
  "HGREVISIONRANGE",
];

/** Options that keep the client from asking, and from what a tree could make it do. */
const NEUTRAL_OPTIONS = [
  "--noninteractive",
  "--config=ui.interactive=false",
  "--config=ui.merge=:fail",
  // Names of other repositories in the tree would be fetched from, unasked.
  "--config=subrepos.allowed=false",
  "--config=phases.publish=true",
  "--config=progress.disable=true",
];

/**
 * Judges a Mercurial repository and a revision as source; runs nothing yet.
 *
 * @param url URL or local path.
 * @param ref Branch, tag, bookmark or id of a changeset; empty or absent for
 * the default branch.
 * @param context What the run offers.
 * @returns Function that clones the repository and updates to the revision.
 * @throws {RunnerError} With code `source-failed`, if something is wrong with
 * the two; the function throws the same when Mercurial fails.
 */
export function hgSource(
  url: string,
  ref: string | undefined,
  context: SourceContext,
): FillDirectory {
  const revision = ref || undefined;
  const problem = repositoryUrlProblem(url, SCHEMES) ??
    (url.includes("#") ? 'contains "#"' : undefined);
  if (problem !== undefined) {
    throw checkoutError(url, revision, `the URL ${problem}`);
  }
  const refProblem = revision && revisionProblem(revision);
  if (refProblem) {
    throw checkoutError(url, revision, `the revision ${refProblem}`);
  }
  const location = /^[^/]*:/.test(url) ? url : resolve(context.cwd, url);
  return (target) => clone(location, revision, target, context);
}

async function clone(
  url: string,
  ref: string | undefined,
  target: string,
  context: SourceContext,
): Promise<string | undefined> {
  context.log.info("source", "Cloning", {
    url: redactUrl(url),
    ref: ref ?? "default branch",
  });
  const hooks = await withoutHooks(context);
  const hg = async (...args: string[]) => {
    const result = await runHg([...hooks, ...args], context);
    if (result.exitCode === 0) return result.stdout.trim();
    throw checkoutError(url, ref, clientReason(result, REASON, url));
  };
  // The other side finds the name, and sends what it is made of: the newest
  // changeset of the clone is the one that was asked for.
  const wanted = ref === undefined ? [] : [`--rev=${ref}`];
  await hg("clone", "--noupdate", "--pull", ...wanted, "--", url, target);
  const repository = ["--repository", target];
  const revision = ref === undefined ? "first(present(default) or tip)" : "tip";
  await hg(...repository, "update", "--clean", `--rev=${revision}`);
  const node = ["log", "--rev=.", "--template={node}"];
  const commit = await hg(...repository, ...node);
  if (/^0*$/.test(commit)) return undefined;
  if (ref !== undefined && isFullId(ref) && ref.toLowerCase() !== commit) {
    throw checkoutError(url, ref, `Mercurial left the tree at ${commit}`);
  }
  return commit;
}

/** A hook of the user's own would run in a tree that nobody has looked at. */
async function withoutHooks(context: SourceContext): Promise<string[]> {
  const { stdout } = await runHg(["config", "hooks"], context);
  return stdout.split("\n").flatMap((line) => {
    const [, name] = /^hooks\.([^=\s]+)=/.exec(line) ?? [];
    return name === undefined ? [] : [`--config=hooks.${name}=`];
  });
}

async function runHg(
  args: readonly string[],
  context: SourceContext,
): Promise<CaptureResult> {
  const { cwd, env } = context;
  const inherited = Object.entries(env)
    .filter(([name]) => !FOREIGN_VARIABLES.includes(name));
  return await runClient(["hg", ...NEUTRAL_OPTIONS, ...args], {
    cwd,
    env: {
      ...Object.fromEntries(inherited),
      // Options are read where they belong alone, not out of any argument.
      HGPLAIN: "+strictflags",
      // The configuration of a local repository belongs to whoever wrote it.
      HGRCSKIPREPO: "1",
      HGENCODING: "utf-8",
      SSH_ASKPASS: "",
      SSH_ASKPASS_REQUIRE: "never",
      LC_ALL: "C",
    },
  }, context);
}

/** The name is looked up as it is, and never read as an expression. */
function revisionProblem(revision: string): string | undefined {
  if (revision.startsWith("-")) return 'starts with "-"';
  // deno-lint-ignore no-control-regex
  return /[\x00-\x1f\x7f:()'"\\|&!,]/.test(revision)
    ? "is not a valid name of a branch, tag or changeset"
    : undefined;
}

function isFullId(ref: string): boolean {
  return /^[0-9a-f]{40}$/i.test(ref);
}
