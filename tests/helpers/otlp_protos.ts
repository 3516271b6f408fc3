import { assertEquals } from "@std/assert";
// deno-lint-ignore no-import-prefix
import root from "npm:@opentelemetry/otlp-transformer@0.208.0/build/src/generated/root.js";
import type { Signal } from "../../src/report/collector.ts";

// deno-lint-ignore no-explicit-any
type Json = any;

/** The generated code of a message, which has no types. */
interface MessageType {
  verify(value: Json): string | null;
  fromObject(value: Json): Json;
  toObject(value: Json, options: object): Json;
  encode(value: Json): { finish(): Uint8Array };
  decode(bytes: Uint8Array): Json;
}

const { trace, metrics, logs } = (root as Json).opentelemetry.proto.collector;

const REQUESTS: Readonly<Record<Signal, MessageType>> = {
  traces: trace.v1.ExportTraceServiceRequest,
  metrics: metrics.v1.ExportMetricsServiceRequest,
  logs: logs.v1.ExportLogsServiceRequest,
};

/** Fields of bytes, which the protocol's JSON writes in hexadecimal digits. */
const IDS = new Set(["traceId", "spanId", "parentSpanId"]);

/**
 * Encodes a request in the binary form of the protocol and decodes it again,
 * with the code that OpenTelemetry generates from its definitions. The decoded
 * request must equal the one before: a field with an unknown name or a wrong
 * type would be missing or different.
 *
 * @param signal Type of the request.
 * @param request The request as JSON.
 * @throws {AssertionError} If the decoded request differs.
 */
export function assertOtlp(signal: Signal, request: Json): void {
  const type = REQUESTS[signal];
  const message = type.fromObject(mapIds(request, (id) => {
    assertEquals(/^(?:[0-9a-f]{16}|[0-9a-f]{32})$/.test(id), true, id);
    return Uint8Array.fromHex(id);
  }));
  assertEquals(type.verify(message), null);
  const decoded = type.decode(type.encode(message).finish());
  assertEquals(
    mapIds(type.toObject(decoded, { longs: String }), (id) => id.toHex()),
    request,
  );
}

/** Copies a request with other values for its IDs. */
function mapIds(value: Json, convert: (id: Json) => unknown): Json {
  if (Array.isArray(value)) return value.map((one) => mapIds(one, convert));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [
      key,
      IDS.has(key) ? convert(one) : mapIds(one, convert),
    ]),
  );
}
