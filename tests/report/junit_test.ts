import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { junitReport } from "../../src/report/formats/junit.ts";
import { readRecord } from "../../src/report/run_record.ts";
import { isProgramMissing } from "../helpers/missing_program.ts";
import { recordLine, startedLine } from "../helpers/record_lines.ts";
import { temporaryDirectory } from "../helpers/temporary_directory.ts";

const FIXTURES = new URL("../fixtures/", import.meta.url).pathname;

/** Elements that the schemas of Surefire and Jenkins share. */
const COMMON_SCHEMA = `${FIXTURES}junit.xsd`;

/** The schema of Surefire 2.22.3, as it was published. */
const SUREFIRE_SCHEMA = `${FIXTURES}surefire-test-report.xsd`;

const HOSTILE = "a]]>\"'&<b>\u0000\ufffe\n\tñ \u{1f600}";

const OUTCOMES = [
  "success",
  "failed",
  "timeout",
  "cancelled",
  "skipped",
  "neutral",
] as const;

/** A step with one of the outcomes, and a number of failed attempts before. */
function step(
  name: string,
  outcome: typeof OUTCOMES[number],
  { failedCount = 0, conclusion = outcome as string, reason = "" } = {},
): string {
  const wasRun = outcome !== "skipped";
  const attempt = { startMs: 1, durationMs: 2, exitCode: 3, signal: null };
  return recordLine("step.ended", 12_345_678, {
    step: name,
    outcome,
    conclusion,
    exitCode: wasRun ? 3 : null,
    signal: null,
    ...reason === "" ? {} : { reason },
    startedAt: wasRun ? "2026-01-01T00:00:00.000Z" : null,
    durationMs: wasRun ? 12_345_678 : 0,
    attempts: [
      ...Array.from({ length: failedCount }, (_, index) => ({
        ...attempt,
        number: index + 1,
        outcome: "failed",
        ...reason === "" ? {} : { reason },
      })),
      ...wasRun ? [{ ...attempt, number: failedCount + 1, outcome }] : [],
    ],
    tail: [HOSTILE, ""],
  });
}

function reportOf(...lines: string[]): string {
  return junitReport(readRecord([startedLine(), ...lines].join("\n"))!);
}

const EVERYTHING = [
  ...OUTCOMES.flatMap((outcome) => [
    step(outcome, outcome),
    step(`${outcome} ${HOSTILE}`, outcome, {
      failedCount: 2,
      reason: HOSTILE,
    }),
    step(`${outcome}, allowed`, outcome, {
      failedCount: 1,
      conclusion: "success",
    }),
  ]),
  // It was running when the runner was killed.
  recordLine("step.started", 1, { step: "running", attempt: 1 }),
];

/** Validates a document, and returns what is wrong. */
async function problemsOf(
  xml: string,
  schema = COMMON_SCHEMA,
): Promise<string> {
  await using directory = await temporaryDirectory();
  const file = `${directory.path}/junit.xml`;
  await Deno.writeTextFile(file, xml);
  const { success, stderr } = await new Deno.Command("xmllint", {
    args: ["--noout", "--nonet", "--schema", schema, file],
    stdout: "null",
    stderr: "piped",
  }).output();
  return success ? "" : new TextDecoder().decode(stderr);
}

describe("a run as JUnit", () => {
  it("counts each step by its outcome", () => {
    const xml = reportOf(...EVERYTHING);
    const [suite] = /<testsuite [^>]*>/.exec(xml)!;
    const counts = Object.fromEntries(
      Array.from(
        suite.matchAll(/ (tests|errors|skipped|failures)="(\d+)"/g),
        ([, name, count]) => [name, Number(count)],
      ),
    );
    const count = (tag: string) => xml.split(`<${tag} `).length - 1;
    assertEquals(counts, {
      tests: count("testcase"),
      errors: count("error"),
      skipped: count("skipped"),
      failures: count("failure"),
    });
    assertEquals([counts.tests, counts.failures], [19, 4]);
  });

  it("reports cancelled steps as skipped, not as passed", () => {
    const xml = reportOf(step("a", "cancelled", { reason: "interrupted" }));
    assert(xml.includes('<skipped message="interrupted"></skipped>'), xml);
    assert(xml.includes('skipped="1"'), xml);
  });

  it("has the failed attempts of a step that succeeded as flaky", () => {
    const xml = reportOf(step("a", "success", { failedCount: 2 }));
    assertEquals(xml.split("<flakyFailure ").length, 3);
    assertEquals(xml.includes("<failure"), false);
    assert(xml.includes('message="exit code 3" type="failed"'), xml);
  });
});

Deno.test({
  name: "a run as JUnit is valid by the rules of Surefire and Jenkins",
  ignore: isProgramMissing("xmllint"),
  async fn() {
    for (const xml of [reportOf(...EVERYTHING), reportOf()]) {
      assertEquals(await problemsOf(xml), "");
      // Only Jenkins knows the time at which a suite started.
      const surefire = xml.replace(/(<testsuite .*) timestamp="[^"]*"/, "$1");
      assertEquals(surefire.length, xml.length - 37);
      assertEquals(await problemsOf(surefire, SUREFIRE_SCHEMA), "");
    }
    // The schemas do reject what is wrong.
    const wrong = reportOf(step("a", "failed"))
      .replace(/ timestamp="[^"]*"/, "");
    for (const schema of [COMMON_SCHEMA, SUREFIRE_SCHEMA]) {
      assertEquals(await problemsOf(wrong, schema), "");
    }
    for (
      const text of [
        wrong.replace(/ type="failed"/, ""),
        wrong.replace(/ time="[^"]*"/g, ' time="1,5"'),
        wrong.replaceAll("failure", "failed"),
      ]
    ) {
      for (const schema of [COMMON_SCHEMA, SUREFIRE_SCHEMA]) {
        const problems = await problemsOf(text, schema);
        assert(problems.includes("fails to validate"), text);
      }
    }
  },
});
