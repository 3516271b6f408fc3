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
 * Size of a log that is read again without a pause, in characters per
 * millisecond: each reading returns the whole log.
 */
const CHARACTERS_PER_MS = 500;

const encoder = new TextEncoder();

/** A line that has not been shown. */
interface NewLine extends CoordinatorLogLine {
  readonly stream: StreamName;
}

/**
 * Prints the log of a job as it grows, masked once more on this side.
 *
 * Each reading returns the whole log. Both streams are read separately: each
 * only grows at its end, whereas lines of the combined log may change places.
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
   * @param log Log of the job on this side.
   */
  constructor(
    client: CoordinatorClient,
    jobId: string,
    { log, masker }: { log: StepLog; masker: Masker },
  ) {
    this.#client = client;
    this.#jobId = jobId;
    // As on this machine, both go to standard output; each is masked by itself,
    // because a secret may go on in the next line of its stream.
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
   * @throws {RunnerError} If it cannot be read; nothing is lost then.
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

  /** Prints what was held back because it could have become a secret. */
  async end(): Promise<void> {
    for (const stream of STREAMS) await this.#sinks[stream].end();
  }

  /** Prints lines that follow one another in a stream in one piece. */
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
 * Passes on whole lines: the rest of a line may be held back, and the line of the
 * other stream must not follow in its middle. Every line of a log has a break.
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
