import type { JobConfig } from "../config/job_config.ts";
import { childEnvironment } from "../environment/child_environment.ts";
import { DENO_VARIABLES } from "../environment/variables.ts";
import { messageOf, osReason, RunnerError } from "../errors.ts";
import { readUntrusted } from "../fs/untrusted_file.ts";
import { absolutePath, isInside, normalizePath } from "../job_path.ts";
import type { StepLog } from "../output/job_log.ts";
import { LineAssembler } from "../output/line_assembler.ts";
import type { StreamName } from "../output/line_limit.ts";
import type { Sink } from "../output/sink.ts";
import { findDeno } from "../plugins/sandbox/find_deno.ts";
import { onAbort } from "../process/cancellation.ts";
import { type RunningProcess, spawn } from "../process/spawn.ts";
import {
  MATCHER_PROGRAM,
  ProblemFinder,
  type StepProblems,
} from "../report/problem_finder.ts";
import {
  parseProblemMatchers,
  type ProblemMatcher,
} from "../report/problem_matchers.ts";
import { plainText } from "../terminal/text.ts";
import type { RunState } from "./run_state.ts";

/** Maximum size of a file with matchers, in bytes. */
const MAX_FILE_BYTES = 1024 * 1024;

/** Maximum length of a line, in bytes; longer lines are searched in parts. */
const MAX_LINE_BYTES = 8 * 1024;

/** Ends the process even if the runner was killed while an expression is stuck. */
const LIMITED = 'ulimit -t 60; exec "$@"';

/** Variables of CI systems with the directory to which paths are relative. */
const ROOTS = [
  "GITHUB_WORKSPACE",
  "CI_PROJECT_DIR",
  "BUILDKITE_BUILD_CHECKOUT_PATH",
  "BUILD_SOURCESDIRECTORY",
] as const;

/**
 * Reads the problem matchers of a job and records the problems that they find.
 *
 * @returns The search; dispose of it when the steps have ended.
 * @throws {RunnerError} `invalid-config` if a file cannot be used.
 */
export async function findProblems(
  run: RunState,
  config: JobConfig,
): Promise<StepProblems> {
  const { cancellation, runner, recorder } = run;
  const directories = new Map<string, string>();
  const matchers = await readMatchers(run, config);
  const { env } = runner.host;
  const deno = await findDeno(env).catch((cause) => {
    throw new RunnerError(
      "Cannot use problem matchers: a compiled runner needs Deno, which is not on PATH",
      { code: "invalid-config", cause },
    );
  });
  const finder = new ProblemFinder(matchers, {
    start: () => startMatcherProcess(deno, env),
    onProblem(step, { file, ...problem }) {
      recorder.add("problem", {
        step,
        ...problem,
        ...file === undefined
          ? {}
          : { file: toShownPath(run, file, directories.get(step)!) },
      });
    },
    onWarning: (message) => runner.logger.warn("problems", message),
  });
  // A job that is cancelled does not wait for it.
  const onCancel = onAbort(cancellation.graceful, () => finder.abandon());
  return {
    watch(step, log, cwd) {
      directories.set(step, cwd);
      return createWatchedLog(log, (lines) => finder.search(step, lines));
    },
    async [Symbol.asyncDispose]() {
      using _ = onCancel;
      await finder[Symbol.asyncDispose]();
    },
  };
}

/**
 * Starts the process that matches lines. An expression may take forever, so it
 * does not run in the process of the runner.
 *
 * @param deno Path of Deno.
 * @param env Environment of the runner.
 */
