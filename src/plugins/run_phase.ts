import {
  PLUGIN_CLEANUP_TIMEOUT,
  PLUGIN_TIMEOUT,
} from "../options/security_options.ts";
import { MAX_DURATION_MS, parseDuration } from "../schema/duration.ts";
import { RunnerError } from "../errors.ts";
import type { Logger } from "../output/logger.ts";
import { onAbort } from "../process/cancellation.ts";
import { settlesWithin, timeLimit } from "../process/time_limit.ts";
import type { MaskStream } from "../secrets/mask/stream.ts";
import type { RegisteredPlugin } from "./registry.ts";
import {
  type Phase,
  PHASE_METHODS,
  type PhaseContext,
  type PluginContext,
} from "./plugin.ts";
import { PluginLog } from "./plugin_log.ts";
import { thrownText } from "./thrown_text.ts";

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
   * Maximum time one plugin may take, in milliseconds.
   *
   * @default {that of the option `plugin_timeout`}
   */
  hookTimeoutMs?: number;
  /**
   * Receives each time as it is measured, also when the phase fails.
   *
   * @default {none}
   */
  onTiming?: (timing: PluginTiming) => void;
  /**
   * Receives each number that a plugin records.
   *
   * @default {none}
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
 * @param context Context of all plugins, as a plain object; its `shared` map
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
    hookTimeoutMs = parseDuration(
      phase === "cleanup" ? PLUGIN_CLEANUP_TIMEOUT : PLUGIN_TIMEOUT,
    ) ?? 0,
  } = options;
  if (hookTimeoutMs > 0 && hookTimeoutMs <= MAX_DURATION_MS) {
    return hookTimeoutMs;
  }
  throw new RangeError(
    `Cannot use hookTimeoutMs: ${hookTimeoutMs} is not between 1 and ${MAX_DURATION_MS}`,
  );
}

/**
 * What each plugin keeps during a run. The map that all of them share stands
 * for the run, and this goes away with it.
 */
const STATES = new WeakMap<
  PhaseContext["shared"],
  WeakMap<RegisteredPlugin, PluginContext["state"]>
>();

/** A method by which a plugin is called. */
type Hook = "execute" | (typeof PHASE_METHODS)[Phase][number];

/** Options for {@linkcode runPlugin}. */
export interface RunPluginOptions {
  /** Maximum time the plugin may take, in milliseconds. */
  timeoutMs: number;
  /** Where the plugin says something. */
  logger: Logger;
  /** Starts a stream that masks secrets in what the plugin says. */
  maskStream: () => MaskStream;
  /** Receives each number that the plugin records. */
  onMetric?: (metric: PluginMetric) => void;
  /**
   * Ends the plugin early.
   *
   * @default {never}
   */
  cancelled?: AbortSignal;
}

/** How a plugin did in a phase. */
export interface RunPluginResult {
  /** Time in milliseconds. */
  readonly durationMs: number;
  /** What went wrong, if anything did. */
  readonly error?: RunnerError;
}

/**
 * Calls one plugin in one phase.
 *
 * @param registered The plugin.
 * @param phase The phase.
 * @param context Context of all plugins.
 * @param options Limits and logger.
 * @returns How it did, `null` if it has nothing to do in this phase.
 */
export async function runPlugin(
  registered: RegisteredPlugin,
  phase: Phase,
  context: PhaseContext,
  options: RunPluginOptions,
): Promise<RunPluginResult | null> {
  const { timeoutMs, logger, cancelled, onMetric, maskStream } = options;
  const { name, plugin } = registered;
  const startedAt = performance.now();
  using messages = new PluginLog({
    maskStream,
    onLine: (line) => logger.info(`plugin:${name}`, line),
  });
  try {
    const hooks = hooksOf(registered, phase);
    if (hooks.length === 0) return null;
    await runHook(async (signal) => {
      const own: PluginContext = Object.freeze({
        ...context,
        phase,
        signal,
        state: stateOf(registered, context.shared),
        log: (message: string) => messages.write(message),
        metric: (metric: string, value: number) => {
          checkMetric(metric, value);
          onMetric?.({ plugin: name, phase, name: metric, value });
        },
      });
      for (const hook of hooks) {
        // A plugin that was given up must not start anything new.
        signal.throwIfAborted();
        await plugin[hook]!(own);
      }
    }, { timeoutMs, cancelled });
    return { durationMs: performance.now() - startedAt };
  } catch (cause) {
    const durationMs = performance.now() - startedAt;
    return { durationMs, error: pluginError(name, phase, cause) };
  }
}

