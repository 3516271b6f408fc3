import { join } from "@std/path/posix/join";
import { resolve } from "@std/path/posix/resolve";
import {
  type PrivateDirectory,
  temporaryDirectory,
} from "../fs/temporary_directory.ts";
import type { CaptureResult } from "../process/capture.ts";
import { showUrl } from "../url_secrets.ts";
import { checkoutError, clientReason, runClient } from "./source_client.ts";
import {
  repositoryUrlProblem,
  splitCredentials,
  type UrlCredentials,
} from "./source_url.ts";
import type { FillDirectory, SourceContext } from "./source.ts";

/** Allowed schemes. A tunnel with another name could start any program. */
const SCHEMES = ["file", "http", "https", "svn", "svn+ssh"];

/** Start of the lines in which Subversion explains a failure. */
const REASON = /^svn: (?:E\d+: )?/;

/** Error code of a path that does not exist in the repository. */
const NOT_FOUND = /\bE(?:160013|170000|200009)\b/;

/** URL and revision to check out. */
interface RequestedRevision {
  /** URL of the tree. */
  url: string;
  /** Number of the revision, or `HEAD`. */
  revision: string;
}

/**
 * Validates a Subversion URL and revision. Nothing runs yet.
 *
 * @param url URL, or local path of a repository.
 * @param ref Revision (`123` or `r123`), `trunk`, `branches/NAME`, `tags/NAME`,
 * or the name of a branch or tag, each optionally followed by `@REVISION`. If
 * absent, the URL is checked out as it is.
 * @returns Function that checks out the tree.
 * @throws {RunnerError} With code `source-failed`, if the URL or revision is
 * invalid. The returned function throws the same if Subversion fails.
 */
export function svnSource(
  url: string,
  ref: string | undefined,
  context: SourceContext,
): FillDirectory {
  const problem = repositoryUrlProblem(url, SCHEMES);
  if (problem !== undefined) {
    throw checkoutError(url, ref || undefined, `the URL ${problem}`);
  }
  const refProblem = ref && nameProblem(ref);
  if (refProblem) throw checkoutError(url, ref, `the revision ${refProblem}`);
  const location = /^[^/]*:/.test(url)
    ? url
    : `file://${encodeURI(resolve(context.cwd, url))}`;
  return (target) =>
    checkOut(location.replace(/\/+$/, ""), ref || undefined, target, context);
}

async function checkOut(
  location: string,
  ref: string | undefined,
  target: string,
  context: SourceContext,
): Promise<string> {
  const credentials = splitCredentials(location);
  context.log.info("source", "Checking out", {
    url: showUrl(location),
    ref: ref ?? "HEAD",
  });
  await using login = await logIn(credentials, context);
  const svn = (args: readonly string[]) => runSvn(args, login, context);
  const { url: tree, revision } = await findRevision(
    credentials.url,
    ref,
    svn,
    location,
  );
  const result = await svn([
    "checkout",
    "--quiet",
    // Externals name other repositories, which the job did not request.
    "--ignore-externals",
    `--revision=${revision}`,
    "--",
    `${tree}@${revision}`,
    target,
  ]);
  if (result.exitCode !== 0) {
    throw checkoutError(location, ref, clientReason(result, REASON, location));
  }
  const info = await svn([
    "info",
    "--show-item=revision",
    "--",
    `${target}@`,
  ]);
  const checkedOut = info.stdout.trim();
  if (revision !== "HEAD" && checkedOut !== revision) {
    throw checkoutError(
      location,
      ref,
      `Subversion left the tree at r${checkedOut}`,
    );
  }
  return `r${checkedOut}`;
}

/** Finds a name in the usual directories of branches and tags. */
async function findRevision(
  url: string,
  ref: string | undefined,
  svn: (args: readonly string[]) => Promise<CaptureResult>,
  location: string,
): Promise<RequestedRevision> {
  if (ref === undefined) return { url, revision: "HEAD" };
  const [, name = "", number] = /^(.*?)(?:(?:^|@)r?(\d+)|@HEAD)?$/.exec(ref) ??
    [];
  const revision = number ?? "HEAD";
  if (name === "" || name === "HEAD") return { url, revision };
  const root = url.replace(/\/trunk$/, "");
  const places = /^(?:trunk$|branches\/|tags\/)/.test(name)
    ? [name]
    : [`branches/${name}`, `tags/${name}`];
  for (const place of places) {
    const tree = `${root}/${encodeURI(place)}`;
    const result = await svn([
      "info",
      `--revision=${revision}`,
      "--",
      `${tree}@${revision}`,
    ]);
    if (result.exitCode === 0) return { url: tree, revision };
    if (!NOT_FOUND.test(result.stderr)) {
      throw checkoutError(
        location,
        ref,
        clientReason(result, REASON, location),
      );
    }
  }
  throw checkoutError(
    location,
    ref,
    "the repository has no such branch or tag",
  );
}

/** Login of Subversion. */
interface Login extends AsyncDisposable {
  /** Options of every command. */
  readonly options: readonly string[];
  /** Standard input of every command. */
  readonly stdin?: Uint8Array<ArrayBuffer>;
}

