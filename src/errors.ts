import { showUrlsIn } from "./url_secrets.ts";

/**
 * Reason for an error, as a stable code that programs can compare.
 *
 * | code | what was wrong |
 * | --- | --- |
 * | `usage` | the command line (exit code 2) |
 * | `invalid-config` | one or more configuration values |
 * | `invalid-job-file` | a job file that cannot be read or parsed |
 * | `invalid-workflow` | a workflow file that cannot be used, or an evaluation without a result |
 * | `invalid-job` | steps that are not a valid graph, or cannot be run |
 * | `workspace` | a directory that is missing, unwritable or outside the workspace |
 * | `workspace-busy` | another job, which uses the workspace |
 * | `source-failed` | source code that could not be prepared |
 * | `ci-source-modified` | the trusted CI source, which was changed after its preparation |
 * | `plugin-failed` | a plugin that threw |
 * | `invalid-trigger` | a trigger that no consumer would accept |
 * | `invalid-record` | a record of a run that cannot be read |
 * | `coordinator-failed` | the coordinator, which could not be reached or refused a request |
 * | `coordinator-forbidden` | a missing permission on the coordinator |
 * | `command-not-found` | a program that does not exist (exit code 127) |
 * | `command-not-executable` | a program that is not executable (exit code 126) |
 * | `container-failed` | a nested container, or its container engine |
 * | `cluster-failed` | a Kubernetes cluster, which could not be reached or refused a request |
 * | `output-failed` | an output file of the job, which could not be written |
 * | `registration-failed` | the socket for registering secrets could not be opened, or refused a secret |
 * | `command-failed` | the command exited with a nonzero code (exit code of the command) |
 * | `step-failed` | a step that is a function threw, or its outputs could not be read |
 * | `cache-differs` | with `cache.audit`, a step has another result than the one in the cache |
 * | `step-flaky` | a step succeeded only after a failed attempt, and `failOnFlaky` is set |
 * | `command-timeout` | the command exceeded its time limit (exit code 124) |
 * | `cancelled` | a signal or the caller cancelled the job (exit code 128+N) |
 */
export type RunnerErrorCode =
  | "usage"
  | "invalid-config"
  | "invalid-job-file"
  | "invalid-workflow"
  | "invalid-job"
  | "workspace"
  | "workspace-busy"
  | "source-failed"
  | "ci-source-modified"
  | "plugin-failed"
  | "invalid-trigger"
  | "invalid-record"
  | "coordinator-failed"
  | "coordinator-forbidden"
  | "command-not-found"
  | "command-not-executable"
  | "container-failed"
  | "cluster-failed"
  | "output-failed"
  | "registration-failed"
  | "command-failed"
  | "step-failed"
  | "step-flaky"
  | "cache-differs"
  | "command-timeout"
  | "cancelled";

/** Options for {@linkcode RunnerError}. */
export interface RunnerErrorOptions extends ErrorOptions {
  /** Reason for the error, as a stable code. */
  code: RunnerErrorCode;
  /**
   * Exit code of the command line for this error.
   *
   * @default {1}
   */
  exitCode?: number;
}

/**
 * An error that callers are expected to handle: invalid input, or an
 * environment that does not meet the needs of the job.
 *
 * The message has the form `Cannot <action> "<object>": <state>`. It contains
 * neither credentials of URLs nor secrets that the run knew when it ended.
 *
 * @example Distinguish failures
 * ```ts
 * import { createRunner, RunnerError } from "@reactorcide/runnerlib";
 * import { assert, assertEquals } from "@std/assert";
 *
 * const error = await createRunner().runJob({ command: "" }).catch((e) => e);
 * assert(error instanceof RunnerError);
 * assertEquals(error.code, "invalid-config");
 * ```
 */
export class RunnerError extends Error {
  /** Name of the class, for printing. */
  override readonly name = "RunnerError";
  /** Reason for the error, as a stable code. */
  readonly code: RunnerErrorCode;
  /** Exit code of the command line for this error. */
  readonly exitCode: number;

  /**
   * Creates an error.
   *
   * @param message Failed action, its object and the reason.
   * @param options Code, exit code and cause.
   */
  constructor(message: string, options: RunnerErrorOptions) {
    super(showUrlsIn(message), options);
    this.code = options.code;
    this.exitCode = options.exitCode ?? 1;
  }
}

/**
 * Name of the global function that rewords the message of a denied permission.
 * `src/cli/pipeline_preload.js` sets it in pipelines of `runnerlib exec`.
 */
const PERMISSION_TEXT: unique symbol = Symbol.for(
  "@reactorcide/runnerlib/permission_text",
);

/**
 * Returns the message of anything that was thrown.
 *
 * @param error The thrown value.
 * @returns The message of an error, or the value as text.
 */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (!(error instanceof Deno.errors.NotCapable)) return error.message;
  const { [PERMISSION_TEXT]: reword } = globalThis as unknown as {
    [PERMISSION_TEXT]?: (text: string) => string;
  };
  return reword?.(error.message) ?? error.message;
}

/**
 * Returns the reason of a system error, without what Deno adds: the error
 * number, the name of the call and its paths.
 *
 * @param error The thrown value.
 * @returns The reason, such as `no such file or directory`.
 */
export function osReason(error: unknown): string {
  const [reason] = messageOf(error)
    .replace(/^Failed to spawn '.*?': /s, "")
    .split(" (os error ");
  return reason.charAt(0).toLowerCase() + reason.slice(1);
}

/**
 * Describes a value that a plugin threw. It may be any value, including one
 * that cannot be converted to a string.
 *
 * @param thrown The thrown value.
 * @returns Reason, phrased to follow "Cannot …:".
 */
export function thrownText(thrown: unknown): string {
  try {
    const text = String(messageOf(thrown));
    if (!(thrown instanceof Error)) return `it threw ${text}`;
    return text === "" ? `it threw ${thrown.name}` : text;
  } catch {
    // An object without a prototype, or with a getter that throws.
    return "it threw a value that cannot be converted to text";
  }
}
