import { resolve } from "@std/path/posix/resolve";
import { isSwitchedOn } from "../../boolean.ts";
import { environmentLayer, type Layer } from "../../config/settings.ts";
import { RunnerError } from "../../errors.ts";
import type { Host, TerminationSignal } from "../../host.ts";
import { absolutePath, isInside, shownPath } from "../../job_path.ts";
import { signalExitCode } from "../../process/spawn.ts";
import {
  createRunnerContext,
  type RunnerContext,
} from "../../runner/runner_context.ts";
import { listed } from "../../suggest.ts";
import { WORKFLOW_FILES } from "../../workspace/ignore_files.ts";
import type { CommandContext } from "../command.ts";
import {
  ChangeFilter,
  compareSnapshots,
  type FileChange,
  takeSnapshot,
  type WatchedSource,
  watchSource,
} from "./file_watcher.ts";

/** Maximum number of changed files that a line names. */
const MAX_NAMED = 3;

/** Clears the screen and the scrollback. */
const CLEAR = "\x1b[H\x1b[2J\x1b[3J";

/** Options for {@linkcode watchRuns}. */
export interface WatchRunsOptions {
  /** Absolute paths of the directories of the source. */
  roots: readonly string[];
  /** Paths that a run writes, relative to the current directory. */
  written: readonly string[];
}

/**
 * Runs a command repeatedly: when files of its source change, the current run
 * is stopped and the next one starts.
 *
 * @param context Context of the command.
 * @param options The source.
 * @param run Runs the command once.
 * @returns Exit code for the signal that ends it.
 * @throws {RunnerError} `usage` if the command cannot be run at all.
 */
export async function watchRuns(
  context: CommandContext,
  options: WatchRunsOptions,
  run: (context: CommandContext) => Promise<number>,
): Promise<number> {
  const { runner } = context;
  const { host, logger } = runner;
  const source = createSource(runner, options);
  const warn = (message: string) => logger.warn("watch", message);
  const ownChanges = new ChangeFilter(warn);
  const watchEnded = new AbortController();
  let signal: TerminationSignal | undefined;
  using _ = host.onSignal((name) => {
    signal ??= name;
    watchEnded.abort();
  });
  let snapshot = await takeSnapshot(source);
  using watcher = watchSource(source, snapshot, warn);

  /**
   * Waits for changes that start a run; returns none if the watch has ended.
   */
  async function waitForChanges(until: AbortSignal, isRunning: () => boolean) {
    while (!until.aborted) {
      await watcher.next(until);
      if (until.aborted) break;
      const changes = await findChanges(isRunning());
      if (changes.length > 0) return changes;
    }
    return [];
  }

  async function findChanges(
    isRunning: boolean,
  ): Promise<readonly FileChange[]> {
    const before = snapshot;
    snapshot = await takeSnapshot(source);
    watcher.follow(snapshot);
    return await ownChanges.selectRelevant(
      compareSnapshots(before, snapshot),
      isRunning,
    );
  }

  while (signal === undefined) {
    const once = runOnce(context, run);
    const runEnded = new AbortController();
    let isRunning = true;
    const onEnd = () => {
      isRunning = false;
      runEnded.abort();
    };
    once.ended.then(onEnd, onEnd);
    let changes = await waitForChanges(
      AbortSignal.any([watchEnded.signal, runEnded.signal]),
      () => isRunning,
    );
    if (changes.length > 0) once.cancel();
    const code = await once.ended;
    if (signal !== undefined) break;
    // Files that the run itself wrote are not changes of the user.
    if (changes.length === 0) changes = await findChanges(true);
    if (changes.length === 0) {
      logger.info("watch", `Exit code ${code}; waiting for changes`);
      changes = await waitForChanges(watchEnded.signal, () => false);
    }
    if (signal !== undefined) break;
    await clearScreen(host);
    logger.info("watch", formatChanges(changes, host.cwd));
  }
  await logger.flush();
  return signalExitCode(signal!);
}

