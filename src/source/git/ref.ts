import { RunnerError } from "../../errors.ts";

/** What may not be anywhere in a name, by the rules of `git check-ref-format`. */
// deno-lint-ignore no-control-regex
const FORBIDDEN = /[\x00-\x20\x7f~^:?*[\\]|\.\.|@\{|\/\/|^\/|\/$|\.$|^@$/;

/** What may not be in one component of a name, by the same rules. */
const FORBIDDEN_COMPONENT = /^\.|\.lock$/;

/**
 * Returns what is wrong with the name of a branch, tag, commit or reference.
 *
 * The rules are those of `git check-ref-format`. A leading dash is refused as
 * well: git would take the name for an option.
 *
 * @param ref Name.
 * @returns The problem, worded to follow the name of the value; `undefined` if
 * there is none.
 */
export function gitRefProblem(ref: string): string | undefined {
  if (ref === "") return "is empty";
  if (ref.startsWith("-")) return 'starts with "-"';
  const components = ref.split("/");
  return FORBIDDEN.test(ref) ||
      components.some((component) => FORBIDDEN_COMPONENT.test(component))
    ? "is not a valid name of a branch, tag or commit"
    : undefined;
}

/**
 * Folders of references. A name that begins with one is the name of a reference
 * without its `refs/`, as git resolves it, before it is that of a branch.
 */
const FOLDERS =
  /^(?:heads|tags|remotes|notes|pull|pull-requests|merge-requests|changes)\//;

/**
 * Checks the name of a branch, tag, commit or reference.
 *
 * @param ref Name.
 * @throws {RunnerError} With code `source-failed`, if something is wrong with it.
 */
export function checkGitRef(ref: string): void {
  const problem = gitRefProblem(ref);
  if (problem === undefined) return;
  throw new RunnerError(
    `Cannot check out ${JSON.stringify(ref)}: the ref ${problem}`,
    { code: "source-failed" },
  );
}

/**
 * Checks whether a name is the unabbreviated id of a commit, in SHA-1 or SHA-256.
 *
 * @param ref Name.
 * @returns Whether it is.
 */
export function isFullCommitId(ref: string): boolean {
  return /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/i.test(ref);
}

/**
 * Lists the names under which a fresh clone may know a ref, best first.
 *
 * As for `git checkout`, a branch comes before a tag and a tag before an abbreviated commit id. The
 * full id of a commit is never anything else: a branch
 * of that name could have been created to run another commit.
 *
 * @param ref Validated name.
 * @returns Names that leave git nothing to guess.
 */
export function localNames(ref: string): string[] {
  if (isFullCommitId(ref)) return [ref];
  if (ref.startsWith("refs/heads/")) {
    return [ref.replace("refs/heads/", "refs/remotes/origin/")];
  }
  if (ref.startsWith("refs/")) return [ref];
  const names = [
    ...FOLDERS.test(ref) ? localNames(`refs/${ref}`) : [],
    `refs/remotes/origin/${ref}`,
    `refs/tags/${ref}`,
  ];
  if (ref.startsWith("origin/")) names.push(`refs/remotes/${ref}`);
  if (/^[0-9a-f]{4,}$/i.test(ref)) names.push(ref);
  return names;
}

/**
 * Lists the names that a ref may have at the remote, best first, in the order
 * of {@linkcode localNames}; abbreviated ids cannot be asked for.
 *
 * @param ref Validated name.
 * @returns Names that leave the server nothing to guess.
 */
export function remoteNames(ref: string): string[] {
  if (isFullCommitId(ref)) return [ref.toLowerCase()];
  if (ref === "HEAD") return [ref];
  const tracked = /^(?:refs\/remotes\/)?origin\/(.+)$/.exec(ref)?.[1];
  const branch = tracked === undefined ? [] : [`refs/heads/${tracked}`];
  if (ref.startsWith("refs/")) return branch.length > 0 ? branch : [ref];
  const isInFolder = FOLDERS.test(ref);
  return [
    ...isInFolder ? [`refs/${ref}`] : [],
    `refs/heads/${ref}`,
    `refs/tags/${ref}`,
    ...branch,
    // What has no folder is nothing that a job should see.
    ...ref.includes("/") && !isInFolder ? [`refs/${ref}`] : [],
  ];
}

/**
 * Returns the local name of what is fetched.
 *
 * @param name Name at the remote, one of {@linkcode remoteNames}.
 * @returns The name here; `undefined` for a commit, which has none.
 */
export function trackingName(name: string): string | undefined {
  if (isFullCommitId(name)) return undefined;
  if (name === "HEAD") return "refs/remotes/origin/HEAD";
  return name.replace(/^refs\/heads\//, "refs/remotes/origin/");
}