export function startMatcherProcess(
  deno: string,
  env: Readonly<Record<string, string>>,
): RunningProcess {
  const code = new TextEncoder().encode(MATCHER_PROGRAM).toBase64();
  const command = [
    ...["/bin/sh", "-c", LIMITED, "sh"],
    ...[deno, "run", "--quiet", "--no-prompt", "--no-config", "--no-lock"],
    ...["--no-remote", "--no-npm", "--node-modules-dir=none"],
    `data:text/javascript;base64,${code}`,
  ];
  return spawn(command, {
    cwd: "/",
    env: childEnvironment(env, {
      kind: "plugin",
      mayUse: (name) => DENO_VARIABLES.includes(name),
    }),
    stdin: "piped",
    stderr: "separate",
  });
}

/** Reads the matchers of all files. As in GitHub, the last matcher of an owner wins. */
async function readMatchers(
  run: RunState,
  { output: { problemMatchers } }: JobConfig,
): Promise<ProblemMatcher[]> {
  const { host, workspace } = run.runner;
  const matchers = new Map<string, ProblemMatcher>();
  for (const path of problemMatchers) {
    const file = isInside("/job", normalizePath(path))
      ? workspace.pathOf(path)
      : absolutePath(path, host.cwd);
    const text = await readUntrusted(file, { maxBytes: MAX_FILE_BYTES })
      .then((bytes) => new TextDecoder().decode(bytes))
      .catch((error) => {
        throw unusable(path, osReason(error));
      });
    try {
      for (const matcher of parseProblemMatchers(text)) {
        matchers.delete(matcher.owner);
        matchers.set(matcher.owner, matcher);
      }
    } catch (error) {
      throw unusable(path, messageOf(error));
    }
  }
  return [...matchers.values()];
}

function unusable(path: string, reason: string): RunnerError {
  return new RunnerError(
    `Cannot use the problem matchers in "${path}": ${reason}`,
    { code: "invalid-config" },
  );
}

/**
 * Forwards output, and passes its lines to a function that can apply
 * backpressure.
 */
function createWatchedLog(
  log: StepLog,
  search: (lines: readonly string[]) => Promise<void>,
): StepLog {
  const assemblers: Record<StreamName, LineAssembler> = {
    stdout: newAssembler(),
    stderr: newAssembler(),
  };
  const watched = (stream: StreamName): Sink => ({
    async write(bytes) {
      const lines = splitLog(assemblers[stream].take(bytes));
      await Promise.all([log[stream].write(bytes), search(lines)]);
    },
  });
  async function endLines(): Promise<void> {
    for (const stream of ["stdout", "stderr"] as const) {
      await search(splitLog(assemblers[stream].end()));
      assemblers[stream] = newAssembler();
    }
  }
  return {
    stdout: watched("stdout"),
    stderr: watched("stderr"),
    get path() {
      return log.path;
    },
    get lastOutputMs() {
      return log.lastOutputMs;
    },
    async endLine() {
      await endLines();
      await log.endLine();
    },
    tail: (lineCount) => log.tail(lineCount),
    async close() {
      await endLines();
      await log.close();
    },
  };
}

function newAssembler(): LineAssembler {
  return new LineAssembler({ maxBytes: MAX_LINE_BYTES, longLines: "broken" });
}

function splitLog(bytes: Uint8Array): string[] {
  const lines: string[] = [];
  for (let from = 0; from < bytes.length;) {
    const end = bytes.indexOf(10, from);
    lines.push(plainText(bytes.subarray(from, end)));
    from = end + 1;
  }
  return lines;
}

/**
 * Makes a path relative to the root of the repository, if the root is known.
 */
function toShownPath(
  { runner: { host, workspace }, sourcePath }: RunState,
  file: string,
  cwd: string,
): string {
  const path = file.replace(/^file:\/\/(?=\/)/, "");
  const absolute = normalizePath(
    isInside("/job", normalizePath(path))
      ? workspace.pathOf(path)
      : absolutePath(path, cwd),
  );
  const roots = [sourcePath, ...ROOTS.map((name) => host.env[name]), host.cwd];
  for (const root of roots) {
    if (!root || root === "/" || !isInside(root, absolute)) continue;
    return absolute.slice(root.length + 1) || path;
  }
  return path;
}
