import { messageOf } from "../errors.ts";
import { showUrl } from "../url_secrets.ts";
import { otlpRequests, type ResourceAttributes } from "./formats/otlp.ts";
import type { RunRecord } from "./run_record.ts";

/** Longest time that exporting may take in all, in milliseconds. */
const TIMEOUT_MS = 2_000;

const DEFAULT_ENDPOINT = "http://localhost:4318";

type Env = Readonly<Record<string, string>>;

/** A kind of data that a collector takes. */
type Signal = "traces" | "metrics";

/**
 * Sends a run to a collector. A collector that is dead, silent or failing costs
 * at most two seconds, and the run its traces, but never its result.
 *
 * @param record The run, masked.
 * @param env Environment of the runner.
 * @param onWarning Called with each failure.
 */
export async function exportRun(
  record: RunRecord,
  env: Env,
  onWarning: (message: string) => void,
): Promise<void> {
  const requests = otlpRequests(record, resourceOf(env));
  const limitMs = Math.min(
    TIMEOUT_MS,
    Number(given(env, "TIMEOUT", "traces")) || TIMEOUT_MS,
  );
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
          await send(url, requests[kind], headersOf(env, kind), signal);
        } catch (error) {
          const reason = signal.aborted
            ? `no answer within ${limitMs} ms`
            : messageOf(error);
          onWarning(`Cannot export ${kind} to "${showUrl(url)}": ${reason}`);
        }
      }),
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

/** `name=value,name=value`, values percent-encoded. */
function headersOf(env: Env, kind: Signal): Headers {
  return new Headers(pairs(given(env, "HEADERS", kind)));
}

function resourceOf(env: Env): ResourceAttributes {
  const attributes = Object.fromEntries(pairs(env.OTEL_RESOURCE_ATTRIBUTES));
  const name = env.OTEL_SERVICE_NAME;
  return name ? { ...attributes, "service.name": name } : attributes;
}

function pairs(text = ""): [string, string][] {
  return text.split(",").flatMap((pair): [string, string][] => {
    const at = pair.indexOf("=");
    const name = pair.slice(0, at).trim();
    if (at < 0 || name === "") return [];
    const value = pair.slice(at + 1).trim();
    try {
      return [[name, decodeURIComponent(value)]];
    } catch {
      return [[name, value]];
    }
  });
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
