import type { ChildEnvironment } from "../environment/child_environment.ts";
import { RunnerError } from "../errors.ts";
import { capture, type CaptureResult } from "../process/capture.ts";
import { oneLine } from "../terminal/text.ts";
import { showUrl, showUrlsIn } from "../url_secrets.ts";
import { type SourceContext, sourceError } from "./source.ts";

/**
 * Length of the end of a client's output that is searched for the reason, in
 * characters.
 */
const SEARCHED_LENGTH = 8_192;

/** Maximum length of a reason that is shown, in characters. */
const SHOWN_LENGTH = 400;

/** Options for {@linkcode runClient}. */
export interface SourceClientOptions {
  /** Working directory. */
  cwd: string;
  /** The complete environment. */
  env: ChildEnvironment;
  /**
   * Standard input of the client.
   *
   * @default {nothing}
   */
  stdin?: Uint8Array<ArrayBuffer>;
}

/**
 * Runs the client of a version control system until it exits.
 *
 * @param argv Program and arguments. The caller must have validated untrusted
 * values.
 * @returns Exit status and output.
 * @throws {RunnerError} With code `source-failed`, if the client is not
 * installed.
 * @throws {DOMException} An `AbortError` if the job is cancelled.
 */
export async function runClient(
  argv: readonly string[],
  { cwd, env, stdin }: SourceClientOptions,
  { cancellation }: Pick<SourceContext, "cancellation">,
): Promise<CaptureResult> {
  try {
    return await capture(argv, { cwd, env, stdin, cancellation });
  } catch (cause) {
    if (cause instanceof RunnerError && cause.code === "command-not-found") {
      throw new RunnerError(`Cannot run "${argv[0]}": it is not installed`, {
        code: "source-failed",
        cause,
      });
    }
    throw cause;
  }
}

/**
 * Extracts the reason of a failure from the output of a client.
 *
 * @param mark Start of the lines that contain the reason.
 * @param url URL that was passed to the client; its user info is removed.
 * @returns The reason in one line.
 */
export function clientReason(
  result: CaptureResult,
  mark: RegExp,
  url: string,
): string {
  const lines = lastLines(result.stderr);
  const marked = lines.filter((line) => mark.test(line));
  const reason = (marked.length > 0 ? marked : lines.slice(-1))
    .map((line) => line.replace(mark, "").trim())
    .join("; ");
  return shownReason(reason, url) ||
    `it ended with exit code ${result.exitCode}`;
}

/**
 * Splits the end of a client's output into lines. A truncated first line is
 * dropped, because half a password would not be recognized.
 *
 * @param text Output.
 * @returns Trimmed lines; none is empty.
 */
export function lastLines(text: string): string[] {
  const end = text.length > SEARCHED_LENGTH
    ? text.slice(-SEARCHED_LENGTH).replace(/^.*\n?/, "")
    : text;
  return end.split(/[\r\n]+/).map((line) => line.trim())
    .filter((line) => line !== "");
}

/**
 * Prepares the output of a client or a server for an error message.
 *
 * @param reason Text that may contain terminal escape sequences.
 * @param url URL that was passed to the client; its user info is removed.
 * @returns One line of limited length.
 */
export function shownReason(reason: string, url: string): string {
  const shown = oneLine(showUrlsIn(reason, url));
  return shown.length > SHOWN_LENGTH
    ? `${shown.slice(0, SHOWN_LENGTH)}…`
    : shown;
}

/**
 * Creates the error of a source that cannot be checked out.
 *
 * @param url URL as configured; its user info is not shown.
 * @param ref Branch, tag or revision, if one was given.
 */
export function checkoutError(
  url: string,
  ref: string | undefined,
  reason: string,
): RunnerError {
  const what = ref === undefined ? "" : `${JSON.stringify(ref)} of `;
  return sourceError(
    `check out ${what}${JSON.stringify(showUrl(url))}`,
    reason,
  );
}