/**
 * Returns the source of a job: its directory, and one that it copies.
 *
 * @param parsed Arguments of the command.
 * @param layer Layer of the options.
 * @param host The process, in the directory of the job.
 */
export function findJobSource(
  { flags }: Pick<CommandContext, "flags">,
  layer: Layer,
  { cwd, env }: Pick<Host, "cwd" | "env">,
): WatchRunsOptions {
  const { source_type, source_url } = { ...environmentLayer(env), ...layer };
  const copied = source_type?.value === "copy" && source_url !== undefined
    ? [resolve(cwd, String(source_url.value))]
    : [];
  const reports = [flags.get("report") ?? []].flat().map((report) =>
    report.slice(report.indexOf("=") + 1)
  );
  const record = flags.get("record");
  return {
    roots: [cwd, ...copied.filter((path) => !isInside(cwd, path))],
    written: [...reports, ...typeof record === "string" ? [record] : []],
  };
}

/** A run that can be ended like by a signal. */
interface OneRun {
  /** Resolves with the exit code. */
  readonly ended: Promise<number>;
  /** Ends the run: its steps get SIGTERM, and are killed after the grace time. */
  cancel(): void;
}

/** Starts a run with its own runner. */
function runOnce(
  context: CommandContext,
  run: (context: CommandContext) => Promise<number>,
): OneRun {
  const { host, masker, logger } = context.runner;
  const listeners = new Set<(signal: TerminationSignal) => void>();
  const runner = createRunnerContext({
    ...host,
    cwd: host.cwd,
    onSignal(listener) {
      const forwarding = host.onSignal(listener);
      listeners.add(listener);
      return {
        [Symbol.dispose]() {
          forwarding[Symbol.dispose]();
          listeners.delete(listener);
        },
      };
    },
  }, { masker });
  const runEnded = run({ ...context, runner }).catch((error) => {
    // The next change may fix the job, but not the command line.
    if (!(error instanceof RunnerError) || error.code === "usage") throw error;
    logger.error("runnerlib", error.message);
    return error.exitCode;
  });
  return {
    ended: runEnded,
    cancel() {
      for (const listener of [...listeners]) listener("SIGTERM");
    },
  };
}

/** Determines which files a run writes itself. */
function createSource(
  { host: { cwd, env }, workspace: { base } }: RunnerContext,
  { roots, written }: WatchRunsOptions,
): WatchedSource {
  const absolute = (path: string) => absolutePath(path, cwd);
  const isAround = roots.some((root) => isInside(base, root));
  const workspace = isAround
    ? [`${base}/artifacts`, `${base}/triggers.json`]
    : [base];
  const ownPaths = [...roots, base].flatMap((root) => [
    `${root}/.reactorcide/lock`,
    `${root}/.reactorcide/owned_paths.json`,
    `${root}/.reactorcide/outputs.json`,
    `${root}/.reactorcide/run.json`,
    `${root}/.reactorcide/.gitignore`,
    ...WORKFLOW_FILES.map((path) =>
      `${root}/.reactorcide${path.replace(/[/*]*$/, "")}`
    ),
  ]);
  return {
    roots,
    env,
    ignored: [
      ...workspace,
      ...ownPaths,
      ...written.map(absolute),
      ...findRedirectedOutput(),
    ],
  };
}

/** Returns the files to which the output of this process is redirected. */
function findRedirectedOutput(): string[] {
  return [1, 2].flatMap((stream) => {
    try {
      return [Deno.readLinkSync(`/proc/self/fd/${stream}`)];
    } catch {
      // The system does not say.
      return [];
    }
  });
}

async function clearScreen({ env, stdout, stderr }: Host): Promise<void> {
  const isScreen = stdout.isTerminal() && stderr.isTerminal() &&
    env.TERM !== "dumb" && !isSwitchedOn(env.CI);
  if (isScreen) await stdout.write(new TextEncoder().encode(CLEAR));
}

function formatChanges(changes: readonly FileChange[], cwd: string): string {
  const names = changes.map(({ path }) => shownPath(path, cwd));
  return `Changed: ${listed(names, MAX_NAMED)}`;
}
