import { assert, assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { bareLog } from "../../src/output/job_log.ts";
import {
  LogExporter,
  type LogExporterOptions,
} from "../../src/report/export_logs.ts";
import { Masker } from "../../src/secrets/masker.ts";

const NOWHERE = { write: () => Promise.resolve() };

const STARTED = {
  version: 1,
  kind: "job",
  id: "1",
  runner: { version: "0", deno: "2" },
  trace: { traceId: "a".repeat(32), spanId: "b".repeat(16), sampled: true },
} as const;

/** Exports what a function writes, and returns the bodies and warnings. */
async function exported(
  use: (write: (text: string) => void, masker: Masker) => void,
  options: Partial<LogExporterOptions> = {},
): Promise<{ lines: string[]; sizes: number[]; warnings: string[] }> {
  const lines: string[] = [];
  const sizes: number[] = [];
  const warnings: string[] = [];
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      const text = await request.text();
      sizes.push(text.length);
      const { resourceLogs: [{ scopeLogs: [{ logRecords }] }] } = JSON.parse(
        text,
      );
      for (const { body } of logRecords) lines.push(body.stringValue);
      return new Response();
    },
  );
  const { port } = server.addr as Deno.NetAddr;
  const masker = new Masker();
  const exporter = new LogExporter({
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}` },
    started: STARTED,
    masker,
    hasStderr: false,
    allowInsecureTransport: false,
    onWarning: (message) => void warnings.push(message),
    ...options,
  });
  const log = exporter.watch("step", bareLog(NOWHERE, NOWHERE));
  use((text) => void log.stdout.write(new TextEncoder().encode(text)), masker);
  await log.close();
  await exporter.finish();
  return { lines, sizes, warnings };
}

describe("LogExporter", () => {
  it("masks secrets that become known before a line is sent", async () => {
    const { lines } = await exported((write, masker) => {
      write("one late-secret two\n");
      masker.add("late-secret");
    });
    assertEquals(lines, ["one [REDACTED] two"]);
  });

  it("sends lines of any length in batches of a limited size", async () => {
    const long = "x".repeat(100_000);
    const { lines, sizes, warnings } = await exported((write) => {
      for (let index = 0; index < 30; index++) write(`${index}${long}\n`);
    });
    assertEquals(warnings, []);
    assert(sizes.length > 5);
    assert(sizes.every((size) => size < 1024 * 1024), sizes.join(" "));
    assertEquals(lines.join("").length, 30 * 100_000 + 10 + 40);
  });

  it("keeps a limited number of lines for a slow collector", async () => {
    const { lines, warnings } = await exported((write) => {
      // Nothing is sent now, since nothing is queued.
      for (let index = 0; index < 100; index++) write(`line ${index}\n`);
      // Each takes 200 more than its text.
    }, { maxQueueLength: 10 * 206 + 3 });
    assertEquals(lines, Array.from({ length: 10 }, (_, at) => `line ${at}`));
    assertMatch(
      warnings[0],
      /^Cannot export 90 lines of logs to ".*": the collector is too slow$/,
    );
  });
});
