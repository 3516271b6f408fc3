import { MAX_DURATION_MS } from "../config/duration.ts";
import type { RunnerError } from "../errors.ts";
import type { Logger } from "../output/logger.ts";
import type { MaskStream } from "../secrets/mask/stream.ts";
import type { RegisteredPlugin } from "./check_plugin.ts";
import type { Phase } from "./phases.ts";
import type { PhaseContext } from "./plugin.ts";
import { runPlugin } from "./run_plugin.ts";

/** Longest time a plugin may take in a phase, in milliseconds. */
const HOOK_TIMEOUT_MS = 60_000;

/** The same for clean-up, which may run while the whole container is being ended. */
const CLEANUP_TIMEOUT_MS = 10_000;

/** Phases in which what was set up last comes first. */
const REVERSED: ReadonlySet<Phase> = new Set([
  "post_source_prep",
  "post_execution",
  "cleanup",
]);

/** Phases that follow a failure or a cancellation and are gone through to the end. */
const UNSTOPPABLE: ReadonlySet<Phase> = new Set(["on_error", "cleanup"]);

/** How long a plugin took in a phase. */
export interface PluginTiming {
  /** Name of the plugin. */
  readonly plugin: string;
  /** The phase. */
  readonly phase: Phase;
  /** Time in milliseconds. */
  readonly durationMs: number;
}

/** A number that a plugin recorded about a job. */
export interface PluginMetric {
  /** Name of the plugin. */
  readonly plugin: string;
  /** Phase in which it was recorded. */
  readonly phase: Phase;
  /** What was measured. */
  readonly name: string;
  /** The number. */
  readonly value: number;
}

/** Options for {@linkcode runPhase}. */
export interface RunPhaseOptions {
  /** Where plugins say something, and where errors go that stop nothing. */
  logger: Logger;
  /** Starts a stream that masks secrets in what plugins say. */
  maskStream: () => MaskStream;
  /**
   * Longest time one plugin may take, in milliseconds.
   *
   * @default {60_000, in `cleanup` 10_000}
   */
  hookTimeoutMs?: number;
  /**
   * Receives each time as it is measured, also when the phase fails.
   *
   * @default {nobody}
   */
  onTiming?: (timing: PluginTiming) => void;
  /**
   * Receives each number that a plugin records.
   *
   * @default {nobody}
   */
  onMetric?: (metric: PluginMetric) => void;
}

/** What {@linkcode runPhase} did. */
export interface RunPhaseResult {
  /**
   * Errors that end nothing: those in `on_error` and `cleanup`, and those of
   * plugins whose policy is to continue.
   */
  readonly errors: readonly RunnerError[];
  /** Times of the plugins that were called, in that order. */
  readonly timings: readonly PluginTiming[];
}

/**
 * Calls the plugins of a phase, one after the other.
 *
 * They are called by priority; in `post_source_prep`, `post_execution` and
 * `cleanup` the other way round, so that setting up and tearing down nest. In
 * `on_error` and `cleanup` every plugin is called, whatever the others do, and
 * a cancellation of the job does not reach them.
 *
 * @param plugins Plugins by priority, as a registry lists them.
 * @param phase The phase.
 * @param context What all plugins are told, as a plain object; its `shared` map
 * is the same one in all phases of a run.
 * @param options Logger and limits.
 * @returns Errors and times.
 * @throws {RunnerError} `plugin-failed` if a plugin throws or takes too long;
 * those behind it are not called.
 * @throws {DOMException} The reason of `context.signal` if it is aborted
 * before a plugin is called.
 * @throws {RangeError} If the time limit is not positive or exceeds 100 years.
 */
export async function runPhase(
  plugins: readonly RegisteredPlugin[],
  phase: Phase,
  context: PhaseContext,
  options: RunPhaseOptions,
): Promise<RunPhaseResult> {
  const { logger, maskStream, onTiming, onMetric } = options;
  const timeoutMs = timeoutOf(phase, options);
  const unstoppable = UNSTOPPABLE.has(phase);
  const cancelled = unstoppable ? undefined : context.signal;
  const ordered = REVERSED.has(phase) ? plugins.toReversed() : plugins;
  const errors: RunnerError[] = [];
  const timings: PluginTiming[] = [];
  for (const registered of ordered) {
    cancelled?.throwIfAborted();
    const limits = { timeoutMs, logger, maskStream, cancelled, onMetric };
    const result = await runPlugin(registered, phase, context, limits);
    if (result === null) continue;
    const { durationMs, error } = result;
    const timing = { plugin: registered.name, phase, durationMs };
    timings.push(timing);
    onTiming?.(timing);
    if (error === undefined) continue;
    if (registered.errorPolicy === "fail" && !unstoppable) throw error;
    logger.error("plugins", error.message);
    errors.push(error);
  }
  return { errors, timings };
}

function timeoutOf(phase: Phase, options: RunPhaseOptions): number {
  const {
    hookTimeoutMs = phase === "cleanup" ? CLEANUP_TIMEOUT_MS : HOOK_TIMEOUT_MS,
  } = options;
  if (hookTimeoutMs > 0 && hookTimeoutMs <= MAX_DURATION_MS) {
    return hookTimeoutMs;
  }
  throw new RangeError(
    `Cannot use hookTimeoutMs: ${hookTimeoutMs} is not between 1 and ${MAX_DURATION_MS}`,
  );
}
