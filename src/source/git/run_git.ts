import {
  type ChildEnvironment,
  childEnvironment,
} from "../../environment/child_environment.ts";
import type { CaptureResult } from "../../process/capture.ts";
import { createBackoff, type RetryPolicy } from "../../process/retry.ts";
import type { SourceContext } from "../source.ts";
import { lastLines, runClient, shownReason } from "../source_client.ts";
import { type ConfigEntry, withConfigEntries } from "./git_config.ts";

/** Transports that git may use, regardless of URLs and redirects. */
const PROTOCOLS = ["file", "git", "http", "https", "ssh"];

/** Options that prevent a repository or template from running programs. */
const NEUTRAL_OPTIONS = [
  "core.hooksPath=/dev/null",
  "core.fsmonitor=false",
  "init.templateDir=",
  "submodule.recurse=false",
  // Maintenance would continue in the background of a directory that may be
  // removed.
  "gc.auto=0",
  "maintenance.auto=false",
  "advice.detachedHead=false",
].flatMap((option) => ["-c", option]);

/** Parts of a run that {@linkcode runGit} needs. */
export interface GitContext
  extends Pick<SourceContext, "env" | "cancellation"> {
  /**
   * Settings for this call only.
   *
   * @default {[]}
   */
  config?: readonly ConfigEntry[];
  /**
   * Variables that override all others.
   *
   * @default {{}}
   */
  variables?: Readonly<Record<string, string>>;
}

/**
 * Runs git with the safe settings of source preparation, which always uses this
 * function.
 *
 * Neither the environment nor a repository can redirect it, make it prompt for
 * a password, or run hooks. Other settings of the environment
 * (`GIT_CONFIG_COUNT`, credential helpers, the ssh command) stay in effect.
 *
 * @param args Arguments. The caller must have validated untrusted values.
 * @returns Exit status and output.
 * @throws {RunnerError} With code `source-failed`, if git is not installed.
 * @throws {DOMException} An `AbortError` if the job is cancelled.
 */
export async function runGit(
  args: readonly string[],
  cwd: string,
  context: GitContext,
): Promise<CaptureResult> {
  return await runClient(
    ["git", ...NEUTRAL_OPTIONS, ...args],
    { cwd, env: gitEnvironment(context) },
    context,
  );
}

function gitEnvironment(
  { env, config = [], variables = {} }: GitContext,
): ChildEnvironment {
  const inherited = childEnvironment(env, { kind: "git" });
  return {
    // Directories are always given explicitly, so their owners do not matter.
    ...withConfigEntries(inherited, [["safe.directory", "*"], ...config]),
    // A server that sends nothing for two minutes is treated as a broken
    // connection and retried.
    GIT_HTTP_LOW_SPEED_LIMIT: env.GIT_HTTP_LOW_SPEED_LIMIT ?? "1",
    GIT_HTTP_LOW_SPEED_TIME: env.GIT_HTTP_LOW_SPEED_TIME ?? "120",
    GIT_ALLOW_PROTOCOL: allowedProtocols(env.GIT_ALLOW_PROTOCOL).join(":"),
    GIT_TERMINAL_PROMPT: "0",
    // The empty value also disables core.askPass and SSH_ASKPASS. The program
    // that the environment names is used for the host of the source only: see
    // login.ts.
    GIT_ASKPASS: "",
    // Without a terminal and askpass, ssh fails instead of prompting.
    // GIT_SSH_COMMAND is kept, because setting it would override
    // core.sshCommand of the user.
    SSH_ASKPASS: "",
    SSH_ASKPASS_REQUIRE: "never",
    // Error messages are parsed and must not be translated.
    LC_ALL: "C",
    // The code reads refs as files.
    GIT_DEFAULT_REF_FORMAT: "files",
    ...variables,
  };
}

/**
 * Lists the transports that git may use. The environment can restrict them
 * further.
 *
 * @param inherited Value of `GIT_ALLOW_PROTOCOL`.
 */
export function allowedProtocols(inherited: string | undefined): string[] {
  const wanted = inherited?.split(":") ?? PROTOCOLS;
  return PROTOCOLS.filter((protocol) => wanted.includes(protocol));
}

/**
 * Reasons why git could not fetch:
 *
 * - `missing`: the server does not have the requested ref or commit, or does
 *   not serve it
 * - `denied`: the repository does not exist or access was denied
 * - `unreachable`: the connection could not be established
 * - `dropped`: the connection broke
 * - `format`: the repository uses another object format
 * - `refused`: anything else, such as an option that the server does not
 *   support
 */
