import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
// deno-lint-ignore no-import-prefix
import published from "npm:@microsoft/jest-sarif@1.0.0-beta.0/lib/schemas/sarif-2.1.0-rtm.5.json" with {
  type: "json",
};
import { Ajv } from "ajv";
import { FORMATS } from "../../src/report/formats/formats.ts";
import { readRecord } from "../../src/report/run_record.ts";
import { VERSION } from "../../src/package_version.ts";
import {
  failedStepLine,
  recordLine,
  startedLine,
} from "../helpers/record_lines.ts";

// It is of an older draft, in which these two keys were others.
const { $schema: _draft, id: _id, ...SCHEMA } = published;

const validate = new Ajv({
  strict: false,
  allErrors: true,
  unicodeRegExp: false,
  formats: {
    "date-time": /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$/,
    uri: URL.canParse,
    "uri-reference": /^(?:[A-Za-z0-9\-._~!$'()*/]|%[0-9A-F]{2}|file:\/\/\/)+$/,
  },
}).compile(SCHEMA);

const HOSTILE = 'a b\u{202e}%]]>"<s>\ud800é\nx:1';

function problem(fields: Record<string, unknown>) {
  return recordLine("problem", 5, {
    step: "lint",
    owner: "eslint",
    severity: "error",
    message: "bad",
    ...fields,
  });
}

function step(name: string, more: Record<string, unknown>) {
  return failedStepLine(name, 9, more);
}

async function sarifOf(...lines: string[]) {
  const write = await FORMATS.sarif.load();
  const record = readRecord([startedLine(), ...lines].join("\n"))!;
  const text = await write(record, { color: false });
  const isValid = validate(JSON.parse(text));
  assert(isValid, JSON.stringify(validate.errors, null, 2));
  return JSON.parse(text);
}

describe("a run as SARIF", () => {
  it("has failed steps as results of the runner, at their logs", async () => {
    const log = await sarifOf(
      step("lint", {
        reason: "too long",
        tail: ["one", "two"],
        log: "job/artifacts/logs/lint 1.log",
      }),
      step("allowed", { conclusion: "success" }),
      step("fine", { outcome: "success", conclusion: "success", exitCode: 0 }),
      recordLine("run.ended", 10, {
        status: "failed",
        exitCode: 3,
        durationMs: 10,
      }),
    );
    const [{ tool: { driver }, invocations, results }, ...others] = log.runs;
    assertEquals(others, []);
    assertEquals(driver, {
      name: "runnerlib",
      version: VERSION,
      rules: [{ id: "step-failed" }],
    });
    assertEquals(
      [invocations[0].executionSuccessful, invocations[0].exitCode],
      [false, 3],
    );
    assertEquals(results, [{
      ruleId: "step-failed",
      level: "error",
      message: {
        text: 'Step "lint": exit code 3 after 1.5s\ntoo long\none\ntwo',
      },
      locations: [{
        logicalLocations: [{ name: "lint", kind: "step" }],
        physicalLocation: {
          artifactLocation: { uri: "job/artifacts/logs/lint%201.log" },
        },
      }],
    }]);
  });

  it("has a tool for each matcher, with its problems", async () => {
    const log = await sarifOf(
      problem({ file: "src/é b.ts", line: 3, column: 14, code: "no-x" }),
      problem({ owner: "tsc", severity: "notice", file: "/tmp/a.ts", line: 0 }),
      problem({ severity: "warning", file: "b.ts", line: 4, column: 0 }),
      problem({ severity: "warning", message: "of no file" }),
    );
    const [runner, eslint, tsc] = log.runs;
    assertEquals(runner.results, []);
    assertEquals(runner.invocations[0].executionSuccessful, false);
    assertEquals(
      [eslint, tsc].map(({ tool }) => [tool.driver.name, tool.driver.rules]),
      [["eslint", [{ id: "no-x" }, { id: "eslint" }]], ["tsc", [{
        id: "tsc",
      }]]],
    );
    const places = [...eslint.results, ...tsc.results].map((
      { level, locations },
    ) => [
      level,
      locations[0]?.physicalLocation.artifactLocation.uri,
      locations[0]?.physicalLocation.region,
    ]);
    assertEquals(places, [
      ["error", "src/%C3%A9%20b.ts", { startLine: 3, startColumn: 14 }],
      ["warning", "b.ts", { startLine: 4 }],
      ["warning", undefined, undefined],
      ["note", "file:///tmp/a.ts", undefined],
    ]);
  });

  it("is valid by the published schema, which rejects broken reports", async () => {
    const text = JSON.stringify(
      await sarifOf(problem({ file: "b.ts", line: 4 })),
    );
    for (
      const [right, wrong] of [
        ['"version":"2.1.0"', '"version":"2.1"'],
        ['"startLine":4', '"startLine":0'],
        ['"level":"error"', '"level":"notice"'],
        ['"uri":"b.ts"', '"uri":"b ts"'],
        ['"message":{"text":"bad"},', ""],
        ['"columnKind"', '"columns"'],
        ["T00:00:00.000Z", "T00:00:00.000"],
      ]
    ) {
      const log = JSON.parse(text.replace(right, wrong));
      assertEquals(validate(log), false, `${wrong} in ${text}`);
    }
  });

  it("is valid whatever the texts are", async () => {
    await sarifOf(
      step(HOSTILE, { reason: HOSTILE, tail: [HOSTILE], log: HOSTILE }),
      problem({
        step: HOSTILE,
        owner: HOSTILE,
        message: HOSTILE,
        file: HOSTILE,
        line: 1,
        column: 1,
        code: HOSTILE,
      }),
    );
  });
});