/**
 * Lists the methods by which a plugin is called in a phase.
 *
 * @param registered The plugin.
 * @param phase The phase.
 * @returns Names of methods; none if it is not called.
 */
export function hooksOf(
  { plugin, phases }: RegisteredPlugin,
  phase: Phase,
): readonly Hook[] {
  if (!phases.has(phase) || !(plugin.enabled ?? true)) return [];
  const hooks = ["execute", ...PHASE_METHODS[phase]] as const;
  return hooks.filter((hook) => plugin[hook] !== undefined);
}

function stateOf(
  registered: RegisteredPlugin,
  shared: PhaseContext["shared"],
): PluginContext["state"] {
  const states = STATES.get(shared) ?? new WeakMap();
  const state = states.get(registered) ?? new Map<string, unknown>();
  STATES.set(shared, states.set(registered, state));
  return state;
}

function checkMetric(name: unknown, value: unknown): void {
  if (typeof name === "string" && name !== "" && Number.isFinite(value)) return;
  throw new TypeError(
    `Cannot record a metric: "${name}" with value ${value} is none`,
  );
}

function pluginError(name: string, phase: Phase, cause: unknown): RunnerError {
  return new RunnerError(
    `Cannot run plugin "${name}" in phase ${phase}: ${thrownText(cause)}`,
    { code: "plugin-failed", cause },
  );
}

/** How long a hook may take to end once the job is cancelled, in milliseconds. */
export const CANCEL_GRACE_MS = 5_000;

/** Options for {@linkcode runHook}. */
export interface RunHookOptions {
  /** Maximum time the hook may take, in milliseconds. */
  timeoutMs: number;
  /**
   * Ends the hook early.
   *
   * @default {never}
   */
  cancelled?: AbortSignal;
}

/**
 * Waits for code of a plugin, but not for ever.
 *
 * What does not end in time is asked to, by its signal, and left to itself:
 * JavaScript cannot end it.
 *
 * @param hook The code; its signal is aborted when it should end.
 * @param options Limits.
 * @throws {unknown} What the hook throws.
 * @throws {DOMException} A `TimeoutError` or an `AbortError` if it was given up.
 */
export async function runHook(
  hook: (signal: AbortSignal) => Promise<void>,
  options: RunHookOptions,
): Promise<void> {
  const { timeoutMs, cancelled } = options;
  const over = new AbortController();
  const signal = cancelled === undefined
    ? over.signal
    : AbortSignal.any([cancelled, over.signal]);
  const running = hook(signal);
  using limit = timeLimit(timeoutMs);
  using cancellation = whenAborted(cancelled);
  // From here on the race sees to it that a late failure is not an unhandled one.
  const reason = await Promise.race([
    running.then(() => undefined),
    limit.reached.then(() => timeoutError(timeoutMs)),
    cancellation.aborted.then(() => giveUp(running)),
  ]);
  if (reason === undefined) return;
  over.abort(reason);
  throw reason;
}

async function giveUp(running: Promise<void>): Promise<DOMException> {
  // If it ends in time, the race was decided by then.
  await settlesWithin(running, CANCEL_GRACE_MS);
  return new DOMException(
    `it did not end within ${CANCEL_GRACE_MS} ms after the job was cancelled`,
    "AbortError",
  );
}

function timeoutError(timeoutMs: number): DOMException {
  return new DOMException(
    `it did not end within ${timeoutMs} ms`,
    "TimeoutError",
  );
}

function whenAborted(
  signal: AbortSignal | undefined,
): Disposable & { readonly aborted: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>();
  const listener = signal && onAbort(signal, resolve);
  return {
    aborted: promise,
    [Symbol.dispose]: () => listener?.[Symbol.dispose](),
  };
}
