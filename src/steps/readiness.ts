import type { ReadyConfig } from "../config/step_config.ts";
import { pause, timeLimit } from "../process/time_limit.ts";
import { acceptsConnections, httpProblem } from "./ready_checks.ts";

/** Default time within which a service must be ready, in milliseconds. */
const TIMEOUT_MS = 60_000;

/** Default maximum delay between two checks, in milliseconds. */
const INTERVAL_MS = 500;

/**
 * Delay before the second check, in milliseconds; it doubles after each check.
 */
const FIRST_MS = 20;

/** Options for {@linkcode waitUntilReady}. */
export interface ReadinessOptions {
  /** Ports that were chosen for the service, by name. */
  readonly ports: Readonly<Record<string, number>>;
  /** Checks whether one of the texts of `log` was printed. */
  readonly isTextPrinted: () => boolean;
  /**
   * Runs the command of `ready`, and returns why it did not succeed;
   * `undefined` if it did.
   */
  readonly runCommand: (signal: AbortSignal) => Promise<string | undefined>;
  /** Ends the wait. */
  readonly signal: AbortSignal;
}

/** A condition; returns why it does not hold. */
type Check = (signal: AbortSignal) => Promise<string | undefined>;

/**
 * Waits until a service is ready.
 *
 * @param ready Conditions that must hold. @param options Ports and callbacks of
 * the checks.
 * @returns Why the service is not ready in time; `undefined` if it is ready, or
 * the wait was ended.
 */
export async function waitUntilReady(
  ready: ReadyConfig,
  options: ReadinessOptions,
): Promise<string | undefined> {
  const { timeoutMs = TIMEOUT_MS, intervalMs = INTERVAL_MS } = ready;
  const late = new AbortController();
  using limit = timeLimit(timeoutMs);
  limit.reached.then(() => late.abort());
  const over = AbortSignal.any([options.signal, late.signal]);
  const checks = checksOf(ready, options);
  let problem: string | undefined;
  let delayMs = FIRST_MS;
  while (checks.length > 0) {
    const found = await checks[0](over);
    if (options.signal.aborted) return undefined;
    // A check that the time limit cut short has a less useful message than the
    // previous one.
    if (found !== undefined && !(over.aborted && problem !== undefined)) {
      problem = found;
    }
    if (over.aborted) {
      return `was not ready within ${timeoutMs} ms` +
        (problem === undefined ? "" : `: ${problem}`);
    }
    if (found === undefined) {
      checks.shift();
      problem = undefined;
    } else {
      await pause(Math.min(delayMs, intervalMs), over);
      delayMs *= 2;
    }
  }
  return undefined;
}

/** Cheap checks come first. */
function checksOf(ready: ReadyConfig, options: ReadinessOptions): Check[] {
  const { http, log, command, status } = ready;
  const { ports } = options;
  const checks = readyPorts(ready, ports).map((port): Check => async () =>
    await acceptsConnections(port)
      ? undefined
      : `port ${port} does not accept connections`
  );
  if (log !== undefined) {
    checks.push(() =>
      Promise.resolve(
        options.isTextPrinted()
          ? undefined
          : `it has not printed ${log.map((text) => `"${text}"`).join(" or ")}`,
      )
    );
  }
  if (http !== undefined) {
    const [port = Object.values(ports)[0]] = readyPorts(ready, ports);
    const url = new URL(http, `http://127.0.0.1:${port}`);
    checks.push((signal) => httpProblem(url, { status, signal }));
  }
  if (command !== undefined) checks.push(options.runCommand);
  return checks;
}

/** Returns the ports that must accept connections. */
function readyPorts(
  { port, http, log, command }: ReadyConfig,
  ports: Readonly<Record<string, number>>,
): number[] {
  if (port !== undefined) {
    return [typeof port === "number" ? port : ports[port]];
  }
  const hasOther = [http, log, command].some((part) => part !== undefined);
  return hasOther ? [] : Object.values(ports);
}
