import { RunnerError, thrownText } from "../errors.ts";
import {
  PLUGIN_CLEANUP_TIMEOUT,
  PLUGIN_TIMEOUT,
} from "../options/security_options.ts";
import type { Logger } from "../output/logger.ts";
import { CANCEL_GRACE_MS, onAbort } from "../process/cancellation.ts";
import { settlesWithin, timeLimit } from "../process/time_limit.ts";
import {
  durationText,
  MAX_DURATION_MS,
  parseDuration,
} from "../schema/duration.ts";
import type { MaskStream } from "../secrets/mask/mask_stream.ts";
import {
  type Phase,
  PHASE_METHODS,
  type PhaseContext,
  type PluginContext,
} from "./plugin.ts";
import { PluginLog } from "./plugin_log.ts";
import type { RegisteredPlugin } from "./registry.ts";

/** Teardown phases, in which plugins are called in reverse order. */
const REVERSED: ReadonlySet<Phase> = new Set([
  "post_source_prep",
  "post_execution",
  "cleanup",
]);

/** Phases that a failure or a cancellation does not cut short. */
const UNSTOPPABLE: ReadonlySet<Phase> = new Set(["on_error", "cleanup"]);

/** Duration of a plugin in a phase. */
export interface PluginTiming {
  /** Name of the plugin. */
  readonly plugin: string;
  /** The phase. */
  readonly phase: Phase;
  /** Duration in milliseconds. */
  readonly durationMs: number;
}

/** A metric that a plugin recorded about a job. */
export interface PluginMetric {
  /** Name of the plugin. */
  readonly plugin: string;
  /** Phase in which the metric was recorded. */
  readonly phase: Phase;
  /** Name of the metric. */
  readonly name: string;
  /** Recorded value. */
  readonly value: number;
}

/** Options for {@linkcode runPhase}. */
export interface RunPhaseOptions {
  /** Logger for messages of plugins, and for errors that do not end the job. */
  logger: Logger;
  /** Starts a stream that masks secrets in messages of plugins. */
  maskStream: () => MaskStream;
  /**
   * Time limit of each plugin, in milliseconds.
   *
   * @default {the default of the option for the phase}
   */
  hookTimeoutMs?: number;
  /**
   * Receives each timing as it is measured, even if the phase fails, and the
   * error, if there is one.
   *
   * @default {none}
   */
  onTiming?: (timing: PluginTiming, error?: RunnerError) => void;
  /**
   * Receives each metric that a plugin records.
   *
   * @default {none}
   */
  onMetric?: (metric: PluginMetric) => void;
}

/** Result of {@linkcode runPhase}. */
export interface RunPhaseResult {
  /**
   * Errors that do not end the job: those in `on_error` and `cleanup`, and
   * those of plugins whose error policy is `continue`.
   */
  readonly errors: readonly RunnerError[];
  /** Timings of the plugins that were called, in call order. */
  readonly timings: readonly PluginTiming[];
}

/**
 * Calls the plugins of a phase, one after the other.
 *
 * They are called in order of priority. In `post_source_prep`, `post_execution`
 * and `cleanup` the order is reversed, so that setup and teardown nest. In
 * `on_error` and `cleanup` every plugin is called, even if others fail, and
 * cancellation of the job is ignored.
 *
 * @param plugins Plugins by priority, as a registry lists them.
 * @param context Context of all plugins, as a plain object. Its `shared` map
 * must be the same in all phases of a run.
 * @param options Logger and limits.
 * @returns Errors and timings.
 * @throws {RunnerError} `plugin-failed` if a plugin throws or takes too long;
 * the remaining plugins are not called.
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
  const timeoutMs = resolveTimeout(phase, options);
  const isUnstoppable = UNSTOPPABLE.has(phase);
  const cancelled = isUnstoppable ? undefined : context.signal;
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
    onTiming?.(timing, error);
    if (error === undefined) continue;
    if (registered.errorPolicy === "fail" && !isUnstoppable) throw error;
    logger.error("plugins", error.message);
    errors.push(error);
  }
  return { errors, timings };
}

function resolveTimeout(phase: Phase, options: RunPhaseOptions): number {
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
 * State of each plugin during a run. The key is the map that plugins share,
 * which identifies the run; the state is collected along with it.
 */
const STATES = new WeakMap<
  PhaseContext["shared"],
  WeakMap<RegisteredPlugin, PluginContext["state"]>
>();

