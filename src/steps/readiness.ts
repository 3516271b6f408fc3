import type { ReadyConfig } from "../config/step_config.ts";
import { osReason } from "../errors.ts";
import type { StepLog } from "../output/job_log.ts";
import type { Sink } from "../output/sink.ts";
import { onAbort } from "../process/cancellation.ts";
import { pause, timeLimit } from "../process/time_limit.ts";
import { durationText } from "../schema/duration.ts";
import { withoutSequences } from "../terminal/text.ts";

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

/** Checks a condition; returns why it does not hold, or `undefined` if it does. */
type Check = (signal: AbortSignal) => Promise<string | undefined>;

/**
 * Waits until a service is ready.
 *
 * @param ready Conditions that must hold.
 * @param options Ports and callbacks of the checks.
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
  const checks = createChecks(ready, options);
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
      return `was not ready within ${durationText(timeoutMs)}` +
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
function createChecks(ready: ReadyConfig, options: ReadinessOptions): Check[] {
  const { http, log, command, status } = ready;
  const { ports } = options;
  const checks = findReadyPorts(ready, ports).map((port): Check => async () =>
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
    const [port = Object.values(ports)[0]] = findReadyPorts(ready, ports);
    const url = new URL(http, `http://127.0.0.1:${port}`);
    checks.push((signal) => httpProblem(url, { status, signal }));
  }
  if (command !== undefined) checks.push(options.runCommand);
  return checks;
}

/** Returns the ports that must accept connections. */
function findReadyPorts(
  { port, http, log, command }: ReadyConfig,
  ports: Readonly<Record<string, number>>,
): number[] {
  if (port !== undefined) {
    return [typeof port === "number" ? port : ports[port]];
  }
  const hasOther = [http, log, command].some((part) => part !== undefined);
  return hasOther ? [] : Object.values(ports);
}

/** Maximum time to wait for a response, in milliseconds. */
const RESPONSE_MS = 5_000;

/** Maximum number of bytes of a response that are read. */
const MAX_RESPONSE_BYTES = 4 * 1024;

/** Hosts on which a service may listen. */
const LOCAL_HOSTS = ["127.0.0.1", "::1"];

/**
 * Checks whether something accepts connections on a port of this machine.
 *
 * @returns Whether a connection could be opened; it is closed at once.
 * @throws {Deno.errors.NotCapable} If Deno does not permit connections.
 */
export async function acceptsConnections(port: number): Promise<boolean> {
  for (const hostname of LOCAL_HOSTS) {
    try {
      (await Deno.connect({ hostname, port })).close();
      return true;
    } catch (error) {
      if (error instanceof Deno.errors.NotCapable) throw error;
    }
  }
  return false;
}

/** Options for {@linkcode httpProblem}. */
interface HttpCheckOptions {
  /** Status codes that are accepted; 200 to 399 by default. */
  status: readonly number[] | undefined;
  /** Ends the check. */
  signal: AbortSignal;
}

/**
 * Checks the response of an HTTP server.
 *
 * The request is written by hand, because `fetch` would use the proxies of the
 * environment, and a service runs on this machine.
 *
 * @param url An `http:` URL.
 * @returns The problem; `undefined` if the response is accepted.
 * @throws {Deno.errors.NotCapable} If Deno does not permit connections.
 */
export async function httpProblem(
  url: URL,
  { status, signal }: HttpCheckOptions,
): Promise<string | undefined> {
  const over = AbortSignal.any([signal, AbortSignal.timeout(RESPONSE_MS)]);
  let response: string;
  try {
    response = await request(url, over);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    return over.aborted
      ? `${url.href} does not respond`
      : `${url.href} cannot be reached: ${osReason(error)}`;
  }
  const [, digits] = /^HTTP\/\d(?:\.\d)? (\d{3})\b/.exec(response) ?? [];
  if (digits === undefined) return `${url.href} does not respond with HTTP`;
  const code = Number(digits);
  const isAccepted = status === undefined
    ? code >= 200 && code <= 399
    : status.includes(code);
  return isAccepted ? undefined : `${url.href} responds with status ${code}`;
}

/** Returns the start of the response, at least its first line. */
async function request(url: URL, over: AbortSignal): Promise<string> {
  using connection = await Deno.connect({
    hostname: url.hostname.replace(/^\[|\]$/g, ""),
    port: Number(url.port || 80),
  });
  let isClosed = false;
  using _ = onAbort(over, () => {
    if (!isClosed) connection.close();
    isClosed = true;
  });
  const target = `${url.pathname}${url.search}`;
  const head = `GET ${target} HTTP/1.1\r\nHost: ${url.host}\r\n` +
    "User-Agent: runnerlib\r\nAccept: */*\r\nConnection: close\r\n\r\n";
  await connection.write(new TextEncoder().encode(head));
  const decoder = new TextDecoder();
  const bytes = new Uint8Array(MAX_RESPONSE_BYTES);
  let response = "";
  while (!response.includes("\n") && response.length < MAX_RESPONSE_BYTES) {
    const count = await connection.read(bytes);
    if (count === null) break;
    response += decoder.decode(bytes.subarray(0, count), { stream: true });
  }
  return response;
}

/**
 * Maximum length of an unfinished line that is searched again with its
 * continuation, in characters.
 */
const MAX_REST_LENGTH = 4 * 1024;

/** A log that is searched while it is written. */
interface WatchedLog {
  /** The log, which passes everything on. */
  readonly log: StepLog;
  /** Whether a line has contained one of the texts. */
  isFound(): boolean;
}

/**
 * Searches the lines of a log for texts, until one is found.
 *
 * The only syntax of a text is `*`, so searching takes linear time for any
 * output.
 *
 * @param texts Texts; `*` matches any text.
 * @returns The log to write to.
 */
export function watchLog(log: StepLog, texts: readonly string[]): WatchedLog {
  const patterns = texts.map((text) => text.split("*"));
  let isFound = false;

  function watch(sink: Sink): Sink {
    const decoder = new TextDecoder();
    let rest = "";
    return {
      write(bytes) {
        if (!isFound) {
          const lines = (rest + decoder.decode(bytes, { stream: true }))
            .split(/[\r\n]/);
          isFound = lines.some((line) => matchesAny(line, patterns));
          rest = lines.at(-1)!.slice(-MAX_REST_LENGTH);
        }
        return sink.write(bytes);
      },
    };
  }

  return {
    log: Object.create(log, {
      stdout: { value: watch(log.stdout) },
      stderr: { value: watch(log.stderr) },
    }),
    isFound: () => isFound,
  };
}

function matchesAny(
  line: string,
  patterns: readonly (readonly string[])[],
): boolean {
  const text = withoutSequences(line);
  return patterns.some((parts) => containsInOrder(text, parts));
}

/**
 * Matching each part at its first occurrence leaves the most text for the rest.
 */
function containsInOrder(text: string, parts: readonly string[]): boolean {
  let at = 0;
  for (const part of parts) {
    const found = text.indexOf(part, at);
    if (found === -1) return false;
    at = found + part.length;
  }
  return true;
}
