import { isAbsolute } from "@std/path/posix/is-absolute";
import { resolve } from "@std/path/posix/resolve";
import { RunnerError } from "../../errors.ts";
import { showUrl } from "../../url_secrets.ts";
import {
  authorityProblem,
  encodingProblem,
  schemeProblem,
  urlTextProblem,
} from "../source_url.ts";

/** Allowed schemes; the last two are old names of ssh. */
const SCHEMES = ["file", "git", "http", "https", "ssh", "git+ssh", "ssh+git"];

/** A validated URL of a git repository. */
export interface GitUrl {
  /** URL or absolute path for git, including credentials. */
  readonly href: string;
  /** The URL without anything that could be secret, for messages. */
  readonly shown: string;
  /** Whether it is a path, and not a URL. */
  readonly isPath: boolean;
  /** Whether git opens it on this machine, without a connection. */
  readonly isLocal: boolean;
  /** Identity of the repository, as of {@linkcode repositoryIdentity}. */
  readonly identity: string;
}

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
    return schemeProblem(scheme, SCHEMES.slice(0, 5));
  }
  const [authority = ""] = /(?<=^[^/:]*:\/\/)[^/]*/.exec(url) ??
    /^[^/]*(?=:)/.exec(url) ?? [];
  return (scheme === undefined ? undefined : encodingProblem(url)) ??
    authorityProblem(authority);
}

/**
 * Validates the URL of a git repository, and makes a local path absolute. Also
 * determines the properties of the URL that other functions need.
 *
 * @param url URL, scp-like address such as `host:path`, or local path.
 * @param cwd Absolute path against which a local path is resolved.
 * @throws {RunnerError} With code `source-failed`, if the URL is invalid.
 */
export function resolveGitUrl(url: string, cwd: string): GitUrl {
  const problem = gitUrlProblem(url);
  if (problem !== undefined) {
    const shown = JSON.stringify(showUrl(url));
    throw new RunnerError(`Cannot clone ${shown}: the URL ${problem}`, {
      code: "source-failed",
    });
  }
  const isPath = isLocalPath(url);
  const href = isPath && !isAbsolute(url) ? resolve(cwd, url) : url;
  return {
    href,
    shown: showUrl(href),
    isPath,
    isLocal: isPath || /^file:/i.test(href),
    identity: repositoryIdentity(href),
  };
}

/**
 * Checks whether a URL is a local path. As in git, a colon before the first
 * slash makes it remote.
 */
function isLocalPath(url: string): boolean {
  return !/^[^/]*:/.test(url);
}

/**
 * Normalizes the URL of a repository to a form that all its spellings share,
 * regardless of the transport, a trailing `.git` or slash, the user, and the
 * case of the host.
 *
 * @param url URL, scp-like address such as `host:path`, or local path.
 * @returns `host/path`, or the local path.
 */
export function repositoryIdentity(url: string): string {
  const [, authority, path] = /^[^/:]+:\/\/([^/]*)\/*(.*)$/.exec(url) ??
    /^([^/:]+):\/*(.*)$/.exec(url) ?? [null, "", url];
  const host = authority.replace(/^.*@/, "").toLowerCase()
    .replace(/:(?:22|80|443|9418)$/, "");
  const rest = path.replace(/\/+$/, "").replace(/\.git$/, "");
  return host === "" ? `/${rest.replace(/^\/+/, "")}` : `${host}/${rest}`;
}
