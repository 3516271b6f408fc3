import { RunnerError } from "../errors.ts";
import type { Logger } from "../output/logger.ts";
import type { MaskStream } from "../secrets/mask/stream.ts";
import type { RegisteredPlugin } from "./check_plugin.ts";
import { type Phase, PHASE_METHODS } from "./phases.ts";
import type { PhaseContext, PluginContext } from "./plugin.ts";
import { runHook } from "./run_hook.ts";
import type { PluginMetric } from "./run_phase.ts";
import { PluginLog } from "./plugin_log.ts";
import { thrownText } from "./thrown_text.ts";

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
  /** Longest time the plugin may take, in milliseconds. */
  timeoutMs: number;
  /** Where the plugin says something. */
  logger: Logger;
  /** Starts a stream that masks secrets in what the plugin says. */
  maskStream: () => MaskStream;
  /** Receives each number that the plugin records. */
  onMetric?: (metric: PluginMetric) => void;
  /**
   * Wish that the plugin ends early.
   *
   * @default {nobody wishes that}
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
 * @param context What all plugins are told.
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
        // Whoever was given up must not begin anything new.
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
