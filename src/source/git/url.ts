import { isAbsolute } from "@std/path/posix/is-absolute";
import { resolve } from "@std/path/posix/resolve";
import { RunnerError } from "../../errors.ts";
import { showUrl } from "../../url_secrets.ts";
import {
  authorityProblem,
  encodingProblem,
  urlTextProblem,
} from "../source_client.ts";

/** Allowed schemes; the last two are old names of ssh. */
const SCHEMES = ["file", "git", "http", "https", "ssh", "git+ssh", "ssh+git"];

/**
 * Checks the URL of a git repository.
 *
 * Rejects everything that git, or a program that it starts, could interpret as
 * an option or a command: a leading dash, even of the host; `<helper>::`
 * transports, since `ext::` runs any command; control characters, which can
 * make a credential helper return the password of another host.
 *
 * @param url URL, scp-like address such as `host:path`, or local path.
 * @returns The problem, phrased to follow the name of the value; `undefined` if
 * there is none.
 */
function gitUrlProblem(url: string): string | undefined {
  const plain = urlTextProblem(url);
  if (plain !== undefined) return plain;
  const [helper] = /^[A-Za-z0-9+.-]*(?=::)/.exec(url) ?? [];
  if (helper !== undefined) return `names the transport helper "${helper}"`;
  const [, scheme] = /^([^/:]*):\/\//.exec(url) ?? [];
  if (scheme !== undefined && !SCHEMES.includes(scheme)) {
    return `has a scheme other than ${SCHEMES.slice(0, 5).join(", ")}`;
  }
  const [authority = ""] = /(?<=^[^/:]*:\/\/)[^/]*/.exec(url) ??
    /^[^/]*(?=:)/.exec(url) ?? [];
  return (scheme === undefined ? undefined : encodingProblem(url)) ??
    authorityProblem(authority);
}

/**
 * Validates the URL of a git repository, and makes a local path absolute.
 *
 * @param url URL, scp-like address such as `host:path`, or local path.
 * @param cwd Absolute path against which a local path is resolved.
 * @returns The URL or absolute path for git.
 * @throws {RunnerError} With code `source-failed`, if the URL is invalid.
 */
export function resolveGitUrl(url: string, cwd: string): string {
  const problem = gitUrlProblem(url);
  if (problem !== undefined) {
    const shown = JSON.stringify(showUrl(url));
    throw new RunnerError(`Cannot clone ${shown}: the URL ${problem}`, {
      code: "source-failed",
    });
  }
  return isLocalPath(url) && !isAbsolute(url) ? resolve(cwd, url) : url;
}

/**
 * Checks whether a URL is a local path. As in git, a colon before the first
 * slash makes it remote.
 */
export function isLocalPath(url: string): boolean {
  return !/^[^/]*:/.test(url);
}

/**
 * Checks whether two URLs refer to the same repository, ignoring the transport,
 * a trailing `.git` or slash, the user, and the case of the host.
 */
export function isSameRepository(one: string, other: string): boolean {
  return normalizeGitUrl(one) === normalizeGitUrl(other);
}

/**
 * Normalizes the URL of a repository to a form that all its spellings share.
 *
 * @param url URL, scp-like address such as `host:path`, or local path.
 * @returns `host/path`, or the local path.
 */
export function normalizeGitUrl(url: string): string {
  const [, authority, path] = /^[^/:]+:\/\/([^/]*)\/*(.*)$/.exec(url) ??
    /^([^/:]+):\/*(.*)$/.exec(url) ?? [null, "", url];
  const host = authority.replace(/^.*@/, "").toLowerCase()
    .replace(/:(?:22|80|443|9418)$/, "");
  const rest = path.replace(/\/+$/, "").replace(/\.git$/, "");
  return host === "" ? `/${rest.replace(/^\/+/, "")}` : `${host}/${rest}`;
}
