import { RunnerError } from "../../errors.ts";

/** Characters and sequences that `git check-ref-format` forbids. */
// deno-lint-ignore no-control-regex
const FORBIDDEN = /[\x00-\x20\x7f~^:?*[\\]|\.\.|@\{|\/\/|^\/|\/$|\.$|^@$/;

/** Forbidden starts and ends of one component of a name, by the same rules. */
const FORBIDDEN_COMPONENT = /^\.|\.lock$/;

/**
 * Checks a branch, tag, commit ID or ref name.
 *
 * The rules are those of `git check-ref-format`. A leading dash is rejected as
 * well, because git would take the name as an option.
 *
 * @returns The problem, phrased to follow the name of the value; `undefined` if
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
 * Namespaces under `refs/`. For a name that starts with one, git tries the ref
 * before a branch of this name.
 */
const FOLDERS =
  /^(?:heads|tags|remotes|notes|pull|pull-requests|merge-requests|changes)\//;

/**
 * Validates a branch, tag, commit ID or ref name.
 *
 * @throws {RunnerError} With code `source-failed`, if it is invalid.
 */
export function checkGitRef(ref: string): void {
  const problem = gitRefProblem(ref);
  if (problem === undefined) return;
  throw new RunnerError(
    `Cannot check out ${JSON.stringify(ref)}: the ref ${problem}`,
    { code: "source-failed" },
  );
}

/** Checks whether a name is a full commit ID, in SHA-1 or SHA-256. */
export function isFullCommitId(ref: string): boolean {
  return /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/i.test(ref);
}

/**
 * Lists the possible names of a ref in a fresh clone, best first.
 *
 * Like in `git checkout`, a branch takes precedence over a tag, and a tag over
 * an abbreviated commit ID. A full commit ID never means a branch, because
 * someone could create a branch with this name to run another commit.
 *
 * @returns Unambiguous names.
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
 * Lists the possible names of a ref on the remote, in the order of {@linkcode
 * localNames}. Abbreviated IDs cannot be requested.
 *
 * @returns Unambiguous names.
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
    // Jobs do not need refs outside the namespaces.
    ...ref.includes("/") && !isInFolder ? [`refs/${ref}`] : [],
  ];
}

/**
 * Returns the local name of a fetched ref.
 *
 * @param name Name on the remote, one of {@linkcode remoteNames}.
 * @returns The local name; `undefined` for a commit, which has none.
 */
export function trackingName(name: string): string | undefined {
  if (isFullCommitId(name)) return undefined;
  if (name === "HEAD") return "refs/remotes/origin/HEAD";
  return name.replace(/^refs\/heads\//, "refs/remotes/origin/");
}
