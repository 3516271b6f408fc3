import {
  CAPTURE_LIMIT_BYTES,
  type CaptureResult,
} from "../../../process/capture.ts";
import { gitReason } from "../reason.ts";
import { queryError } from "./query_error.ts";

/**
 * Takes what git printed, all of it or nothing.
 *
 * @param result Exit status and output of git.
 * @param action What git was to do, for an error.
 * @returns Standard output.
 * @throws {RunnerError} With code `source-failed`, if git failed, or printed
 * more than is kept.
 */
export function wholeOutput(result: CaptureResult, action: string): string {
  const { exitCode, stdout } = result;
  if (exitCode !== 0) throw queryError(action, gitReason(result, ""));
  const isLong = stdout.length > CAPTURE_LIMIT_BYTES / 4 &&
    new TextEncoder().encode(stdout).length >= CAPTURE_LIMIT_BYTES;
  if (isLong) throw queryError(action, "the answer is longer than 16 MiB");
  return stdout;
}
