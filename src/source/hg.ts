import { join } from "@std/path/posix/join";
import { resolve } from "@std/path/posix/resolve";
import type { CaptureResult } from "../process/capture.ts";
import { showUrl } from "../url_secrets.ts";
import { temporaryDirectory } from "../fs/temporary_directory.ts";
import { checkoutError, clientReason, runClient } from "./source_client.ts";
import {
  repositoryUrlProblem,
  splitCredentials,
  type UrlCredentials,
} from "./source_url.ts";
import type { FillDirectory, SourceContext } from "./source.ts";

/**
 * Allowed schemes. `bundle:`, `static-http:` and schemes of extensions are not
 * allowed.
 */
const SCHEMES = ["file", "http", "https", "ssh"];

/** Start of the lines in which Mercurial explains a failure. */
const REASON = /^(?:abort|hg): ?/;

/** Variable that inserts a dollar sign into Mercurial's configuration. */
const DOLLAR = "RUNNERLIB_DOLLAR";

/**
 * Mercurial extension that sends a password only to the server that requested
 * it. Mercurial itself would add it to all later requests, even after a
 * redirect.
 */
const ORIGIN_EXTENSION = `\
from mercurial import url

handler = url.httpbasicauthhandler

def origin(request):
    return request.get_full_url().split("/")[:3]

def limited(original):
    def http_request(self, request):
        if self.auth and origin(request) != self.auth_origin:
            return request
        return original(self, request)
    return http_request

def retry_http_basic_auth(self, host, request, realm):
    self.auth_origin = origin(request)
    return retry(self, host, request, realm)

retry = handler.retry_http_basic_auth
handler.retry_http_basic_auth = retry_http_basic_auth
handler.http_request = limited(handler.http_request)
handler.https_request = limited(handler.https_request)
`;

/**
 * Options that disable prompts and features that an untrusted tree could abuse.
 */
const NEUTRAL_OPTIONS = [
  "--noninteractive",
  "--config=ui.interactive=false",
  "--config=ui.merge=:fail",
  // A tree could name other repositories, which would be fetched.
  "--config=subrepos.allowed=false",
  // A server that sends nothing for two minutes is treated as a broken
  // connection.
  "--config=http.timeout=120",
  // A server could redirect to bundles at other URLs.
  "--config=ui.clonebundles=false",
  "--config=phases.publish=true",
  "--config=progress.disable=true",
];

/**
 * Validates a Mercurial URL and revision. Nothing runs yet.
 *
 * @param url URL or local path.
 * @param ref Branch, tag, bookmark or changeset ID; the default branch if
 * empty.
 * @returns Function that clones the repository and updates to the revision.
 * @throws {RunnerError} With code `source-failed`, if the URL or revision is
 * invalid. The returned function throws the same if Mercurial fails.
 */
export function hgSource(
  url: string,
  ref: string | undefined,
  context: SourceContext,
): FillDirectory {
  const revision = ref || undefined;
  const problem = repositoryUrlProblem(url, SCHEMES) ??
    (url.includes("#") ? 'contains "#"' : asciiProblem(url));
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
  location: string,
  ref: string | undefined,
  target: string,
  context: SourceContext,
): Promise<string | undefined> {
  const credentials = splitCredentials(location);
  const { url } = credentials;
  context.log.info("source", "Cloning", {
    url: showUrl(location),
    ref: ref ?? "default branch",
  });
  const settings = await readConfig(context);
  const hooks = settings.hooks.map((name) => `--config=hooks.${name}=`);
  await using login = await logIn(credentials, settings.files, context);
  const hg = async (...args: string[]) => {
    const result = await runHg([...hooks, ...args], context, login.env);
    if (result.exitCode === 0) return result.stdout.trim();
    throw checkoutError(location, ref, clientReason(result, REASON, location));
  };
  // The server resolves the name and sends its changesets, so the requested
  // changeset is the newest one in the clone.
  const revisionFlags = ref === undefined ? [] : [`--rev=${ref}`];
  await hg(
    "clone",
    "--noupdate",
    "--pull",
    ...revisionFlags,
    "--",
    url,
    target,
  );
  const repository = ["--repository", target];
  const revision = ref === undefined ? "first(present(default) or tip)" : "tip";
  await hg(...repository, "update", "--clean", `--rev=${revision}`);
  const node = ["log", "--rev=.", "--template={node}"];
  const commit = await hg(...repository, ...node);
  if (/^0*$/.test(commit)) return undefined;
  if (ref !== undefined && isFullId(ref) && ref.toLowerCase() !== commit) {
    throw checkoutError(location, ref, `Mercurial left the tree at ${commit}`);
  }
  return commit;
}

