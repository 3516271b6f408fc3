import { resolve } from "@std/path/posix/resolve";
import type { CaptureResult } from "../process/capture.ts";
import {
  checkoutError,
  clientReason,
  repositoryUrlProblem,
  runClient,
} from "./client.ts";
import { showUrl } from "../url_secrets.ts";
import type { FillDirectory, SourceContext } from "./source_request.ts";
import { svnConfigDirectory } from "./svn_config.ts";
import { splitCredentials, type UrlCredentials } from "./url_credentials.ts";

/** Schemes that Subversion may use; a tunnel of another name would be any program. */
const SCHEMES = ["file", "http", "https", "svn", "svn+ssh"];

/** What Subversion says of a failure. */
const REASON = /^svn: (?:E\d+: )?/;

/** Error of Subversion for a path that is not in the repository. */
const NOT_FOUND = /\bE(?:160013|170000|200009)\b/;

/** What is checked out. */
interface Wanted {
  /** URL of the tree. */
  url: string;
  /** Number of the revision, or `HEAD`. */
  revision: string;
}

/**
 * Judges a Subversion repository and a revision as source; runs nothing yet.
 *
 * @param url URL, or local path of a repository.
 * @param ref Revision (`123` or `r123`), `trunk`, `branches/NAME`, `tags/NAME`
 * or the name of a branch or tag; each of them with `@REVISION` behind it, too.
 * Without it, the URL is checked out as it stands.
 * @param context What the run offers.
 * @returns Function that checks out the tree.
 * @throws {RunnerError} With code `source-failed`, if something is wrong with
 * the two; the function throws the same when Subversion fails.
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
  const { url: tree, revision } = await find(
    credentials.url,
    ref,
    svn,
    location,
  );
  const result = await svn([
    "checkout",
    "--quiet",
    // They name other repositories, which the job did not ask for.
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
  const found = info.stdout.trim();
  if (revision !== "HEAD" && found !== revision) {
    throw checkoutError(location, ref, `Subversion left the tree at r${found}`);
  }
  return `r${found}`;
}

/** Looks for a name where repositories have their branches and tags. */
async function find(
  url: string,
  ref: string | undefined,
  svn: (args: readonly string[]) => Promise<CaptureResult>,
  location: string,
): Promise<Wanted> {
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
  throw checkoutError(location, ref, "there is no such branch or tag");
}

/** How Subversion logs in. */
interface Login extends AsyncDisposable {
  /** Options for every command. */
  readonly options: readonly string[];
  /** What every command reads from its standard input. */
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
        // Its reasons are shown and must not be translated.
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
