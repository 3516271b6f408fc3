/**
 * Exports the output of steps to a collector of OpenTelemetry.
 *
 * 1. Output arrives masked, and is split into lines like the log. Each line
 *    becomes a log record with the span of its attempt.
 * 2. Records are sent in batches while the job runs, one request at a time.
 *    They are masked again first: more secrets may be known, and control
 *    characters inside a secret have been removed.
 * 3. The queue has a maximum size. If the collector is too slow, lines are
 *    dropped and counted.
 * 4. After a few failures in a row, nothing more is sent. Failures never delay
 *    a step, and the end of the run waits for a limited time.
 *
 * @module
 */
import type { Environment } from "../environment/variables.ts";
import { messageOf } from "../errors.ts";
import type { StepLog } from "../output/job_log.ts";
import { LineAssembler } from "../output/line_assembler.ts";
import type { Sink } from "../output/sink.ts";
import type { Masker } from "../secrets/masker.ts";
import { plainText } from "../terminal/text.ts";
import { showUrl, showUrlsIn } from "../url_secrets.ts";
import {
  checkTransport,
  type HeaderList,
  JSON_TYPE,
  readCollectorHeaders,
  readCollectorTimeout,
  readCollectorUrl,
  send,
} from "./collector.ts";
import { readResourceAttributes } from "./export_otlp.ts";
import { createRunResource, toAttributes } from "./formats/otlp.ts";
import type { RunEvents } from "./run_event.ts";

/** Maximum size of a line, in bytes; longer ones become several records. */
const MAX_LINE_BYTES = 32 * 1024;

/** Size at which a batch is sent, in characters. */
const BATCH_LENGTH = 256 * 1024;

/** Maximum number of records in a batch. */
const BATCH_COUNT = 1_000;

/** Time after which a smaller batch is sent, in milliseconds. */
const BATCH_MS = 1_000;

/** Maximum size of the queue, in characters. */
const MAX_QUEUE_LENGTH = 8 * 1024 * 1024;

/**
 * Overhead of a record in the queue, in addition to its text, in characters.
 */
const RECORD_LENGTH = 200;

/** Number of failures in a row after which nothing more is sent. */
const MAX_FAILURES = 3;

/** Severities by the numbers of the protocol. */
const SEVERITIES = { INFO: 9, WARN: 13, ERROR: 17 } as const;

/** A stream of a step; not set if the two are merged. */
type StreamName = "stdout" | "stderr";

/** A line in the queue. */
interface Line {
  readonly time: number;
  readonly text: string;
  readonly severity: keyof typeof SEVERITIES;
  readonly step: string;
  readonly stream?: StreamName;
  readonly attempt?: number;
  readonly spanId?: string;
}

/** Options for {@linkcode LogExporter}. */
export interface LogExporterOptions {
  /** Environment of the runner. */
  env: Environment;
  /** The run. */
  started: RunEvents["run.started"];
  /** Masker of the job. */
  masker: Masker;
  /** Whether the standard error of steps is a separate stream. */
  hasStderr: boolean;
  /** Whether credentials may be sent over plain HTTP. */
  allowInsecureTransport: boolean;
  /** Called with failures. */
  onWarning: (message: string) => void;
  /**
   * Maximum size of the queue, in characters.
   *
   * @default {8 Mi}
   */
  maxQueueLength?: number;
}

/**
 * Checks whether the output of steps is exported, which requires an option and
 * that the caller has chosen a collector.
 *
 * @param env Environment of the runner.
 * @param output Options of the job.
 */
export function shouldExportLogs(
  env: Environment,
  { otel, otelLogs }: { readonly otel: boolean; readonly otelLogs: boolean },
): boolean {
  if (!otelLogs || env.OTEL_SDK_DISABLED?.toLowerCase() === "true") {
    return false;
  }
  if (env.OTEL_LOGS_EXPORTER === "none") return false;
  return otel || !!env.OTEL_EXPORTER_OTLP_ENDPOINT ||
    !!env.OTEL_EXPORTER_OTLP_LOGS_ENDPOINT;
}