async function logIn(
  credentials: UrlCredentials,
  context: SourceContext,
): Promise<Login> {
  const { username, password } = credentials;
  if (username === undefined && password === undefined) {
    return { options: [], [Symbol.asyncDispose]: () => Promise.resolve() };
  }
  const directory = await svnConfigDirectory(credentials, context);
  return {
    options: [
      `--config-dir=${directory.path}`,
      ...password === undefined ? [] : ["--password-from-stdin"],
    ],
    stdin: password && new Uint8Array([...password, 0x0a]),
    [Symbol.asyncDispose]: () => Promise.resolve(directory[Symbol.dispose]()),
  };
}

async function runSvn(
  args: readonly string[],
  { options, stdin }: Login,
  context: SourceContext,
): Promise<CaptureResult> {
  const [command, ...rest] = args;
  const { cwd, env } = context;
  return await runClient(
    [
      "svn",
      command,
      "--non-interactive",
      "--no-auth-cache",
      ...options,
      ...rest,
    ],
    {
      cwd,
      stdin,
      env: {
        ...env,
        SSH_ASKPASS: "",
        SSH_ASKPASS_REQUIRE: "never",
        // Error messages are parsed and must not be translated.
        LC_ALL: "C.UTF-8",
      },
    },
    context,
  );
}

function nameProblem(ref: string): string | undefined {
  if (ref.startsWith("-")) return 'starts with "-"';
  const isName = /^[\p{L}\p{N}_./+ -]+(?:@(?:r?\d+|HEAD))?$/u.test(ref) &&
    !ref.split("/").some((part) => part === "" || /^\.{1,2}$/.test(part));
  return isName
    ? undefined
    : "is not a valid name of a branch, tag or revision";
}

/** Server group of a host that is in none of the user's groups. */
const GROUP = "runnerlib";

/** All authentication types that use a password, and one that does not. */
const PASSWORD_TYPES = "basic;digest;negotiate";
const OTHER_TYPES = "negotiate";

/**
 * Creates a Subversion configuration directory with a login for one host.
 *
 * The user name, which may be a token, is written to a file instead of an
 * argument. Subversion offers its password to every server that asks, even
 * after a redirect, so all other hosts are limited to authentication types
 * without a password.
 *
 * Other settings of the user stay in effect.
 */
async function svnConfigDirectory(
  { host, username }: UrlCredentials,
  context: SourceContext,
): Promise<PrivateDirectory> {
  const directory = temporaryDirectory(context);
  const home = context.env.HOME;
  try {
    const userDirectory = join(home || "/nonexistent", ".subversion");
    for (const name of ["config", "auth"]) {
      await Deno.symlink(join(userDirectory, name), join(directory.path, name));
    }
    const servers = await readText(join(userDirectory, "servers"));
    await Deno.writeFile(
      join(directory.path, "servers"),
      serversFile(servers, host, username),
      { mode: 0o600 },
    );
    return directory;
  } catch (error) {
    directory[Symbol.dispose]();
    throw error;
  }
}

function serversFile(
  text: string,
  host: string,
  username: Uint8Array | undefined,
): Uint8Array<ArrayBuffer> {
  const lines = text.split(/\r?\n/)
    .filter((line) => !/^\s*(?:username|http-auth-types)\s*[=:]/i.test(line));
  const groups = matchingGroups(lines, host);
  const encoder = new TextEncoder();
  const bytes = [
    ...encoder.encode(
      `${lines.join("\n")}\n[global]\nhttp-auth-types = ${OTHER_TYPES}\n` +
        (groups.length === 0 ? `[groups]\n${GROUP} = ${host}\n` : ""),
    ),
  ];
  for (const group of groups.length === 0 ? [GROUP] : groups) {
    bytes.push(
      ...encoder.encode(`[${group}]\nhttp-auth-types = ${PASSWORD_TYPES}\n`),
    );
    if (username === undefined) continue;
    bytes.push(...encoder.encode("username = "), ...username, 0x0a);
  }
  return new Uint8Array(bytes);
}

/**
 * Returns the user's server groups that contain the host. Subversion uses any
 * of them.
 */
function matchingGroups(lines: readonly string[], host: string): string[] {
  let section = "";
  return lines.flatMap((line) => {
    section = /^\[([^\]]*)\]/.exec(line)?.[1] ?? section;
    const [, name, patterns] = /^([^#\s=:][^=:]*?)\s*[=:](.*)$/.exec(line) ??
      [];
    if (section.toLowerCase() !== "groups" || name === undefined) return [];
    return patterns.split(",").some((pattern) =>
        matchesHost(pattern.trim(), host)
      )
      ? [name]
      : [];
  });
}

function matchesHost(pattern: string, host: string): boolean {
  const source = pattern.replace(/[\\^$.+()|{}]/g, "\\$&")
    .replaceAll("*", ".*").replaceAll("?", ".");
  try {
    return new RegExp(`^${source}$`, "i").test(host);
  } catch {
    // An unterminated character class matches no host.
    return false;
  }
}

async function readText(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch {
    // Like Subversion, treat an unreadable file as empty.
    return "";
  }
}
