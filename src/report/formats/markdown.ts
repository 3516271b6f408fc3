import { TAIL_LINES } from "../../output/log_tail.ts";
import { criticalPath } from "../critical_path.ts";
import { formatDuration } from "../durations.ts";
import {
  artifactLines,
  mostSevere,
  problemCounts,
  problemPlace,
} from "../record_text.ts";
import { type RunRecord, runStatus } from "../run_record.ts";
import {
  hasFailed,
  isFlaky,
  outcomeText,
  resultMark,
} from "../step_outcome.ts";

/** Maximum number of problems that are shown. */
const MAX_PROBLEMS = 50;

/**
 * Maximum number of failed steps that are shown with their lines; the table has
 * all.
 */
const MAX_FAILURES = 10;

/**
 * Writes a run as Markdown, for the summary page of a CI system or a comment.
 *
 * The failed steps with their last lines come first, then all steps as a table.
 *
 * @param record The run.
 * @returns GitHub-flavored Markdown.
 */
export function markdownReport(record: RunRecord): string {
  const { ended, lastMs, problems, steps } = record;
  const failed = steps.filter(hasFailed);
  const status = runStatus(record);
  const title = record.started.name ?? record.started.kind;
  const time = formatDuration(ended?.durationMs ?? lastMs);
  const path = criticalPath(steps).steps;
  return [
    `## ${resultMark(status)} ${escape(title)}: ${status} in ${time}`,
    ...ended?.error && failed.length === 0 ? [escape(ended.error)] : [],
    ...failed.slice(0, MAX_FAILURES).map((step) => {
      const reason = step.reason === undefined
        ? ""
        : `: ${escape(step.reason)}`;
      return `### ${resultMark("failed")} ${escape(step.name)} (${
        outcomeText(step)
      })${reason}\n\n${fenced(step.tail.slice(-TAIL_LINES))}`;
    }),
    ...failed.length > MAX_FAILURES
      ? [`${failed.length - MAX_FAILURES} more steps failed.`]
      : [],
    ...problems.length === 0 ? [] : [problemTable(record)],
    ...steps.length === 0 ? [] : [stepTable(record)],
    ...path.length < 2 ? [] : [
      `Critical path: ${
        path.map(({ name, durationMs }) =>
          `${escape(name)} (${formatDuration(durationMs)})`
        ).join(" → ")
      }`,
    ],
    ...record.artifacts.length === 0 ? [] : [
      artifactLines(record).map(([what, text]) => `- ${what}: ${escape(text)}`)
        .join("\n"),
    ],
  ].join("\n\n") + "\n";
}

function problemTable({ problems }: RunRecord): string {
  const rows = mostSevere(problems).slice(0, MAX_PROBLEMS).map((problem) => {
    const { severity, message, owner, code, step } = problem;
    const rule = code === undefined ? owner : `${owner} ${code}`;
    return [severity, problemPlace(problem), message, rule, step];
  });
  const more = problems.length - rows.length;
  return [
    `### ${problemCounts(problems)}\n`,
    "| severity | place | message | rule | step |",
    "| --- | --- | --- | --- | --- |",
    ...rows.map((cells) => `| ${cells.map(escape).join(" | ")} |`),
    ...more === 0 ? [] : [`\n${more} more problems were found.`],
  ].join("\n");
}

function stepTable({ steps }: RunRecord): string {
  const rows = steps.map((step) => {
    const { attempts, startedAt, durationMs } = step;
    const notes = [
      isFlaky(step) ? "flaky" : "",
      attempts.length > 1 ? `${attempts.length} attempts` : "",
      step.reason ?? "",
    ];
    return [
      step.name,
      outcomeText(step),
      startedAt === null ? "–" : formatDuration(durationMs),
      notes.filter((note) => note !== "").join(" · "),
    ];
  });
  return [
    "| step | result | time | notes |",
    "| --- | --- | ---: | --- |",
    ...rows.map((cells) => `| ${cells.map(escape).join(" | ")} |`),
  ].join("\n");
}

/** Puts lines into a code block with a fence that none of them can close. */
function fenced(lines: readonly string[]): string {
  const text = lines.length === 0 ? "(no output)" : lines.join("\n");
  const runs = text.match(/`+/g) ?? [];
  const longest = runs.reduce(
    (longest, run) => Math.max(longest, run.length),
    2,
  );
  const fence = "`".repeat(longest + 1);
  return `${fence}text\n${text}\n${fence}`;
}

/**
 * Escapes text for a line or a cell, so that it contains no markup, tag or
 * mention.
 */
function escape(text: string): string {
  return text.replace(/\s+/g, " ")
    .replace(/[\\`*_{}[\]#!|~$]/g, "\\$&")
    .replace(/[&<>]/g, (character) => `&#${character.charCodeAt(0)};`)
    // An invisible word joiner keeps "@name" from being a mention.
    .replaceAll("@", "@\u2060");
}
