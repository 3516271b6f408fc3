import { oneLine } from "../../terminal/text.ts";
import type { CaptureResult } from "../../process/capture.ts";
import { showUrlsIn } from "../../url_secrets.ts";

/** How much of the end of git's output is searched for the reason, in characters. */
const SEARCHED_LENGTH = 8_192;

/** Longest reason that is shown, in characters. */
const SHOWN_LENGTH = 400;

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
  const lines = endOf(result.stderr).split(/[\r\n]+/)
    .map((line) => line.trim());
  const last = lines.findLastIndex((line) => /^(?:fatal|error):/.test(line));
  const reason = lines.slice(0, last < 0 ? lines.length : last + 1)
    .filter((line) => line !== "" && !NOISE.test(line))
    .map((line) => line.replace(/^(?:fatal|error|remote): */, ""))
    .join("; ");
  return reason === ""
    ? `git ended with exit code ${result.exitCode}`
    : shortened(oneLine(showUrlsIn(reason, url)));
}

/** Whole lines alone: half a password would not be recognised. */
function endOf(text: string): string {
  if (text.length <= SEARCHED_LENGTH) return text;
  const [, ...wholeLines] = text.slice(-SEARCHED_LENGTH).split("\n");
  return wholeLines.join("\n");
}

function shortened(text: string): string {
  return text.length > SHOWN_LENGTH ? `${text.slice(0, SHOWN_LENGTH)}…` : text;
}
