import { join } from "@std/path/posix/join";
import { resolve } from "@std/path/posix/resolve";
import type { CaptureResult } from "../process/capture.ts";
import { showUrl } from "../url_secrets.ts";
import { temporaryDirectory } from "../workspace/temporary.ts";
import {
  checkoutError,
  clientReason,
  repositoryUrlProblem,
  runClient,
  splitCredentials,
  type UrlCredentials,
} from "./client.ts";
import type { FillDirectory, SourceContext } from "./source_request.ts";

/** Schemes that Mercurial may use; `bundle:`, `static-http:` and those of extensions are not among them. */
const SCHEMES = ["file", "http", "https", "ssh"];

/** What Mercurial says of a failure. */
const REASON = /^(?:abort|hg): ?/;

/** Variable that stands for a dollar sign in Mercurial's configuration. */
const DOLLAR = "RUNNERLIB_DOLLAR";

/**
 * Extension of Mercurial that sends a password to the server alone that asked
 * for it. Mercurial adds it to every later request, also after a redirection.
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

/** Options that keep the client from asking, and from what a tree could make it do. */
const NEUTRAL_OPTIONS = [
  "--noninteractive",
  "--config=ui.interactive=false",
  "--config=ui.merge=:fail",
  // Names of other repositories in the tree would be fetched from, unasked.
  "--config=subrepos.allowed=false",
  // A server that falls silent is a broken connection.
  "--config=http.timeout=120",
  // So would the addresses of bundles that a server gives instead of its own data.
  "--config=ui.clonebundles=false",
  "--config=phases.publish=true",
  "--config=progress.disable=true",
];

/**
 * Checks a Mercurial repository and a revision as source; runs nothing yet.
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
  const found = await readConfig(context);
  const hooks = found.hooks.map((name) => `--config=hooks.${name}=`);
  await using login = await logIn(credentials, found.files, context);
  const hg = async (...args: string[]) => {
    const result = await runHg([...hooks, ...args], context, login.env);
    if (result.exitCode === 0) return result.stdout.trim();
    throw checkoutError(location, ref, clientReason(result, REASON, location));
  };
  // The server resolves the name, and sends what it consists of: the newest
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
    throw checkoutError(location, ref, `Mercurial left the tree at ${commit}`);
  }
  return commit;
}

/** What Mercurial is configured with outside of any repository. */
interface HgConfig {
  /** Names of hooks; they would run in a tree that is not trusted. */
  readonly hooks: readonly string[];
  /** Absolute paths of the files that it reads, in this order. */
  readonly files: readonly string[];
}

async function readConfig(context: SourceContext): Promise<HgConfig> {
  const { stdout } = await runHg(["config", "--debug", "hooks"], context);
  const lines = stdout.split("\n");
  return {
    files: lines.flatMap((line) =>
      /^read config from: (\/.*)$/.exec(line)?.[1] ?? []
    ),
    // Where a hook is defined stands in front of it.
    hooks: lines.flatMap((line) =>
      /(?:^|: )hooks\.([^=\s]+)=/.exec(line)?.[1] ?? []
    ),
  };
}

/**
 * Writes the credentials into a configuration file of their own, which
 * includes the ones of the system and the user. Mercurial sends them to URLs
 * that begin like this one alone.
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
    // Mercurial replaces variables in the name of a user, and in no password.
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
      // Options are read where they belong alone, not out of any argument.
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

/** Mercurial crashes at other characters. */
function asciiProblem(url: string): string | undefined {
  const { username = [], password = [] } = splitCredentials(url);
  return [...username, ...password].some((byte) => byte > 0x7e)
    ? "has a user or password with a character that is not ASCII"
    : undefined;
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
