/**
 * Reports as text: tables for terminals, Markdown, profiles and JSON.
 *
 * @module
 */
import { TAIL_LINES } from "../../output/log_tail.ts";
import { printableLines, withoutCommands } from "../../terminal/text.ts";
import { findCriticalPath } from "../critical_path.ts";
import {
  countProblems,
  formatArtifacts,
  formatDuration,
  formatLocation,
  sortBySeverity,
} from "../record_text.ts";
import { type RunRecord, runStatus, type StepRecord } from "../run_record.ts";
import {
  getResultMark,
  hasFailed,
  isFlaky,
  outcomeText,
} from "../step_outcome.ts";
import { formatSummary, type SummaryOptions } from "../summary.ts";

/**
 * Writes the table that a run printed at its end, and the total time.
 *
 * @param record The run.
 * @param options Width and color.
 * @returns Text.
 */
export function tableReport(
  record: RunRecord,
  options: SummaryOptions,
): string {
  const { steps, ended, lastMs, problems } = record;
  const table = steps.map((step) => ({
    ...step,
    attempts: step.attempts.length,
  }));
  const status = runStatus(record);
  const cached = steps.filter((step) => step.cached).length;
  const flaky = steps.filter(isFlaky).length;
  const total = `${status} in ${formatDuration(ended?.durationMs ?? lastMs)}`;
  const counts = [
    total,
    ...cached === 0 ? [] : [`${cached} cached`],
    ...flaky === 0 ? [] : [`${flaky} flaky`],
    ...problems.length === 0 ? [] : [countProblems(problems)],
  ];
  return [
    ...table.length === 0 ? [] : [formatSummary(table, options), ""],
    counts.join(", "),
    ...formatArtifacts(record).map(([what, text]) => `${what}: ${text}`),
    "",
  ].join("\n");
}

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
  const path = findCriticalPath(steps).steps;
  const text = [
    `## ${getResultMark(status)} ${
      escapeMarkdown(title)
    }: ${status} in ${time}`,
    ...ended?.error && failed.length === 0 ? [escapeMarkdown(ended.error)] : [],
    ...failed.slice(0, MAX_FAILURES).map((step) => {
      const reason = step.reason === undefined
        ? ""
        : `: ${escapeMarkdown(step.reason)}`;
      return `### ${getResultMark("failed")} ${escapeMarkdown(step.name)} (${
        outcomeText(step)
      })${reason}\n\n${fenceLines(step.tail.slice(-TAIL_LINES))}`;
    }),
    ...failed.length > MAX_FAILURES
      ? [`${failed.length - MAX_FAILURES} more steps failed.`]
      : [],
    ...problems.length === 0 ? [] : [formatProblemTable(record)],
    ...steps.length === 0 ? [] : [formatStepTable(record)],
    ...path.length < 2 ? [] : [
      `Critical path: ${
        path.map(({ name, durationMs }) =>
          `${escapeMarkdown(name)} (${formatDuration(durationMs)})`
        ).join(" → ")
      }`,
    ],
    ...record.artifacts.length === 0 ? [] : [
      formatArtifacts(record).map(([what, text]) =>
        `- ${what}: ${escapeMarkdown(text)}`
      )
        .join("\n"),
    ],
  ].join("\n\n") + "\n";
  // Without a file, the report is printed, where lines could be commands.
  return withoutCommands(text);
}

function formatProblemTable({ problems }: RunRecord): string {
  const rows = sortBySeverity(problems).slice(0, MAX_PROBLEMS).map(
    (problem) => {
      const { severity, message, owner, code, step } = problem;
      const rule = code === undefined ? owner : `${owner} ${code}`;
      return [severity, formatLocation(problem), message, rule, step];
    },
  );
  const more = problems.length - rows.length;
  return [
    `### ${countProblems(problems)}\n`,
    "| severity | place | message | rule | step |",
    "| --- | --- | --- | --- | --- |",
    ...rows.map((cells) => `| ${cells.map(escapeMarkdown).join(" | ")} |`),
    ...more === 0 ? [] : [`\n${more} more problems were found.`],
  ].join("\n");
}

function formatStepTable({ steps }: RunRecord): string {
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
    ...rows.map((cells) => `| ${cells.map(escapeMarkdown).join(" | ")} |`),
  ].join("\n");
}

