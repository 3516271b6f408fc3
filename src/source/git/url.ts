import { isAbsolute } from "@std/path/posix/is-absolute";
import { resolve } from "@std/path/posix/resolve";
import { RunnerError } from "../../errors.ts";
import { showUrl } from "../../url_secrets.ts";
import { authorityProblem, encodingProblem, textProblem } from "../client.ts";

/** Schemes of the transports that git may use; the last two are old spellings of ssh. */
const SCHEMES = ["file", "git", "http", "https", "ssh", "git+ssh", "ssh+git"];

/**
 * Returns what is wrong with the location of a git repository.
 *
 * Refused is whatever git or a program that it starts could take for an option
 * or a command: a leading dash, also of a host; `<helper>::` transports, of
 * which `ext::` runs any command; control characters, with which a credential
 * helper can be asked for the password of another host.
 *
 * @param url URL, `host:path` of ssh, or local path.
 * @returns The problem, worded to follow the name of the value; `undefined` if
 * there is none.
 */
export function gitUrlProblem(url: string): string | undefined {
  const plain = textProblem(url);
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
 * Validates the location of a git repository, and makes a local path absolute.
 *
 * @param url URL, `host:path` of ssh, or local path.
 * @param cwd Absolute path of the directory against which a local path is read.
 * @returns What git is given.
 * @throws {RunnerError} With code `source-failed`, if something is wrong with it.
 */
export function gitLocation(url: string, cwd: string): string {
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
 * Checks whether a location is a path, by the rule of git: a colon before the
 * first slash makes it remote.
 *
 * @param url Validated location.
 * @returns Whether it is.
 */
export function isLocalPath(url: string): boolean {
  return !/^[^/]*:/.test(url);
}

/**
 * Checks whether two locations mean the same repository, however they are
 * spelled: by https or ssh, with `.git` or a slash at the end, with a user,
 * with capitals in the name of the host.
 *
 * @param one Location.
 * @param other Location.
 * @returns Whether they do.
 */
export function isSameRepository(one: string, other: string): boolean {
  return plainLocation(one) === plainLocation(other);
}

/**
 * Brings the location of a repository into a form that its spellings share.
 *
 * @param url URL, `host:path` of ssh, or local path.
 * @returns `host/path`, or the path of a local one.
 */
export function plainLocation(url: string): string {
  const [, authority, path] = /^[^/:]+:\/\/([^/]*)\/*(.*)$/.exec(url) ??
    /^([^/:]+):\/*(.*)$/.exec(url) ?? [null, "", url];
  const host = authority.replace(/^.*@/, "").toLowerCase()
    .replace(/:(?:22|80|443|9418)$/, "");
  const rest = path.replace(/\/+$/, "").replace(/\.git$/, "");
  return host === "" ? `/${rest.replace(/^\/+/, "")}` : `${host}/${rest}`;
}