/** Exports the output of the steps of one job. */
export class LogExporter {
  readonly #options: LogExporterOptions;
  readonly #url: string;
  readonly #limitMs: number;
  readonly #ending = new AbortController();
  readonly #spans = new Map<string, { attempt: number; spanId: string }>();
  #headers: HeaderList | undefined;
  #queue: Line[] = [];
  #queueLength = 0;
  #droppedCount = 0;
  #failureCount = 0;
  #isOver = false;
  #failure: string | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #sending: Promise<void> | undefined;

  /** Creates an exporter; a wrong address is reported when the run ends. */
  constructor(options: LogExporterOptions) {
    this.#options = options;
    const { env, allowInsecureTransport } = options;
    this.#url = readCollectorUrl(env, "logs");
    this.#limitMs = readCollectorTimeout(env, "logs");
    try {
      const headers = readCollectorHeaders(env, "logs");
      checkTransport(this.#url, headers, allowInsecureTransport);
      this.#headers = headers;
    } catch (error) {
      this.#failure = showUrlsIn(messageOf(error), this.#url);
    }
  }

  /**
   * Assigns the output of a step to an attempt from now on.
   *
   * @param step Name of the step.
   * @param attempt Number of the attempt, and its span.
   */
  startAttempt(
    step: string,
    { attempt, spanId }: { readonly attempt: number; readonly spanId: string },
  ): void {
    this.#spans.set(step, { attempt, spanId });
  }

  /**
   * Exports a message about a step.
   *
   * @param step Name of the step.
   * @param severity `WARN` if another attempt follows.
   */
  addFailure(step: string, severity: "WARN" | "ERROR", text: string): void {
    this.#add({ step, severity, text });
  }

  /**
   * Exports everything written to the log of a step.
   *
   * @param step Name of the step.
   * @param log Its log.
   * @returns A log to use instead.
   */
  watch(step: string, log: StepLog): StepLog {
    const { hasStderr } = this.#options;
    const streams = {
      stdout: this.#stream(step, log.stdout, hasStderr ? "stdout" : undefined),
      stderr: this.#stream(step, log.stderr, "stderr"),
    };
    const endStreams = () => {
      streams.stdout.end();
      streams.stderr.end();
    };
    return Object.create(log, {
      stdout: { value: streams.stdout },
      stderr: { value: streams.stderr },
      endLine: {
        value: () => {
          endStreams();
          return log.endLine();
        },
      },
      close: {
        value: () => {
          endStreams();
          return log.close();
        },
      },
    });
  }

  /** Sends the rest, within the time limit for the end of a run. */
  async finish(): Promise<void> {
    const { onWarning } = this.#options;
    this.#isOver = true;
    clearTimeout(this.#timer);
    const limit = setTimeout(() => this.#ending.abort(), this.#limitMs);
    try {
      await this.#sending;
      while (this.#canSend && this.#queue.length > 0) await this.#sendBatch();
    } finally {
      clearTimeout(limit);
    }
    const missingCount = this.#droppedCount + this.#queue.length;
    this.#queue = [];
    if (missingCount === 0) return;
    const reason = this.#failure ?? "the collector is too slow";
    onWarning(
      `Cannot export ${missingCount} lines of logs to "${
        showUrl(this.#url)
      }": ${reason}`,
    );
  }

  get #canSend(): boolean {
    return this.#headers !== undefined && this.#failureCount < MAX_FAILURES &&
      !this.#ending.signal.aborted;
  }

  #stream(
    step: string,
    sink: Sink,
    stream: StreamName | undefined,
  ): Sink & { end(): void } {
    const lines = new LineAssembler({
      maxBytes: MAX_LINE_BYTES,
      longLines: "broken",
    });
    const add = (bytes: Uint8Array) => {
      if (bytes.length === 0) return;
      // The last line ends with a line feed, the only control character that is
      // left.
      for (const text of splitLines(bytes)) {
        this.#add({ step, stream, severity: "INFO", text });
      }
    };
    return {
      write: (bytes) => {
        add(lines.take(bytes));
        return sink.write(bytes);
      },
      end: () => add(lines.flush()),
    };
  }

  #add(
    line: Pick<Line, "step" | "stream" | "severity" | "text">,
  ): void {
    const length = line.text.length + RECORD_LENGTH;
    const { maxQueueLength = MAX_QUEUE_LENGTH } = this.#options;
    if (!this.#canSend || this.#queueLength + length > maxQueueLength) {
      this.#droppedCount++;
      return;
    }
    this.#queueLength += length;
    this.#queue.push({
      ...line,
      ...this.#spans.get(line.step),
      time: Date.now(),
    });
    const isFull = this.#queueLength >= BATCH_LENGTH ||
      this.#queue.length >= BATCH_COUNT;
    if (isFull) this.#start();
    else this.#timer ??= setTimeout(() => this.#start(), BATCH_MS);
  }

  /** Sends batches in the background until less than a full one is left. */
  #start(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#sending ??= this.#sendBatches().finally(() => {
      this.#sending = undefined;
    });
  }

  async #sendBatches(): Promise<void> {
    do await this.#sendBatch(); while (
      this.#canSend && (this.#queueLength >= BATCH_LENGTH ||
        this.#queue.length >= BATCH_COUNT)
    );
    if (!this.#isOver && this.#canSend && this.#queue.length > 0) {
      this.#timer ??= setTimeout(() => this.#start(), BATCH_MS);
    }
  }

  async #sendBatch(): Promise<void> {
    const lines = this.#takeBatch();
    if (lines.length === 0 || this.#headers === undefined) return;
    const body = JSON.stringify(this.#request(lines));
    const signal = AbortSignal.any([
      this.#ending.signal,
      AbortSignal.timeout(this.#limitMs),
    ]);
    try {
      await send({
        method: "POST",
        url: this.#url,
        headers: this.#headers,
        contentType: JSON_TYPE,
        body,
      }, signal);
      this.#failureCount = 0;
    } catch (error) {
      this.#failureCount++;
      this.#droppedCount += lines.length;
      this.#failure ??= signal.aborted
        ? `no response within ${this.#limitMs} ms`
        : showUrlsIn(messageOf(error), this.#url);
    }
  }

  #takeBatch(): Line[] {
    let count = 0;
    let length = 0;
    while (
      count < this.#queue.length && count < BATCH_COUNT && length < BATCH_LENGTH
    ) {
      length += this.#queue[count].text.length + RECORD_LENGTH;
      count++;
    }
    this.#queueLength -= length;
    const lines = this.#queue.slice(0, count);
    this.#queue = this.#queue.slice(count);
    return lines;
  }

  #request(lines: readonly Line[]): object {
    const { started, env } = this.#options;
    return {
      resourceLogs: [{
        resource: {
          attributes: toAttributes(
            createRunResource(started, readResourceAttributes(env)),
          ),
        },
        scopeLogs: [{
          scope: { name: "runnerlib", version: started.runner.version },
          logRecords: lines.map((line) => this.#record(line)),
        }],
      }],
    };
  }

  #record(line: Line): object {
    const { started: { trace }, masker } = this.#options;
    const { time, severity, text, step, stream, attempt, spanId } = line;
    const nanoseconds = `${time}000000`;
    return {
      timeUnixNano: nanoseconds,
      observedTimeUnixNano: nanoseconds,
      severityNumber: SEVERITIES[severity],
      severityText: severity,
      body: { stringValue: masker.maskText(text) },
      attributes: toAttributes({
        "cicd.pipeline.task.name": masker.maskText(step),
        "log.iostream": stream,
        "runnerlib.step.attempt": attempt,
      }),
      traceId: trace.traceId,
      spanId: spanId || trace.spanId,
      flags: trace.sampled ? 1 : 0,
    };
  }
}

function splitLines(bytes: Uint8Array): string[] {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = bytes.indexOf(10, at);
    const next = end < 0 ? bytes.length : end;
    lines.push(plainText(bytes.subarray(at, next)));
    at = next + 1;
  }
  return lines;
}
