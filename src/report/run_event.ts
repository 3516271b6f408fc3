/**
 * The events of a run, and the recorder that collects them.
 *
 * @module
 */
import type { CacheUseRecord } from "../config/step_cache_config.ts";
import type { RenamedLogs } from "../output/job_log.ts";
import type { Problem } from "./problem_matchers.ts";
import type { SummaryStatus } from "./step_outcome.ts";

/** Fields of every event of a run record. */
export interface EventTime {
  /** Wall time in ISO 8601, with milliseconds, in UTC. */
  readonly time: string;
  /** Time since the run started by a clock that never jumps, in milliseconds. */
  readonly ms: number;
}

/** One attempt at a step. */
export interface AttemptRecord {
  /** Number of the attempt, from 1. */
  readonly number: number;
  /** When it started, in milliseconds since the run started. */
  readonly startMs: number;
  /** How long it took, in milliseconds. */
  readonly durationMs: number;
  /** How it ended. */
  readonly outcome: SummaryStatus;
  /** Exit code as a shell counts it. */
  readonly exitCode: number | null;
  /** Signal that ended it. */
  readonly signal: string | null;
  /** Why it did not succeed. */
  readonly reason?: string;
  /** Span of a trace that this attempt is: 16 hexadecimal digits. */
  readonly spanId?: string;
  /** Peak memory of its processes in bytes, if it was sampled. */
  readonly peakMemoryBytes?: number;
  /** CPU time of its processes in milliseconds, if it was sampled. */
  readonly cpuMs?: number;
}

/** A part of the preparation of a source. */
export interface StageRecord {
  readonly name: string;
  /** When it started, in milliseconds since the run started. */
  readonly startMs: number;
  readonly durationMs: number;
}

/** The events of a run record by their names, without their times. */
export interface RunEvents {
  /** The first line. */
  readonly "run.started": {
    readonly version: number;
    readonly kind: "job" | "workflow";
    /** ID of the run. */
    readonly id: string;
    /** Name of the job or workflow, if it has one. */
    readonly name?: string;
    /** Repository of the source, without credentials. */
    readonly repository?: string;
    /** Branch, tag or commit that was requested. */
    readonly ref?: string;
    /** Commit of the event that started the run. */
    readonly commit?: string;
    /** Versions of the runner and its runtime. */
    readonly runner: { readonly version: string; readonly deno: string };
    readonly trace: {
      readonly traceId: string;
      /** Span of the run. */
      readonly spanId: string;
      readonly parentSpanId?: string;
      readonly sampled: boolean;
    };
  };
  /** Settings that differ from their defaults. */
  readonly "run.configured": {
    readonly options: readonly {
      readonly name: string;
      readonly value: string;
      readonly origin: string;
    }[];
  };
  /** Steps of the job, in their order. */
  readonly "run.planned": {
    readonly steps: readonly {
      readonly name: string;
      /**
       * Name by which others depend on it, if different from its own: that of
       * its matrix.
       */
      readonly group?: string;
      /** Groups for which it waits. */
      readonly dependsOn: readonly string[];
      /** Whether it is a service, which ends after the steps that need it. */
      readonly isService?: boolean;
    }[];
  };
  /** A phase of the job has ended. */
  readonly "phase.ended": {
    readonly phase: string;
    readonly startMs: number;
    readonly durationMs: number;
  };
  /** A rule by which values are masked. No event contains the values. */
  readonly "secret.masked": {
    /** The rule, such as "named like a secret". */
    readonly rule: string;
    /** Name of the variable, option or step that has the value, if it is known. */
    readonly name?: string;
  };
  /** Source code is in its place. */
  readonly "source.prepared": {
    /** `source`, or `ci` for the trusted CI source. */
    readonly source: "source" | "ci";
    readonly type: string;
    readonly repository?: string;
    readonly ref?: string;
    readonly commit?: string;
    /**
     * Size of the fetched archive, of the copied files, or of the objects in
     * the new repository.
     */
    readonly bytes?: number;
    /** Its stages in order, such as `fetch` and `checkout`. */
    readonly stages?: readonly StageRecord[];
    /** Whether existing code was kept. */
    readonly isKept?: boolean;
    readonly startMs: number;
    readonly durationMs: number;
  };
  /** A plugin was called. */
  readonly "plugin.called": {
    readonly plugin: string;
    readonly phase: string;
    readonly durationMs: number;
    readonly error?: string;
    /** Denied access, such as `net example.com`. */
    readonly denied?: readonly string[];
  };
  /** A step could start, and waits for a free slot. */
  readonly "step.queued": { readonly step: string };
  readonly "step.started": {
    readonly step: string;
    readonly attempt: number;
    readonly spanId?: string;
  };
  /** A service is ready, and steps that need it can start. */
  readonly "service.ready": {
    readonly step: string;
    /** Time since its start, in milliseconds. */
    readonly durationMs: number;
  };
  /** An attempt failed, and another one follows. */
  readonly "step.retrying": {
    readonly step: string;
    readonly attempt: AttemptRecord;
    readonly delayMs: number;
  };
  /** A step has ended, or will never run. */
  readonly "step.ended": {
    readonly step: string;
    readonly outcome: SummaryStatus;
    readonly conclusion: SummaryStatus;
    readonly exitCode: number | null;
    readonly signal: string | null;
    readonly reason?: string;
    /** When it started; `null` for a step that never ran. */
    readonly startedAt: string | null;
    readonly durationMs: number;
    readonly attempts: readonly AttemptRecord[];
    /** Whether it succeeded only after a failed attempt. */
    readonly flaky?: boolean;
    /** Whether it did not run, because its result was in the cache. */
    readonly cached?: boolean;
    /** Names of its outputs. */
    readonly outputs?: readonly string[];
    /** Path of its log, relative to the directory in which the job was started. */
    readonly log?: string;
    readonly logBytes?: number;
    /**
     * Its last lines, fewer if it succeeded, with sequences for colors and
     * styles (`ESC [ … m`) and no others.
     */
    readonly tail?: readonly string[];
    /** Command that runs only this step again, if it did not succeed. */
    readonly rerun?: string;
    /** Directories that it restored from the cache and saved. */
    readonly caches?: readonly CacheUseRecord[];
    /**
     * For a job of a workflow: path of its own record, relative to the
     * directory of this one.
     */
    readonly record?: string;
  };
  /** A problem matcher has found a problem in the output of a step. */
  readonly "problem": { readonly step: string } & Problem;
  /** Files of another job of the workflow were restored. */
  readonly "artifact.restored": ArtifactRecord & {
    /** Key of the job that saved them. */
    readonly job: string;
  };
  /** Files were saved for other jobs. */
  readonly "artifact.saved": ArtifactRecord;
  /** A follow-up job was submitted, or written to a file. */
  readonly "trigger.submitted": { readonly name: string };
  /** A number that a plugin recorded. */
  readonly "metric": {
    readonly plugin: string;
    readonly phase: string;
    readonly name: string;
    readonly value: number;
  };
  /** The last event; missing if the run was killed. */
  readonly "run.ended": {
    readonly status: "success" | "failed" | "cancelled" | "timeout";
    readonly exitCode: number;
    readonly durationMs: number;
    readonly error?: string;
  };
}

