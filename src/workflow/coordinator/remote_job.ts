import { joinBytes } from "../../bytes.ts";
import {
  type CoordinatorClient,
  CoordinatorError,
} from "../../coordinator/client.ts";
import type { CoordinatorJob } from "../../coordinator/jobs.ts";
import {
  type CoordinatorLogLine,
  readJobLog,
} from "../../coordinator/workflows.ts";
import { messageOf } from "../../errors.ts";
import type { StepLog } from "../../output/job_log.ts";
import { LINE_FEED } from "../../output/line_limit.ts";
import { type MaskedSink, maskedSink, type Sink } from "../../output/sink.ts";
import { whenAborted } from "../../process/cancellation.ts";
import { pause } from "../../process/time_limit.ts";
import type { Masker } from "../../secrets/masker.ts";
import { printable, quote } from "../../terminal/text.ts";
import type { WorkQueue } from "../../work_queue.ts";
import type { JobRequest, LocalJobOutcome } from "../local/local_job.ts";
import type { WorkflowRun } from "../workflow_executor.ts";
import { jobEnd, type JobWatcher } from "./job_watcher.ts";

/** Streams of a log, in the order of lines with the same time. */
const STREAMS = ["stdout", "stderr"] as const;

/**
 * Time after which a job that has not appeared counts as removed, in milliseconds:
 * its dependencies have ended, and no other job of the workflow is active.
 */
const REMOVED_JOB_MS = 60_000;

/** Minimum number of polls before a job can count as missing. */
const MIN_POLLS = 2;

/** Maximum number of consecutive polls that miss a job which existed before. */
const MAX_ABSENCES = 3;

/** Minimum number of times that a log is read after the end of its job. */
const MIN_FINAL_READS = 2;

/**
 * Time for which requests for the missing log of an ended job are repeated, in
 * milliseconds.
 */
const LOG_WAIT_MS = 60_000;

/** Maximum length of a reason, in characters. */
const MAX_REASON_LENGTH = 300;

/** State that all jobs of a workflow share. */
export interface RemoteWorkflow {
  /** Local run of the workflow. */
  readonly run: WorkflowRun;
  /** States of its jobs. */
  readonly watcher: JobWatcher;
  /** Client that reads logs, and does not retry. */
  readonly logClient: CoordinatorClient;
  /** Limits the number of logs that are read at the same time. */
  readonly logQueue: WorkQueue;
  /** Polling interval, in milliseconds. */
  readonly pollMs: number;
  /** Maximum time for which the coordinator may be unreachable, in milliseconds. */
  readonly outageMs: number;
  /** Aborted when the run no longer waits for jobs that it has cancelled. */
  readonly abandoned: AbortSignal;
}

/**
 * Follows a job at the coordinator to its end.
 *
 * @param find Returns the job once it exists.
 * @throws {RunnerError} If the coordinator can no longer be read.
 */
export async function followJob(
  remote: RemoteWorkflow,
  request: JobRequest,
  find: () => CoordinatorJob | undefined,
): Promise<LocalJobOutcome> {
  const { run: { log, runner: { masker } }, watcher, logClient, abandoned } =
    remote;
  const aborted = whenAborted(abandoned);
  if (!await waitForJob(remote, request, find)) {
    return explainMissing(remote, request);
  }
  const step = await log.openStep(request.key);
  try {
    const follower = new LogFollower(logClient, find()!.job_id, {
      log: step,
      masker,
    });
    let job = find()!;
    for (let absentCount = 0;;) {
      const row = find();
      // A job that moves between pages of the list can be missed once.
      absentCount = row === undefined ? absentCount + 1 : 0;
      job = row ?? job;
      if (hasStarted(job)) request.onStart();
      const end = jobEnd(job);
      if (end !== undefined) {
        await readRest(remote, request.key, follower);
        await follower.end();
        await step.close();
        const { path: logPath } = step;
        return { ...createOutcome(job, end), tail: step.tail(), logPath };
      }
      if (absentCount > MAX_ABSENCES) {
        await follower.end();
        return REMOVED;
      }
      if (abandoned.aborted) break;
      const nextChange = watcher.next();
      if (hasStarted(job) && follower.isDue) {
        // If the log cannot be read now, it is read later.
        await readLimited(remote, () => follower.read()).catch(() => {});
      }
      await Promise.race([nextChange, aborted]);
    }
    await follower.end();
    return { ...CANCELLED, reason: "the runner stopped waiting for it" };
  } finally {
    await step.close();
  }
}

