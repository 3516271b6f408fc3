import { childEnvironment } from "../../src/environment/child_environment.ts";
import type { LogFields, Logger } from "../../src/output/logger.ts";
import { Cancellation } from "../../src/process/cancellation.ts";
import type { SourceContext } from "../../src/source/source.ts";
import { openWorkspace } from "../../src/workspace/layout.ts";
import { GIT_ENV } from "./git_repository.ts";

/** A logger that records each message, as `level component: message {fields}`. */
export interface RecordingLog extends Logger {
  /** Logged messages, oldest first. */
  readonly lines: string[];
}

/** Creates a logger that calls a listener, if any, with each line. */
export function recordingLog(listener?: (line: string) => void): RecordingLog {
  const lines: string[] = [];
  const record =
    (level: string) =>
    (component: string, message: string, fields: LogFields = {}) => {
      const line = `${level} ${component}: ${message} ${
        JSON.stringify(fields)
      }`;
      lines.push(line);
      listener?.(line);
    };
  return {
    lines,
    debug: record("debug"),
    info: record("info"),
    warn: record("warning"),
    error: record("error"),
    flush: () => Promise.resolve(),
  };
}

/** Options of the context. */
export interface SourceContextOptions {
  /** Directory of the test; on a laptop the workspace is `job` in it. */
  cwd: string;
  /** Whether `job` in the directory represents the `/job` of a container. */
  inContainer?: boolean;
  /** Environment, on top of the one for git. */
  env?: Record<string, string>;
  /** Called with each line of the log. */
  onLog?: (line: string) => void;
}

/** Creates the context of a preparation, with a log that can be read. */
export function sourceContext(
  options: SourceContextOptions,
): SourceContext & { log: RecordingLog } {
  const { cwd, inContainer = false, env = {}, onLog } = options;
  return {
    workspace: openWorkspace({
      cwd,
      root: `${cwd}/job`,
      env: { REACTORCIDE_IN_CONTAINER: String(inContainer) },
    }),
    env: childEnvironment({ ...GIT_ENV, ...env }, { kind: "source-client" }),
    cwd,
    log: recordingLog(onLog),
    cancellation: new Cancellation(),
  };
}