/** An artifact as a record has it. */
export interface ArtifactRecord {
  readonly name: string;
  /** Size of its files, in bytes. */
  readonly bytes: number;
  /** Number of files, directories and links. */
  readonly count: number;
}

/** Name of an event. */
export type RunEventName = keyof RunEvents;

/** An event of a run record: one line of its file. */
export type RunEvent = {
  [Name in RunEventName]:
    & { readonly event: Name }
    & EventTime
    & RunEvents[Name];
}[RunEventName];

/**
 * Version of the run record. A reader accepts records of its own version and
 * of earlier ones, and skips events and fields that it does not know.
 */
export const RECORD_VERSION = 1;

/** Name of the file with the record, in the directory of the artifacts. */
export const RECORD_FILE = "run.jsonl";

/**
 * Collects the events of a run. The engine reports events only here. Reports
 * listen to the recorder, or read the record that is written from it.
 */
export class RunRecorder {
  /** Events so far, unmasked. */
  readonly events: RunEvent[] = [];
  /** Called with each event from now on, unmasked. */
  onEvent: ((event: RunEvent) => void) | undefined;
  readonly #startedAt = Date.now();
  readonly #start = performance.now();
  readonly #secrets = new Set<string>();

  /** Time since the run started, in milliseconds. */
  get ms(): number {
    return performance.now() - this.#start;
  }

  /**
   * Records an event that happens now.
   *
   * @param event Name of the event.
   * @param fields Its fields, unmasked.
   */
  add<Name extends RunEventName>(event: Name, fields: RunEvents[Name]): void {
    const stamped = {
      event,
      time: new Date().toISOString(),
      ms: this.ms,
      ...fields,
    } as unknown as RunEvent;
    this.events.push(stamped);
    this.onEvent?.(stamped);
  }

  /**
   * Records, once, the rule by which the values of a variable or option, or
   * those that a step or plugin registers, are masked.
   *
   * @param rule The rule.
   * @param name Name of the variable, option, step or plugin, if known.
   */
  recordSecret(rule: string, name?: string): void {
    const key = `${rule}\0${name ?? ""}`;
    if (this.#secrets.has(key)) return;
    this.#secrets.add(key);
    this.add("secret.masked", name === undefined ? { rule } : { rule, name });
  }

  /**
   * Updates the paths of renamed logs.
   *
   * @param renamed Names of the files, by their names before.
   */
  renameLogs(renamed: RenamedLogs): void {
    for (const [index, event] of this.events.entries()) {
      if (event.event !== "step.ended" || event.log === undefined) continue;
      const log = updateLogPath(event.log, renamed);
      if (log !== event.log) this.events[index] = { ...event, log };
    }
  }

  /**
   * Converts a time to the clock of the record.
   *
   * @param time Time from `performance.now()`.
   * @returns Milliseconds since the run started.
   */
  msAt(time: number): number {
    return Math.max(0, time - this.#start);
  }

  /**
   * Records the start of the run as the first event.
   *
   * @param fields Fields of the event.
   */
  begin(fields: RunEvents["run.started"]): void {
    const time = new Date(this.#startedAt).toISOString();
    this.events.unshift({ event: "run.started", time, ms: 0, ...fields });
  }
}

/**
 * Returns the path of a log that may have been renamed.
 *
 * @param path Path before.
 * @param renamed Names of renamed files, by their names before.
 */
export function updateLogPath(path: string, renamed: RenamedLogs): string {
  const start = path.lastIndexOf("/") + 1;
  const name = renamed.get(path.slice(start));
  return name === undefined ? path : path.slice(0, start) + name;
}
