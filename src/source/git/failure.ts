import type { CaptureResult } from "../../process/capture.ts";
import { createBackoff, type RetryPolicy } from "../../process/retry.ts";
import { lastLines, shownReason } from "../client.ts";
import type { SourceContext } from "../source_request.ts";

/**
 * Why git could not fetch:
 *
 * - `missing`: the server has no such thing, or does not give it away
 * - `denied`: there is no such repository, or it is not open to us
 * - `unreachable`: there was no connection
 * - `dropped`: the connection broke
 * - `format`: the repository has ids of another kind
 * - `refused`: anything else, such as an option that the server does not know
 */
export type FetchFailure = (typeof SIGNS)[number][0];

/** What git says of a repository whose ids are of another kind. */
const MISMATCH = /mismatched algorithms: client \w+; server (sha1|sha256)/;

/** What git says, most telling first: a broken connection follows many a refusal. */
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

/**
 * Determines from the output of a failed git why it could not fetch.
 *
 * @param result Exit status and output of git.
 * @returns The kind of failure.
 */
export function fetchFailure({ stderr }: CaptureResult): FetchFailure {
  return SIGNS.find(([, sign]) => sign.test(stderr))?.[0] ?? "refused";
}

/**
 * Finds in the output of a failed git the kind of ids that the server has.
 *
 * @param result Exit status and output of git.
 * @returns The kind; `undefined` if that is not why git failed.
 */
export function serverFormat(
  { stderr }: CaptureResult,
): "sha1" | "sha256" | undefined {
  return MISMATCH.exec(stderr)?.[1] as "sha1" | "sha256" | undefined;
}

/** What git says beside the reason. */
const NOISE = /^(?:Cloning into|warning:|hint:|remote: *$)/;

/**
 * Finds in the output of a failed git why it failed.
 *
 * That is everything up to its last `fatal:` or `error:` line: what ssh or the
 * server said comes before it, general advice after it.
 *
 * @param result Exit status and output of git.
 * @param url URL that git was given; its user info is taken out.
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

/** Pauses of one second, four and ten. */
const RETRY: RetryPolicy = {
  attempts: 4,
  delayMs: 1_000,
  factor: 4,
  maxDelayMs: 10_000,
  jitter: 0.25,
};

/** Runs something that connects, and retries it if the connection fails. */
export type Retry = (
  action: () => Promise<CaptureResult>,
) => Promise<CaptureResult>;

/**
 * Creates the retries of one source.
 *
 * All of its connections share the pauses: a source that has waited for a
 * server does not wait as long again for each further way to ask it.
 *
 * @param url Location of the repository; its user info is not shown.
 * @param context What the run offers.
 * @param policy Number of attempts and their pauses.
 * @returns Function that retries.
 */
export function retrying(
  url: string,
  { log, cancellation }: Pick<SourceContext, "log" | "cancellation">,
  policy: RetryPolicy = RETRY,
): Retry {
  const backoff = createBackoff(policy, {
    signal: cancellation.graceful,
    onRetry: (reason, ms) =>
      log.warn("source", "The connection failed and is retried", {
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