/** Puts lines into a code block with a fence that none of them can close. */
function fenceLines(lines: readonly string[]): string {
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
function escapeMarkdown(text: string): string {
  return text.replace(/\s+/g, " ")
    .replace(/[\\`*_{}[\]#!|~$]/g, "\\$&")
    .replace(/[&<>]/g, (character) => `&#${character.charCodeAt(0)};`)
    // An invisible word joiner keeps "@name" from being a mention.
    .replaceAll("@", "@\u2060");
}

/** Maximum number of steps in each list. */
const MAX_PROFILED = 5;

/** Shorter times are omitted, in milliseconds. */
const MIN_MS = 100;

/**
 * Answers "what should I speed up?": the chain of steps that the run waited
 * for, steps that waited for a free slot, and what sources, plugins and the runner
 * itself cost.
 *
 * @param record The run.
 * @returns Text that is safe on a terminal.
 */
export function profileReport(record: RunRecord): string {
  const { steps, ended, lastMs, sources, plugins } = record;
  const totalMs = ended?.durationMs ?? lastMs;
  const path = findCriticalPath(steps);
  const stepsMs = measureCovered(steps);
  const sourcesMs = sum(sources.map(({ durationMs }) => durationMs));
  const pluginsMs = sum(plugins.map(({ durationMs }) => durationMs));
  const restMs = Math.max(0, totalMs - stepsMs - sourcesMs - pluginsMs);
  const lines = [
    `total ${formatDuration(totalMs)}: steps ${
      formatShare(stepsMs, totalMs)
    }, ` +
    `sources ${formatShare(sourcesMs, totalMs)}, ` +
    `plugins ${formatShare(pluginsMs, totalMs)}, rest ${
      formatShare(restMs, totalMs)
    }`,
    ...formatSection(
      `critical path, ${formatShare(path.durationMs, totalMs)} of the run:`,
      path.steps.map((step) => formatTimeLine(step.name, step.durationMs)),
    ),
    ...formatSection(
      "waited longest for a free slot (see --concurrency):",
      selectLongest(steps.map((step) => [step.name, measureWait(step)])),
    ),
    ...formatSection(
      "spent on attempts that failed:",
      selectLongest(steps.map((step) => [
        step.name,
        sum(step.attempts.slice(0, -1).map(({ durationMs }) => durationMs)),
      ])),
    ),
    ...formatSection(
      "slowest plugins:",
      selectLongest([...sumByPlugin(record)]),
    ),
  ];
  return `${printableLines(lines.join("\n"))}\n`;
}

function formatSection(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ["", title, ...lines];
}

function selectLongest(
  times: readonly (readonly [string, number])[],
): string[] {
  return times.filter(([, ms]) => ms >= MIN_MS)
    .sort(([, a], [, b]) => b - a)
    .slice(0, MAX_PROFILED)
    .map(([name, ms]) => formatTimeLine(name, ms));
}

function sumByPlugin({ plugins }: RunRecord): Map<string, number> {
  const times = new Map<string, number>();
  for (const { plugin, durationMs } of plugins) {
    times.set(plugin, (times.get(plugin) ?? 0) + durationMs);
  }
  return times;
}

function measureWait({ queuedMs, startMs }: StepRecord): number {
  return queuedMs === undefined || startMs === undefined
    ? 0
    : startMs - queuedMs;
}

/** Returns the time during which at least one step ran, in milliseconds. */
function measureCovered(steps: readonly StepRecord[]): number {
  const ran = steps.flatMap(({ startMs, durationMs }) =>
    startMs === undefined ? [] : [[startMs, startMs + durationMs] as const]
  ).sort(([a], [b]) => a - b);
  let covered = 0;
  let until = 0;
  for (const [start, end] of ran) {
    covered += Math.max(0, end - Math.max(start, until));
    until = Math.max(until, end);
  }
  return covered;
}

function formatTimeLine(name: string, ms: number): string {
  return `  ${formatDuration(ms).padStart(8)}  ${name}`;
}

function formatShare(ms: number, totalMs: number): string {
  const percent = totalMs === 0 ? 0 : Math.round(100 * ms / totalMs);
  return `${formatDuration(ms)} (${percent} %)`;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

/**
 * Writes a run as one JSON object, which combines the events of its record.
 *
 * @param record The run.
 * @returns JSON, indented.
 */
export function jsonReport(record: RunRecord): string {
  const { started, ended, lastMs, steps, ...rest } = record;
  const { event: _started, ms: _startMs, time: startedAt, ...run } = started;
  const path = findCriticalPath(steps);
  return `${
    JSON.stringify(
      {
        ...run,
        startedAt,
        status: runStatus(record),
        exitCode: ended?.exitCode ?? null,
        durationMs: ended?.durationMs ?? lastMs,
        error: ended?.error,
        steps: steps.map(({ styledTail: _, ...step }) => ({
          ...step,
          isFlaky: isFlaky(step),
        })),
        criticalPath: {
          durationMs: path.durationMs,
          steps: path.steps.map(({ name }) => name),
        },
        ...rest,
      },
      null,
      2,
    )
  }\n`;
}