const CANCELLED = { status: "cancelled", exitCode: null } as const;

const REMOVED = {
  status: "failed",
  exitCode: null,
  reason: "the coordinator no longer has it",
} as const;

/** Waits until a job exists; returns `false` if it never will. */
async function waitForJob(
  { watcher, abandoned }: RemoteWorkflow,
  { signal }: JobRequest,
  find: () => CoordinatorJob | undefined,
): Promise<boolean> {
  const startMs = performance.now();
  const aborted = whenAborted(abandoned);
  for (let count = 0; find() === undefined; count++) {
    if (abandoned.aborted) return false;
    const isIdle = count >= MIN_POLLS && !watcher.isActive;
    if (isIdle) {
      if (watcher.isOver || signal.aborted) return false;
      if (performance.now() - startMs > REMOVED_JOB_MS) return false;
    }
    await Promise.race([watcher.next(), aborted]);
  }
  return true;
}

function explainMissing(
  { watcher: { status, isOver } }: RemoteWorkflow,
  { signal }: JobRequest,
): LocalJobOutcome {
  if (signal.aborted || ["cancelled", "cancelling"].includes(status)) {
    return { ...CANCELLED, reason: "its workflow was cancelled" };
  }
  return {
    status: "failed",
    exitCode: null,
    reason: isOver
      ? `the coordinator did not start it: its workflow ended as ${
        quote(status)
      }`
      : "the coordinator did not start it, although nothing else runs",
  };
}

function hasStarted(job: CoordinatorJob): boolean {
  const { status, started_at } = job;
  return status === "running" || status === "cancelling" ||
    !!started_at ||
    jobEnd(job) !== undefined && status !== "cancelled";
}

/**
 * Reads a log until it is complete. The last lines may arrive after the end of the
 * job, and the coordinator may be unreachable.
 */
async function readRest(
  remote: RemoteWorkflow,
  key: string,
  follower: LogFollower,
): Promise<void> {
  const { run: { runner: { logger } }, pollMs, outageMs, abandoned } = remote;
  let failedSinceMs: number | undefined;
  for (let count = 1;; count++) {
    try {
      const hasNews = await readLimited(remote, () => follower.read());
      if (!hasNews && count >= MIN_FINAL_READS) return;
      failedSinceMs = undefined;
    } catch (error) {
      failedSinceMs ??= performance.now();
      const maxMs = mayHaveNoLogs(error) ? LOG_WAIT_MS : outageMs;
      const isOver = abandoned.aborted || !isTemporary(error) ||
        performance.now() - failedSinceMs > maxMs;
      if (isOver) {
        return logger.warn(
          "workflow",
          `The log of ${quote(key)} is not complete: ${messageOf(error)}`,
        );
      }
    }
    if (abandoned.aborted) return;
    await pause(pollMs, abandoned);
  }
}

function isTemporary(error: unknown): boolean {
  return error instanceof CoordinatorError && error.isTransient;
}

/** A coordinator without a store for logs answers with 503 forever. */
function mayHaveNoLogs(error: unknown): boolean {
  return error instanceof CoordinatorError && error.status === 503;
}

/** Reads a log, as soon as fewer than the maximum number of logs are being read. */
async function readLimited<T>(
  { logQueue }: RemoteWorkflow,
  action: () => Promise<T>,
): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  await logQueue.add(() => action().then(resolve, reject));
  return await promise;
}

function createOutcome(
  job: CoordinatorJob,
  status: LocalJobOutcome["status"],
): LocalJobOutcome {
  const exitCode = parseExitCode(job);
  const last_error = job.last_error ?? "";
  // As for local jobs, a failure of the program itself needs no reason.
  const isFromCommand = status === "completed" || !!exitCode;
  const reason = isFromCommand || last_error === ""
    ? {}
    : { reason: printable(last_error.slice(0, MAX_REASON_LENGTH)) };
  return { status, exitCode, durationMs: measureMs(job), ...reason };
}

/** A worker reports -1 if it does not know the exit code. */
function parseExitCode({ exit_code }: CoordinatorJob): number | null {
  return exit_code !== undefined && Number.isInteger(exit_code) &&
      exit_code >= 0 && exit_code <= 255
    ? exit_code
    : null;
}

/** Both times are from the coordinator, so the local clock does not matter. */
function measureMs(
  { started_at = "", completed_at = "" }: CoordinatorJob,
): number | undefined {
  const ms = Date.parse(completed_at) - Date.parse(started_at);
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}

