import type { StepLog } from "../output/job_log.ts";
import type { Sink } from "../output/sink.ts";
import { withoutSequences } from "../terminal/text.ts";

/**
 * Maximum length of an unfinished line that is searched again with its
 * continuation, in characters.
 */
const MAX_REST_LENGTH = 4 * 1024;

/** A log that is searched while it is written. */
export interface WatchedLog {
  /** The log, which passes everything on. */
  readonly log: StepLog;
  /** Whether a line has contained one of the texts. */
  isFound(): boolean;
}

/**
 * Searches the lines of a log for texts, until one is found.
 *
 * The only syntax of a text is `*`, so searching takes linear time for any
 * output.
 *
 * @param log Log of a step.
 * @param texts Texts, in which `*` stands for any text.
 * @returns The log to write to.
 */
export function watchLog(log: StepLog, texts: readonly string[]): WatchedLog {
  const patterns = texts.map((text) => text.split("*"));
  let isFound = false;

  function watch(sink: Sink): Sink {
    const decoder = new TextDecoder();
    let rest = "";
    return {
      write(bytes) {
        if (!isFound) {
          const lines = (rest + decoder.decode(bytes, { stream: true }))
            .split(/[\r\n]/);
          isFound = lines.some((line) => matchesAny(line, patterns));
          rest = lines.at(-1)!.slice(-MAX_REST_LENGTH);
        }
        return sink.write(bytes);
      },
    };
  }

  return {
    log: Object.create(log, {
      stdout: { value: watch(log.stdout) },
      stderr: { value: watch(log.stderr) },
    }),
    isFound: () => isFound,
  };
}

function matchesAny(
  line: string,
  patterns: readonly (readonly string[])[],
): boolean {
  const text = withoutSequences(line);
  return patterns.some((parts) => containsInOrder(text, parts));
}

/**
 * Matching each part at its first occurrence leaves the most text for the rest.
 */
function containsInOrder(text: string, parts: readonly string[]): boolean {
  let at = 0;
  for (const part of parts) {
    const found = text.indexOf(part, at);
    if (found === -1) return false;
    at = found + part.length;
  }
  return true;
}
