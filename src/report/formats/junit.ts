import type { AttemptRecord } from "../run_event.ts";
import type { RunRecord, StepRecord } from "../run_record.ts";
import { hasFailed, isFlaky, outcomeText } from "../step_outcome.ts";

/** Characters that XML 1.0 does not allow, even escaped. */
const INVALID = /[^\t\n\r\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu;

/**
 * Writes a run as JUnit XML in Surefire's dialect, which can mark flaky tests.
 *
 * Each step is a test case. A failed attempt of a step that succeeded later is
 * a `flakyFailure`; of a step that failed in the end, a `rerunFailure`.
 *
 * @param record The run.
 * @returns An XML document.
 * @see
 * https://maven.apache.org/surefire/maven-surefire-plugin/xsd/surefire-test-report.xsd
 */
export function junitReport(record: RunRecord): string {
  const { started, ended, lastMs, steps } = record;
  const name = started.name ?? started.kind;
  const counts = {
    tests: steps.length,
    errors: 0,
    skipped: steps.filter(isSkipped).length,
    failures: steps.filter(hasFailed).length,
  };
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    formatTag("testsuite", {
      name,
      time: formatSeconds(ended?.durationMs ?? lastMs),
      ...counts,
      timestamp: started.time,
    }),
    ...steps.flatMap((step) => formatTestCase(step, name)),
    "</testsuite>",
    "",
  ].join("\n");
}

function formatTestCase(step: StepRecord, suite: string): string[] {
  return [
    `  ${
      formatTag("testcase", {
        name: step.name,
        classname: suite,
        time: formatSeconds(step.durationMs),
      })
    }`,
    ...formatOutcome(step).map((line) => `    ${line}`),
    "  </testcase>",
  ];
}

function formatOutcome(step: StepRecord): string[] {
  if (isSkipped(step)) {
    return [
      `${
        formatTag("skipped", { message: step.reason ?? outcomeText(step) })
      }</skipped>`,
    ];
  }
  const failed = step.attempts.slice(0, -1);
  const output = formatElement("system-out", {}, step.tail.join("\n"));
  if (!hasFailed(step)) {
    const kind = isFlaky(step) ? "flakyFailure" : "rerunFailure";
    return [
      ...failed.map((one) => formatAttempt(kind, one)),
      output,
      // The format has no other place for it.
      ...step.cached
        ? [formatElement("system-err", {}, outcomeText(step))]
        : [],
    ];
  }
  const message = step.reason ?? outcomeText(step);
  return [
    formatElement(
      "failure",
      { message, type: step.outcome },
      step.tail.join("\n"),
    ),
    ...failed.map((one) => formatAttempt("rerunFailure", one)),
    output,
  ];
}

function formatAttempt(kind: string, attempt: AttemptRecord): string {
  const { outcome, reason } = attempt;
  const message = reason ?? outcomeText({ ...attempt, conclusion: outcome });
  const trace = formatElement("stackTrace", {}, message);
  return `${formatTag(kind, { message, type: outcome })}${trace}</${kind}>`;
}

/** A step that was cancelled has neither passed nor failed. */
function isSkipped({ outcome, startedAt }: StepRecord): boolean {
  return outcome === "skipped" || outcome === "cancelled" ||
    startedAt === null && outcome !== "failed";
}

function formatElement(
  name: string,
  attributes: Readonly<Record<string, string | number>>,
  text: string,
): string {
  return `${formatTag(name, attributes)}${escape(text)}</${name}>`;
}

function formatTag(
  name: string,
  attributes: Readonly<Record<string, string | number>>,
): string {
  const written = Object.entries(attributes).map(([key, value]) =>
    ` ${key}="${escape(String(value)).replaceAll("\n", "&#10;")}"`
  );
  return `<${name}${written.join("")}>`;
}

function escape(text: string): string {
  return text.replace(INVALID, "\ufffd")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}

function formatSeconds(ms: number): string {
  return (ms / 1000).toFixed(3);
}
