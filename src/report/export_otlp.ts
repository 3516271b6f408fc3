import { Variable } from "../environment/variables.ts";
import { messageOf } from "../errors.ts";
import { headerList, isCredential } from "../secrets/collect.ts";
import { showUrl, showUrlsIn } from "../url_secrets.ts";
import { otlpRequests, type ResourceAttributes } from "./formats/otlp.ts";
import type { RunRecord } from "./run_record.ts";

/** Longest time that exporting may take in all, in milliseconds. */
const TIMEOUT_MS = 2_000;

const DEFAULT_ENDPOINT = "http://localhost:4318";

type Env = Readonly<Record<string, string>>;

/** A kind of data that a collector takes. */
type Signal = "traces" | "metrics";

/** Options for {@linkcode exportRun}. */
export interface ExportRunOptions {
  /** Whether credentials may be sent over plain HTTP. */
  allowInsecureTransport: boolean;
  /** Called with each failure. */
  onWarning: (message: string) => void;
}

/**
 * Sends a run to a collector. A collector that is dead, silent or failing costs
 * at most two seconds, and the run its traces, but never its result.
 *
 * @param record The run, masked.
 * @param env Environment of the runner.
 * @param options Transport, and where failures are reported.
 */
export async function exportRun(
  record: RunRecord,
  env: Env,
  { allowInsecureTransport, onWarning }: ExportRunOptions,
): Promise<void> {
  const requests = otlpRequests(record, resourceOf(env));
  const limitMs = timeoutOf(env);
  const signal = AbortSignal.timeout(limitMs);
  const isSampled = record.started.trace.sampled;
  await Promise.all(
    (["traces", "metrics"] as const)
      .filter((kind) =>
        env[`OTEL_${kind.toUpperCase()}_EXPORTER`] !== "none" &&
        (kind !== "traces" || isSampled)
      )
      .map(async (kind) => {
        const url = endpointOf(env, kind);
        try {
          const headers = headersOf(env, kind);
          checkTransport(url, headers, allowInsecureTransport);
          await send(url, requests[kind], new Headers(headers), signal);
        } catch (error) {
          const reason = signal.aborted
            ? `no answer within ${limitMs} ms`
            : showUrlsIn(messageOf(error), url);
          onWarning(`Cannot export ${kind} to "${showUrl(url)}": ${reason}`);
        }
      }),
  );
}

/** @throws If a credential would be sent unencrypted to another machine. */
function checkTransport(
  text: string,
  headers: readonly (readonly [string, string])[],
  isAllowed: boolean,
): void {
  const url = URL.parse(text);
  // The message of fetch() contains the text.
  if (url === null) throw new Error("it is not a URL");
  const isLocal = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(url.hostname);
  const hasCredential = url.username !== "" || url.password !== "" ||
    headers.some(([name, value]) => isCredential(name, value));
  if (url.protocol !== "http:" || isLocal || isAllowed || !hasCredential) {
    return;
  }
  throw new Error(
    "plain HTTP would send the credentials unencrypted. Use an https URL, or allow it with " +
      `${Variable.allowInsecureTransport}=true or --allow-insecure-transport`,
  );
}

async function send(
  url: string,
  body: object,
  headers: Headers,
  signal: AbortSignal,
): Promise<void> {
  headers.set("content-type", "application/json");
  const response = await fetch(url, {
    method: "POST",
    headers,
    body: JSON.stringify(body),
    // Headers hold a token of the collector, and of nobody else.
    redirect: "manual",
    signal,
  });
  await response.body?.cancel();
  if (!response.ok) throw new Error(`it answered with ${response.status}`);
}

function endpointOf(env: Env, kind: Signal): string {
  const own = env[`OTEL_EXPORTER_OTLP_${kind.toUpperCase()}_ENDPOINT`];
  if (own) return own;
  const base = env.OTEL_EXPORTER_OTLP_ENDPOINT || DEFAULT_ENDPOINT;
  return `${base.replace(/\/+$/, "")}/v1/${kind}`;
}

/**
 * Returns the headers of a request. The error about an invalid one contains
 * nothing of it, since it may be a token.
 */
function headersOf(env: Env, kind: Signal): [string, string][] {
  const list = headerList(given(env, "HEADERS", kind) ?? "");
  const headers = list.map((
    { name, value },
  ): [string, string] => [name, value]);
  try {
    new Headers(headers);
  } catch {
    throw new Error("a header is invalid");
  }
  return headers;
}

/** A time that is none, or too long, is as good as the longest one. */
function timeoutOf(env: Env): number {
  const ms = Number(given(env, "TIMEOUT", "traces"));
  return ms > 0 ? Math.min(TIMEOUT_MS, ms) : TIMEOUT_MS;
}

function resourceOf(env: Env): ResourceAttributes {
  const attributes = Object.fromEntries(
    headerList(env.OTEL_RESOURCE_ATTRIBUTES ?? "")
      .map(({ name, value }) => [name, value]),
  );
  const name = env.OTEL_SERVICE_NAME;
  return name ? { ...attributes, "service.name": name } : attributes;
}

/** The variable of one signal wins over that of all. */
function given(
  env: Env,
  name: "ENDPOINT" | "HEADERS" | "TIMEOUT",
  kind: Signal,
): string | undefined {
  return env[`OTEL_EXPORTER_OTLP_${kind.toUpperCase()}_${name}`] ||
    env[`OTEL_EXPORTER_OTLP_${name}`] || undefined;
}
