import { onAbort } from "../process/cancellation.ts";
import { osReason } from "../errors.ts";

/** Maximum time to wait for a response, in milliseconds. */
const ANSWER_MS = 5_000;

/** Maximum number of bytes of a response that are read. */
const MAX_ANSWER_BYTES = 4 * 1024;

/** Hosts on which a service may listen. */
const LOCAL_HOSTS = ["127.0.0.1", "::1"];

/**
 * Checks whether something accepts connections on a port of this machine.
 *
 * @param port Number of the port.
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
export interface HttpCheckOptions {
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
 * @param options Accepted status codes, and a signal.
 * @returns The problem; `undefined` if the response is accepted.
 * @throws {Deno.errors.NotCapable} If Deno does not permit connections.
 */
export async function httpProblem(
  url: URL,
  { status, signal }: HttpCheckOptions,
): Promise<string | undefined> {
  const over = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]);
  let answer: string;
  try {
    answer = await request(url, over);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    return over.aborted
      ? `${url.href} does not answer`
      : `${url.href} cannot be reached: ${osReason(error)}`;
  }
  const [, digits] = /^HTTP\/\d(?:\.\d)? (\d{3})\b/.exec(answer) ?? [];
  if (digits === undefined) return `${url.href} does not answer with HTTP`;
  const code = Number(digits);
  const isAccepted = status === undefined
    ? code >= 200 && code <= 399
    : status.includes(code);
  return isAccepted ? undefined : `${url.href} answers with status ${code}`;
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
  const bytes = new Uint8Array(MAX_ANSWER_BYTES);
  let answer = "";
  while (!answer.includes("\n") && answer.length < MAX_ANSWER_BYTES) {
    const count = await connection.read(bytes);
    if (count === null) break;
    answer += decoder.decode(bytes.subarray(0, count), { stream: true });
  }
  return answer;
}
