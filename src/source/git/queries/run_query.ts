import { dirname } from "@std/path/posix/dirname";
import { childEnvironment } from "../../../environment/child_environment.ts";
import type { Environment } from "../../../environment/variables.ts";
import { RunnerError } from "../../../errors.ts";
import { Cancellation, onAbort } from "../../../process/cancellation.ts";
import {
  capture,
  CAPTURE_LIMIT_BYTES,
  type CaptureResult,
} from "../../../process/capture.ts";
import { durationText } from "../../../schema/duration.ts";
import { sourceError } from "../../source.ts";
import { gitReason } from "../failure_and_retry.ts";

/** Default time limit of git, in milliseconds. */
const TIMEOUT_MS = 10 * 60_000;

/** Options for {@linkcode runQuery}. */
export interface QueryRun {
  readonly privatePath: string;
  readonly env: Environment;
  readonly signal: AbortSignal | undefined;
  readonly cwd: string;
  /** Variables that override the ones that hide the user's settings. */
  readonly variables?: Readonly<Record<string, string>>;
  /**
   * Time limit of git, in milliseconds.
   *
   * @default {600_000}
   */
  readonly timeoutMs?: number;
}

/** Settings that make git ignore auxiliary files next to the objects. */
const NEUTRAL_OPTIONS = [
  "core.commitGraph=false",
  "core.multiPackIndex=false",
  "core.fsmonitor=false",
  "core.untrackedCache=false",
  "core.hooksPath=/dev/null",
  "gc.auto=0",
].flatMap((option) => ["-c", option]);

/** The user's settings could start programs, and a step can change them. */
const HIDDEN_SETTINGS = {
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_CONFIG_NOSYSTEM: "1",
};

/**
 * Runs git on a private repository, where it only reads.
 *
 * @throws {RunnerError} With code `source-failed`, if git is not installed or
 * exceeds the time limit.
 */
export async function runQuery(
  args: readonly string[],
  query: QueryRun,
): Promise<CaptureResult> {
  const { privatePath, env, signal, cwd } = query;
  const { variables = HIDDEN_SETTINGS, timeoutMs = TIMEOUT_MS } = query;
  const cancellation = new Cancellation();
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    cancellation.cancel("SIGTERM");
  }, timeoutMs);
  using _ = signal && onAbort(signal, () => cancellation.cancel("SIGTERM"));
  const inherited = childEnvironment(env, { kind: "git-query" });
  try {
    return await capture(
      ["git", ...NEUTRAL_OPTIONS, `--git-dir=${privatePath}`, ...args],
      {
        cwd,
        cancellation,
        env: {
          ...inherited,
          GIT_ALLOW_PROTOCOL: "none",
          GIT_CEILING_DIRECTORIES: dirname(cwd),
          GIT_NO_LAZY_FETCH: "1",
          GIT_NO_REPLACE_OBJECTS: "1",
          GIT_OPTIONAL_LOCKS: "0",
          GIT_PAGER: "cat",
          GIT_TERMINAL_PROMPT: "0",
          LC_ALL: "C",
          ...variables,
        },
      },
    );
  } catch (cause) {
    if (cause instanceof RunnerError && cause.code === "command-not-found") {
      throw sourceError('run "git"', "it is not installed", cause);
    }
    if (timedOut) {
      throw sourceError(
        "run git",
        `it took longer than ${durationText(timeoutMs)}`,
      );
    }
    throw cause;
  } finally {
    clearTimeout(timer);
  }
}

/** The answer is unknown because part of the history was not fetched. */
export class MissingHistoryError extends RunnerError {}

/**
 * Creates the error of a query that needs more history.
 *
 * @param action Failed action with its object.
 */
export function missingHistory(
  action: string,
  reason: string,
): MissingHistoryError {
  return new MissingHistoryError(`Cannot ${action}: ${reason}`, {
    code: "source-failed",
  });
}

/**
 * Returns the complete output of git.
 *
 * @param action Action of git, for the error.
 * @throws {RunnerError} With code `source-failed`, if git failed or its output
 * was truncated.
 */
export function completeOutput(result: CaptureResult, action: string): string {
  const { exitCode, stdout } = result;
  if (exitCode !== 0) throw sourceError(action, gitReason(result, ""));
  const isLong = stdout.length > CAPTURE_LIMIT_BYTES / 4 &&
    new TextEncoder().encode(stdout).length >= CAPTURE_LIMIT_BYTES;
  if (isLong) throw sourceError(action, "the output is larger than 16 MiB");
  return stdout;
}
