import type { Logger } from "../../src/output/logger.ts";
import type { PhaseContext } from "../../src/plugins/plugin.ts";

/** A logger that prints nothing. */
export const SILENT_LOGGER: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  flush: () => Promise.resolve(),
};

/** Creates the context of a phase, for a test that calls plugins itself. */
export function phaseContext(over: Partial<PhaseContext> = {}): PhaseContext {
  return {
    config: { get: () => undefined, set() {}, keys: () => [] },
    env: {},
    jobPath: "/job",
    exitCode: null,
    error: undefined,
    shared: new Map(),
    signal: new AbortController().signal,
    registerSecret() {},
    addStep() {},
    registerSource() {},
    ...over,
  };
}