type StreamName = typeof STREAMS[number];

/**
 * Determines the pause before a log is read again: this many characters of the log
 * add a millisecond, because each response contains the whole log.
 */
const CHARACTERS_PER_MS = 500;

const encoder = new TextEncoder();

/** A line that has not been shown. */
interface NewLine extends CoordinatorLogLine {
  readonly stream: StreamName;
}

/**
 * Prints the log of a job as it grows, and masks it again locally.
 *
 * Each response contains the whole log. The two streams are read separately: each
 * only grows at its end, whereas lines of the combined log may be reordered.
 */
class LogFollower {
  readonly #client: CoordinatorClient;
  readonly #jobId: string;
  readonly #sinks: Readonly<Record<StreamName, MaskedSink>>;
  readonly #shown: Record<StreamName, number> = { stdout: 0, stderr: 0 };
  #nextMs = 0;

  /**
   * @param client Client that reads logs.
   * @param jobId ID of the job at the coordinator.
   * @param log Local log of the job.
   */
  constructor(
    client: CoordinatorClient,
    jobId: string,
    { log, masker }: { log: StepLog; masker: Masker },
  ) {
    this.#client = client;
    this.#jobId = jobId;
    // As for local jobs, both streams go to standard output. Each is masked
    // separately, because a secret may continue in the next line of its stream.
    this.#sinks = {
      stdout: maskedSink(bufferLines(log.stdout), masker.stream()),
      stderr: maskedSink(bufferLines(log.stdout), masker.stream()),
    };
  }

  /** Whether it is time to read the log again. */
  get isDue(): boolean {
    return performance.now() >= this.#nextMs;
  }

  /**
   * Reads the log, and prints its new lines.
   *
   * @returns Whether there were any.
   * @throws {RunnerError} If it cannot be read; the next call reads the same lines.
   */
  async read(): Promise<boolean> {
    const added: Record<StreamName, CoordinatorLogLine[]> = {
      stdout: [],
      stderr: [],
    };
    let characterCount = 0;
    for (const stream of STREAMS) {
      const all = await readJobLog(this.#client, this.#jobId, stream) ?? [];
      for (const { message } of all) characterCount += message.length;
      added[stream] = all.slice(this.#shown[stream]);
    }
    const lines = mergeLines(added);
    for (const { stream } of lines) this.#shown[stream]++;
    this.#nextMs = performance.now() + characterCount / CHARACTERS_PER_MS;
    await this.#print(lines);
    return lines.length > 0;
  }

  /** Prints output that was held back because it could be the start of a secret. */
  async end(): Promise<void> {
    for (const stream of STREAMS) await this.#sinks[stream].end();
  }

  /** Prints consecutive lines of a stream at once. */
  async #print(lines: readonly NewLine[]): Promise<void> {
    for (let at = 0; at < lines.length;) {
      const { stream } = lines[at];
      let text = "";
      for (; lines[at]?.stream === stream; at++) {
        text += `${lines[at].message}\n`;
      }
      await this.#sinks[stream].write(encoder.encode(text));
    }
  }
}

/**
 * Passes on whole lines only: the end of a line may be held back, and a line of the
 * other stream must not interrupt it. Every line of a log ends with a line break.
 */
function bufferLines(sink: Sink): Sink {
  let open: Uint8Array = new Uint8Array();
  return {
    async write(bytes) {
      const all = joinBytes([open, bytes]);
      const end = all.lastIndexOf(LINE_FEED) + 1;
      open = all.subarray(end);
      if (end > 0) await sink.write(all.subarray(0, end));
    },
  };
}

/**
 * Merges the lines of two streams by their times. The order within a stream is
 * kept, since lines that a worker sends together have the same time.
 */
function mergeLines(
  streams: Readonly<Record<StreamName, readonly CoordinatorLogLine[]>>,
): NewLine[] {
  const { stdout, stderr } = streams;
  const lines: NewLine[] = [];
  let [out, err] = [0, 0];
  while (out < stdout.length || err < stderr.length) {
    const isOut = err >= stderr.length || out < stdout.length &&
        Date.parse(stdout[out].timestamp) <= Date.parse(stderr[err].timestamp);
    lines.push(
      isOut
        ? { ...stdout[out++], stream: "stdout" }
        : { ...stderr[err++], stream: "stderr" },
    );
  }
  return lines;
}
