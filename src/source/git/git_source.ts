import { RunnerError } from "../../errors.ts";
import type { CaptureResult } from "../../process/capture.ts";
import { runGit } from "./run_git.ts";
import { gitReason } from "./reason.ts";
import { checkGitRef, localNames } from "./ref.ts";
import { gitLocation } from "./url.ts";
import { redactUrl } from "../redact_url.ts";
import type { FillDirectory, SourceContext } from "../source_request.ts";

/** A clone that is about to be filled. */
interface Checkout {
  /** Location that git is given. */
  url: string;
  /** Name of what is checked out, absent for the default branch. */
  ref: string | undefined;
  /** Runs git on the clone. */
  git: (...args: string[]) => Promise<CaptureResult>;
}

/**
 * Judges a git repository and a ref as source; runs nothing yet.
 *
 * @param url URL, `host:path` of ssh, or local path.
 * @param ref Branch, tag, commit id or full name of a reference; empty or
 * absent for the default branch.
 * @param context What the run offers.
 * @returns Function that clones the repository and detaches `HEAD` at the commit.
 * @throws {RunnerError} With code `source-failed`, if something is wrong with
 * the two; the function throws the same when git fails.
 */
export function gitSource(
  url: string,
  ref: string | undefined,
  context: SourceContext,
): FillDirectory {
  const location = gitLocation(url, context.cwd);
  if (ref) checkGitRef(ref);
  return (target) => clone(location, ref || undefined, target, context);
}

async function clone(
  url: string,
  ref: string | undefined,
  target: string,
  context: SourceContext,
): Promise<string> {
  context.log.info("source", "Cloning", {
    url: redactUrl(url),
    ref: ref ?? "default branch",
  });
  const result = await runGit(
    [
      "clone",
      "--quiet",
      "--no-checkout",
      "--origin=origin",
      "--end-of-options",
      url,
      target,
    ],
    context.cwd,
    context,
  );
  if (result.exitCode !== 0) {
    throw failure(`clone "${redactUrl(url)}"`, gitReason(result, url));
  }
  // Named outright, the repository is neither searched for in the directories
  // above, nor refused because its directory belongs to another user.
  const place = [`--git-dir=${target}/.git`, `--work-tree=${target}`];
  return await checkOut({
    url,
    ref,
    git: (...args) => runGit([...place, ...args], target, context),
  });
}

/** Resolves first: a file that bears the name of a branch must not win. */
async function checkOut(checkout: Checkout): Promise<string> {
  const { url, ref, git } = checkout;
  const commit = ref === undefined
    ? await commitOf("HEAD", checkout)
    : await knownCommit(ref, checkout) ?? await fetchedCommit(ref, checkout);
  const action = `check out "${ref ?? "HEAD"}" of "${redactUrl(url)}"`;
  if (commit === undefined) {
    throw failure(action, "it does not name a commit");
  }
  const result = await git("checkout", "--detach", commit, "--");
  if (result.exitCode !== 0) throw failure(action, gitReason(result, url));
  const head = await commitOf("HEAD", checkout);
  if (head !== commit) throw failure(action, `git left HEAD at ${head}`);
  return commit;
}

async function knownCommit(
  ref: string,
  checkout: Checkout,
): Promise<string | undefined> {
  for (const name of localNames(ref)) {
    const commit = await commitOf(name, checkout);
    if (commit !== undefined) return commit;
  }
  return undefined;
}

/** Asks for what a clone leaves out: pull requests, commits off every branch. */
async function fetchedCommit(
  ref: string,
  checkout: Checkout,
): Promise<string | undefined> {
  const { url, git } = checkout;
  const result = await git(
    "fetch",
    "--quiet",
    "--end-of-options",
    "origin",
    // With a plus of our own, the one of a ref is part of its name.
    `+${ref}`,
  );
  if (result.exitCode !== 0) {
    throw failure(
      `check out "${ref}" of "${redactUrl(url)}"`,
      gitReason(result, url),
    );
  }
  return await commitOf("FETCH_HEAD", checkout);
}

async function commitOf(
  name: string,
  { git }: Checkout,
): Promise<string | undefined> {
  const { exitCode, stdout } = await git(
    "rev-parse",
    "--verify",
    "--quiet",
    "--end-of-options",
    `${name}^{commit}`,
  );
  return exitCode === 0 ? stdout.trim() : undefined;
}

function failure(action: string, reason: string): RunnerError {
  return new RunnerError(`Cannot ${action}: ${reason}`, {
    code: "source-failed",
  });
}
