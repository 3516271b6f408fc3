import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  createOtlpRequests,
  otlpReport,
} from "../../src/report/formats/otlp.ts";
import { readRecord } from "../../src/report/run_record.ts";
import { assertOtlp } from "../helpers/otlp_protos.ts";
import { recordLine, startedLine } from "../helpers/record_lines.ts";

const OUTCOMES = [
  ["success", 0],
  ["failed", 3],
  ["timeout", null],
  ["cancelled", 143],
  ["neutral", 3],
] as const;

const STARTED = startedLine({
  name: 'ship "it"\n\u{1f600}',
  repository: "https://example.com/a.git",
  ref: "main",
  commit: "0".repeat(40),
  trace: {
    traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
    spanId: "00f067aa0ba902b7",
    parentSpanId: "b7ad6b7169203331",
    sampled: true,
  },
});

const STEPS = [
  recordLine("service.ready", 5, { step: "step success", durationMs: 4.9 }),
  ...OUTCOMES.map(([outcome, exitCode], index) =>
    recordLine("step.ended", 100 * index, {
      step: `step ${outcome}`,
      outcome,
      conclusion: outcome,
      exitCode,
      signal: exitCode === null ? "SIGKILL" : null,
      startedAt: "2026-01-01T00:00:00.000Z",
      durationMs: 12.3456,
      attempts: [1, 2].map((number) => ({
        number,
        startMs: 0.00049,
        durationMs: 6.0001,
        outcome: number === 1 ? "failed" : outcome,
        exitCode,
        signal: exitCode === null ? "SIGKILL" : null,
        reason: "exit code\u0000 3",
        spanId: `00000000000${index}000${number}`,
      })),
    })
  ),
];

const ENDINGS = [
  ...["success", "failed", "cancelled", "timeout"].map((status) =>
    recordLine("run.ended", 7_200_001, {
      status,
      exitCode: status === "success" ? 0 : 137,
      durationMs: 7_200_000.9,
      ...status === "success" ? {} : { error: "it failed" },
    })
  ),
  // Its runner was killed.
  "",
];

describe("a run as OTLP", () => {
  for (const steps of [[], STEPS]) {
    for (const ending of ENDINGS) {
      const { status = "killed" } = JSON.parse(ending || "{}");
      it(`is parsed without loss by the official definitions: ${status}, ${steps.length} steps`, () => {
        const record = readRecord([STARTED, ...steps, ending].join("\n"))!;
        const attributes = { "deployment.environment.name": "ci" };
        const { traces, metrics } = createOtlpRequests(record, attributes);
        assertOtlp("traces", JSON.parse(JSON.stringify(traces)));
        assertOtlp("metrics", JSON.parse(JSON.stringify(metrics)));
        const lines = otlpReport(record).trimEnd().split("\n");
        assertEquals(lines.length, 2);
        assertOtlp("traces", JSON.parse(lines[0]));
        assertOtlp("metrics", JSON.parse(lines[1]));
      });
    }
  }

  it("contains the time at which a service was ready", () => {
    const record = readRecord([STARTED, ...STEPS, ENDINGS[1]].join("\n"))!;
    const { traces } = createOtlpRequests(record);
    assertStringIncludes(
      JSON.stringify(traces),
      '"events":[{"timeUnixNano":"1767225600005000000","name":"ready"}]',
    );
  });

  it("is compared with definitions that reject invalid data", () => {
    const record = readRecord([STARTED, ...STEPS, ENDINGS[1]].join("\n"))!;
    const text = JSON.stringify(createOtlpRequests(record).traces);
    for (
      const [right, wrong] of [
        ['"kind":2', '"kind":"2"'],
        ['"flags":1', '"flag":1'],
        ['"scopeSpans"', '"spans"'],
        ['"intValue":"3"', '"intValue":3'],
        ['"stringValue":"main"', '"stringValue":7'],
        ['"startTimeUnixNano":"', '"startTimeUnixNano":"99'],
        ['"spanId":"00f067aa0ba902b7"', '"spanId":"APBnqgupArc="'],
      ]
    ) {
      const request = JSON.parse(text.replace(right, wrong));
      assertThrows(() => assertOtlp("traces", request), Error, "", wrong);
    }
    assertThrows(() => assertOtlp("metrics", JSON.parse(text)));
  });
});
