import { VERSION } from "../../package_version.ts";
import {
  formatDuration,
  formatLocation,
  type RecordedProblem,
} from "../record_text.ts";
import type { RunRecord, StepRecord } from "../run_record.ts";
import { hasFailed, outcomeText } from "../step_outcome.ts";

/** Rule of a step that failed. */
const STEP_RULE = "step-failed";

const LEVELS = { error: "error", warning: "warning", notice: "note" } as const;

/**
 * Writes the findings of a run as SARIF 2.1.0, for tools that show them next to
 * the code.
 *
 * The first run of the log is that of runnerlib, with the steps that failed.
 * Each problem matcher follows as a separate tool, with its problems.
 *
 * @param record The run.
 * @returns A SARIF log, indented.
 * @see https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
 */
export function sarifReport(record: RunRecord): string {
  const { problems, steps } = record;
  const owners = new Set(problems.map(({ owner }) => owner));
  return `${
    JSON.stringify(
      {
        $schema: "https://json.schemastore.org/sarif-2.1.0.json",
        version: "2.1.0",
        runs: [
          {
            ...createToolRun(
              "runnerlib",
              steps.filter(hasFailed).map(createStepResult),
            ),
            invocations: [createInvocation(record)],
          },
          ...Array.from(owners, (owner) =>
            createToolRun(
              owner,
              problems.filter((problem) => problem.owner === owner).map(
                createProblemResult,
              ),
            )),
        ],
      },
      null,
      2,
    )
  }\n`;
}

function createToolRun(
  name: string,
  results: readonly { readonly ruleId: string }[],
): object {
  const rules = new Set(results.map(({ ruleId }) => ruleId));
  return {
    tool: {
      driver: {
        name,
        ...name === "runnerlib" ? { version: VERSION } : {},
        rules: Array.from(rules, (id) => ({ id })),
      },
    },
    columnKind: "utf16CodeUnits",
    results,
  };
}

function createInvocation({ started, ended }: RunRecord): object {
  const start = new Date(started.time);
  return {
    executionSuccessful: ended?.status === "success",
    startTimeUtc: start.toISOString(),
    ...ended === undefined ? {} : {
      endTimeUtc: new Date(start.getTime() + ended.durationMs).toISOString(),
      exitCode: ended.exitCode,
    },
  };
}

/** The location of a failed step is its log. */
function createStepResult(step: StepRecord) {
  const { name, reason, log, tail, durationMs } = step;
  const ending = `Step "${name}": ${outcomeText(step)} after ${
    formatDuration(durationMs)
  }`;
  return {
    ruleId: STEP_RULE,
    level: "error",
    message: {
      text: [ending, ...reason === undefined ? [] : [reason], ...tail]
        .join("\n"),
    },
    locations: [{
      logicalLocations: [{ name, kind: "step" }],
      ...log === undefined ? {} : {
        physicalLocation: { artifactLocation: { uri: encodeUri(log) } },
      },
    }],
  };
}

function createProblemResult(problem: RecordedProblem) {
  const { owner, code, severity, message, file, line, column, step } = problem;
  const region = line === undefined || line === 0 ? undefined : {
    startLine: line,
    ...column === undefined || column === 0 ? {} : { startColumn: column },
  };
  return {
    ruleId: code ?? owner,
    level: LEVELS[severity],
    message: { text: message },
    locations: file === undefined ? [] : [{
      physicalLocation: {
        artifactLocation: { uri: encodeUri(file) },
        ...region === undefined ? {} : { region },
      },
    }],
    properties: { step, place: formatLocation(problem) },
  };
}

/** Relative paths stay relative, to the root of the repository. */
function encodeUri(path: string): string {
  const encoded = path.toWellFormed().split("/").map(encodeURIComponent)
    .join("/");
  return path.startsWith("/") ? `file://${encoded}` : encoded;
}