/** Mercurial's configuration outside repositories. */
interface HgConfig {
  /** Names of hooks, which must not run in an untrusted tree. */
  readonly hooks: readonly string[];
  /**
   * Absolute paths of configuration files, in the order in which Mercurial
   * reads them.
   */
  readonly files: readonly string[];
}

async function readConfig(context: SourceContext): Promise<HgConfig> {
  const { stdout } = await runHg(["config", "--debug", "hooks"], context);
  const lines = stdout.split("\n");
  return {
    files: lines.flatMap((line) =>
      /^read config from: (\/.*)$/.exec(line)?.[1] ?? []
    ),
    // A line can start with the place where the hook is defined.
    hooks: lines.flatMap((line) =>
      /(?:^|: )hooks\.([^=\s]+)=/.exec(line)?.[1] ?? []
    ),
  };
}

/**
 * Writes the credentials into a configuration file that includes the files of
 * the system and the user. Mercurial sends them only to URLs with this prefix.
 */
async function logIn(
  { url, username, password }: UrlCredentials,
  files: readonly string[],
  context: SourceContext,
): Promise<AsyncDisposable & { readonly env: Record<string, string> }> {
  if (username === undefined && password === undefined) {
    return { env: {}, [Symbol.asyncDispose]: () => Promise.resolve() };
  }
  const directory = temporaryDirectory(context);
  try {
    const [, scheme, prefix] = /^([^:]*):\/\/([^?#]*)/.exec(url)!;
    const path = join(directory.path, "hgrc");
    const extension = join(directory.path, "runnerlib.py");
    await Deno.writeTextFile(extension, ORIGIN_EXTENSION);
    const decoder = new TextDecoder();
    // Mercurial expands variables in user names, but not in passwords.
    const name = decoder.decode(username).replaceAll("$", `\${${DOLLAR}}`);
    const lines = [
      ...files.map((file) => `%include ${file}`),
      "[extensions]",
      `runnerlib = ${extension}`,
      "[auth]",
      `runnerlib.schemes = ${scheme}`,
      `runnerlib.prefix = ${prefix}`,
      ...username ? [`runnerlib.username = ${name}`] : [],
      ...password ? [`runnerlib.password = ${decoder.decode(password)}`] : [],
    ];
    await Deno.writeTextFile(path, `${lines.join("\n")}\n`, { mode: 0o600 });
    return {
      env: { HGRCPATH: path, [DOLLAR]: "$" },
      [Symbol.asyncDispose]: () => Promise.resolve(directory[Symbol.dispose]()),
    };
  } catch (error) {
    directory[Symbol.dispose]();
    throw error;
  }
}

async function runHg(
  args: readonly string[],
  context: SourceContext,
  variables: Readonly<Record<string, string>> = {},
): Promise<CaptureResult> {
  const { cwd, env } = context;
  return await runClient(["hg", ...NEUTRAL_OPTIONS, ...args], {
    cwd,
    env: {
      ...env,
      // Options are recognized only at their own position, not inside other
      // arguments.
      HGPLAIN: "+strictflags",
      // The configuration of a local repository is not trusted.
      HGRCSKIPREPO: "1",
      HGENCODING: "utf-8",
      SSH_ASKPASS: "",
      SSH_ASKPASS_REQUIRE: "never",
      LC_ALL: "C",
      ...variables,
    },
  }, context);
}

/** Mercurial crashes on other characters. */
function asciiProblem(url: string): string | undefined {
  const { username = [], password = [] } = splitCredentials(url);
  return [...username, ...password].some((byte) => byte > 0x7e)
    ? "has a user or password with a character that is not ASCII"
    : undefined;
}

/** Names must not be interpreted as revset expressions. */
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
