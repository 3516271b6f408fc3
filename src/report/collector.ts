import { type Environment, Variable } from "../environment/variables.ts";
import { headerList, isCredential } from "../secrets/collect.ts";

/** Maximum time that the end of a run waits for all collectors, in milliseconds. */
export const MAX_COLLECTOR_MS = 2_000;

const DEFAULT_ENDPOINT = "http://localhost:4318";

/** Names and values of headers. */
export type HeaderList = readonly (readonly [string, string])[];

/** Signal of OpenTelemetry. */
export type Signal = "traces" | "metrics" | "logs";

/** A request to a collector. */
export interface CollectorRequest {
  /** Method of the request. */
  readonly method: "POST" | "PUT";
  /** Address, which is checked by {@linkcode checkTransport}. */
  readonly url: string;
  /** Additional headers. */
  readonly headers: HeaderList;
  /** Type of the body. */
  readonly contentType: string;
  /** Body. */
  readonly body: string;
}

/**
 * Sends data to a collector. Only the status of the response is read.
 *
 * @throws If the collector cannot be reached or refuses the data.
 */
export async function send(
  { method, url, headers, contentType, body }: CollectorRequest,
  signal: AbortSignal,
): Promise<void> {
  const all = new Headers(headers.map(([name, value]) => [name, value]));
  all.set("content-type", contentType);
  const response = await fetch(url, {
    method,
    headers: all,
    body,
    // Headers contain a token for this collector only.
    redirect: "manual",
    signal,
  });
  await response.body?.cancel();
  if (!response.ok) {
    throw new Error(`it responded with status ${response.status}`);
  }
}

/** Options for {@linkcode sendSignal}. */
export interface SendSignalOptions {
  /** Environment of the runner, which sets the address and the headers. */
  env: Environment;
  /** Whether credentials may be sent over plain HTTP. */
  allowInsecureTransport: boolean;
  /** Ends the request. */
  signal: AbortSignal;
}

/**
 * Sends a request of OpenTelemetry's protocol to the collector that the standard
 * variables name.
 *
 * @param kind Signal of the request.
 * @param request The request, which is sent as JSON.
 * @throws If the collector cannot be reached or refuses the data, or if a
 * credential would be sent unencrypted.
 */
export async function sendSignal(
  kind: Signal,
  request: object,
  { env, allowInsecureTransport, signal }: SendSignalOptions,
): Promise<void> {
  const url = readCollectorUrl(env, kind);
  const headers = readCollectorHeaders(env, kind);
  checkTransport(url, headers, allowInsecureTransport);
  const body = JSON.stringify(request);
  await send(
    { method: "POST", url, headers, contentType: JSON_TYPE, body },
    signal,
  );
}

/** Maximum size of a response, in bytes. */
const MAX_RESPONSE_BYTES = 16 * 1024 * 1024;

/**
 * Reads JSON from a collector.
 *
 * @param url Address, which is checked by {@linkcode checkTransport}.
 * @returns Parsed JSON of any shape.
 * @throws If the collector cannot be reached, refuses the request, or sends
 * too much or no JSON.
 */
export async function receive(
  url: string,
  headers: HeaderList,
  signal: AbortSignal,
): Promise<unknown> {
  const response = await fetch(url, {
    headers: headers.map(([name, value]) => [name, value]),
    redirect: "manual",
    signal,
  });
  if (!response.ok || response.body === null) {
    await response.body?.cancel();
    throw new Error(`it responded with status ${response.status}`);
  }
  let text = "";
  for await (const part of response.body.pipeThrough(new TextDecoderStream())) {
    text += part;
    if (text.length > MAX_RESPONSE_BYTES) {
      throw new Error("it sent too much data");
    }
  }
  return JSON.parse(text);
}

/** @throws If a credential would be sent unencrypted to another machine. */
export function checkTransport(
  text: string,
  headers: HeaderList,
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
    "plain HTTP would send the credentials unencrypted; use an https URL, or allow it with " +
      `${Variable.allowInsecureTransport}=true or --allow-insecure-transport`,
  );
}

/** Type of the body of requests in JSON. */
export const JSON_TYPE = "application/json";

/** Returns the address for one signal from the standard variables. */
export function readCollectorUrl(env: Environment, kind: Signal): string {
  const specific = env[`OTEL_EXPORTER_OTLP_${kind.toUpperCase()}_ENDPOINT`];
  if (specific) return specific;
  const base = env.OTEL_EXPORTER_OTLP_ENDPOINT || DEFAULT_ENDPOINT;
  return `${base.replace(/\/+$/, "")}/v1/${kind}`;
}

/**
 * Returns the headers that the standard variables set. The error about an
 * invalid header does not show it, since it may be a token.
 */
export function readCollectorHeaders(
  env: Environment,
  kind: Signal,
): HeaderList {
  const headers = headerList(readSetting(env, "HEADERS", kind) ?? "")
    .map(({ name, value }): [string, string] => [name, value]);
  try {
    new Headers(headers);
  } catch {
    throw new Error("a header is invalid");
  }
  return headers;
}

/**
 * Returns the time limit in milliseconds: the maximum if it is invalid or too
 * long.
 */
export function readCollectorTimeout(
  env: Environment,
  kind: Signal = "traces",
): number {
  const ms = Number(readSetting(env, "TIMEOUT", kind));
  return ms > 0 ? Math.min(MAX_COLLECTOR_MS, ms) : MAX_COLLECTOR_MS;
}

/**
 * Explains a possible cause of a failure if the variables are meant for a
 * program that speaks gRPC.
 */
export function explainProtocol(env: Environment, kind: Signal): string {
  return readSetting(env, "PROTOCOL", kind) === "grpc"
    ? '. The protocol is "grpc" in the environment, but this program sends JSON over HTTP, for which collectors have another port, usually 4318'
    : "";
}

/** The variable for one signal overrides the one for all. */
function readSetting(
  env: Environment,
  name: "HEADERS" | "TIMEOUT" | "PROTOCOL",
  kind: Signal,
): string | undefined {
  return env[`OTEL_EXPORTER_OTLP_${kind.toUpperCase()}_${name}`] ||
    env[`OTEL_EXPORTER_OTLP_${name}`] || undefined;
}