export type FetchFailure = (typeof SIGNS)[number][0];

/** Message of git for a repository with another object format. */
const MISMATCH = /mismatched algorithms: client \w+; server (sha1|sha256)/;

/**
 * Patterns in git's output, most specific first: a broken connection is often
 * only the consequence of another failure.
 */
const SIGNS = [
  ["format", MISMATCH],
  [
    "missing",
    /couldn't find remote ref|not our ref|request for unadvertised object/i,
  ],
  [
    "denied",
    /Authentication failed|could not read (?:Username|Password)|Permission denied|Host key verification failed|does not appear to be a git repository|repository .*(?:not found|does not exist)|repository not exported|transport '.*' not allowed|dubious ownership|returned error: 4(?:0[1347]|10)|certificate/i,
  ],
  [
    "unreachable",
    /Could(?:n't| not) (?:resolve|connect)|Failed to connect|name resolution|Connection (?:refused|timed out)|Network is unreachable|No route to host|unable to connect to/i,
  ],
  [
    "refused",
    /returned error: 4(?!08|29)|^git-lfs is not installed$/m,
  ],
  [
    "dropped",
    /hung up unexpectedly|early EOF|unexpected disconnect|RPC failed|Connection (?:reset|closed|was reset)|Empty reply|returned error: (?:408|429|5\d\d)|Recv failure|recv error|Operation too slow|timed? ?out|transfer closed|SSL_ERROR_SYSCALL|non-properly terminated|Broken pipe|kex_exchange_identification|HTTP\/2 stream|unexpected (?:flush|EOF)/i,
  ],
] as const;

/** Classifies a failure of git by its output. */
export function fetchFailure({ stderr }: CaptureResult): FetchFailure {
  return SIGNS.find(([, sign]) => sign.test(stderr))?.[0] ?? "refused";
}

/**
 * Finds the object format of the server in the output of a failed git.
 *
 * @returns The format; `undefined` if git failed for another reason.
 */
export function serverFormat(
  { stderr }: CaptureResult,
): "sha1" | "sha256" | undefined {
  return MISMATCH.exec(stderr)?.[1] as "sha1" | "sha256" | undefined;
}

/** Output of git that does not explain a failure. */
const NOISE = /^(?:Cloning into|warning:|hint:|remote: *$)/;

/**
 * Extracts the reason of a failure from the output of git.
 *
 * The reason ends with the last `fatal:` or `error:` line: messages of ssh and
 * of the server come before it, general advice after it.
 *
 * @param url URL that was passed to git; its user info is removed.
 * @returns The reason in one line.
 */
export function gitReason(result: CaptureResult, url: string): string {
  const lines = lastLines(result.stderr);
  const last = lines.findLastIndex((line) => /^(?:fatal|error):/.test(line));
  const reason = lines.slice(0, last < 0 ? lines.length : last + 1)
    .filter((line) => !NOISE.test(line))
    .map((line) => line.replace(/^(?:fatal|error|remote): */, ""))
    .join("; ");
  return shownReason(reason, url) ||
    `git ended with exit code ${result.exitCode}`;
}

/** Retries after one, four and ten seconds. */
const RETRY: RetryPolicy = {
  attempts: 4,
  delayMs: 1_000,
  factor: 4,
  maxDelayMs: 10_000,
  jitter: 0.25,
};

/**
 * Runs a command that connects to the server, and retries it if the connection
 * fails.
 */
export type Retry = (
  action: () => Promise<CaptureResult>,
) => Promise<CaptureResult>;

/**
 * Creates the function that retries the commands of one source.
 *
 * All commands share the delays: a source that has waited for a server does not
 * start again with the shortest delay.
 *
 * @param url URL of the repository; its user info is not shown.
 */
export function createRetry(
  url: string,
  { log, cancellation }: Pick<SourceContext, "log" | "cancellation">,
  policy: RetryPolicy = RETRY,
): Retry {
  const backoff = createBackoff(policy, {
    signal: cancellation.graceful,
    onRetry: (reason, ms) =>
      log.warn("source", "Connection failed, retrying", {
        reason,
        ms,
      }),
  });
  return async (action) => {
    while (true) {
      const result = await action();
      if (result.exitCode === 0 || !isTransient(result)) return result;
      if (!await backoff.next(gitReason(result, url))) return result;
    }
  };
}

function isTransient(result: CaptureResult): boolean {
  return ["unreachable", "dropped"].includes(fetchFailure(result));
}