/** Name of a method that a phase calls. */
type Hook = "execute" | (typeof PHASE_METHODS)[Phase][number];

/** Options for {@linkcode runPlugin}. */
interface RunPluginOptions {
  /** Time limit of the plugin, in milliseconds. */
  timeoutMs: number;
  /** Logger for messages of the plugin. */
  logger: Logger;
  /** Starts a stream that masks secrets in messages of the plugin. */
  maskStream: () => MaskStream;
  /** Receives each metric that the plugin records. */
  onMetric?: (metric: PluginMetric) => void;
  /**
   * Cancels the plugin when aborted.
   *
   * @default {never}
   */
  cancelled?: AbortSignal;
}

/** Result of a plugin in a phase. */
interface RunPluginResult {
  /** Duration in milliseconds. */
  readonly durationMs: number;
  /** Error of the plugin, if it failed. */
  readonly error?: RunnerError;
}

/**
 * Calls one plugin in one phase.
 *
 * @param context Context of all plugins.
 * @param options Limits and logger.
 * @returns The result, or `null` if the plugin has no method for this phase.
 */
async function runPlugin(
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
    const hooks = getHooks(registered, phase);
    if (hooks.length === 0) return null;
    await runHook(async (signal) => {
      const pluginContext: PluginContext = Object.freeze({
        ...context,
        phase,
        signal,
        state: getPluginState(registered, context.shared),
        log: (message: string) => messages.write(message),
        metric: (metric: string, value: number) => {
          checkMetric(metric, value);
          onMetric?.({ plugin: name, phase, name: metric, value });
        },
      });
      for (const hook of hooks) {
        // An abandoned plugin must not start another method.
        signal.throwIfAborted();
        await plugin[hook]!(pluginContext);
      }
    }, { timeoutMs, cancelled });
    return { durationMs: performance.now() - startedAt };
  } catch (cause) {
    const durationMs = performance.now() - startedAt;
    return { durationMs, error: pluginError(name, phase, cause) };
  }
}

/**
 * Lists the methods of a plugin that a phase calls.
 *
 * @returns Names of methods; empty if the plugin is not called.
 */
export function getHooks(
  { plugin, phases }: RegisteredPlugin,
  phase: Phase,
): readonly Hook[] {
  if (!phases.has(phase) || !(plugin.enabled ?? true)) return [];
  const hooks = ["execute", ...PHASE_METHODS[phase]] as const;
  return hooks.filter((hook) => plugin[hook] !== undefined);
}

function getPluginState(
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
    `Cannot record metric "${name}" with value ${value}: it needs a name and a finite number`,
  );
}

function pluginError(name: string, phase: Phase, cause: unknown): RunnerError {
  return new RunnerError(
    `Cannot run plugin "${name}" in phase ${phase}: ${thrownText(cause)}`,
    { code: "plugin-failed", cause },
  );
}

/** Options for {@linkcode runHook}. */
interface RunHookOptions {
  /** Time limit of the hook, in milliseconds. */
  timeoutMs: number;
  /**
   * Cancels the hook when aborted.
   *
   * @default {never}
   */
  cancelled?: AbortSignal;
}

/**
 * Runs code of a plugin with a time limit.
 *
 * If the code does not return in time, its signal is aborted and the code is
 * abandoned: JavaScript cannot terminate it.
 *
 * @param hook The code; its signal is aborted when it should return.
 * @param options Limits.
 * @throws {unknown} The error that the hook throws.
 * @throws {DOMException} A `TimeoutError` or an `AbortError` if the hook was
 * abandoned.
 */
async function runHook(
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
  // The race also handles a rejection that comes after it is decided.
  const reason = await Promise.race([
    running.then(() => undefined),
    limit.reached.then(() => timeoutError(timeoutMs)),
    cancellation.aborted.then(() => abandonHook(running)),
  ]);
  if (reason === undefined) return;
  over.abort(reason);
  throw reason;
}

async function abandonHook(running: Promise<void>): Promise<DOMException> {
  // If the hook settles in time, that has already decided the race.
  await settlesWithin(running, CANCEL_GRACE_MS);
  return new DOMException(
    `it did not end within ${
      durationText(CANCEL_GRACE_MS)
    } after the job was cancelled`,
    "AbortError",
  );
}

function timeoutError(timeoutMs: number): DOMException {
  return new DOMException(
    `it did not end within ${durationText(timeoutMs)}`,
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
