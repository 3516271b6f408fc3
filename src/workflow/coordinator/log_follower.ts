import { joinBytes } from "../../bytes.ts";
import type { CoordinatorClient } from "../../coordinator/client.ts";
import {
  type CoordinatorLogLine,
  readJobLog,
} from "../../coordinator/workflows.ts";
import type { StepLog } from "../../output/job_log.ts";
import { LINE_FEED } from "../../output/line_limit.ts";
import { type MaskedSink, maskedSink, type Sink } from "../../output/sink.ts";
import type { Masker } from "../../secrets/masker.ts";

/** Streams of a log, in the order of lines with the same time. */
const STREAMS = ["stdout", "stderr"] as const;

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
export class LogFollower {
  readonly #client: CoordinatorClient;
  readonly #jobId: string;
  readonly #sinks: Readonly<Record<StreamName, MaskedSink>>;
  readonly #shown: Record<StreamName, number> = { stdout: 0, stderr: 0 };
  #nextMs = 0;

  /**
   * @param client Client that reads logs.
   * @param jobId Id of the job at the coordinator.
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
      stdout: maskedSink(wholeLines(log.stdout), masker.stream()),
      stderr: maskedSink(wholeLines(log.stdout), masker.stream()),
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
    const lines = merged(added);
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
function wholeLines(sink: Sink): Sink {
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
function merged(
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
