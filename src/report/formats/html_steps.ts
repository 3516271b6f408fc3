import { type CriticalPath, criticalPath } from "../critical_path.ts";
import { formatDuration } from "../durations.ts";
import type { RunRecord, StepRecord } from "../run_record.ts";
import { hasFailed, isFlaky } from "../step_outcome.ts";
import { type FailureOptions, shownFailures } from "./html_problems.ts";
import { stepRow } from "./html_step_row.ts";
import { type Html, markup, raw, resultClass } from "./html_text.ts";
import {
  bar,
  hasWaited,
  legend,
  stepOverview,
  ticks,
} from "./html_timeline.ts";

/**
 * With more steps than this, the page has an overview and a list of notable
 * steps.
 */
const MAX_LISTED = 60;

/** Maximum number of notable steps that are listed above the whole list. */
const MAX_NOTABLE = 50;

/** Maximum number of steps of the critical path that are named. */
const MAX_NAMED = 8;

/** Shorter work around the steps is omitted. */
const MIN_WORK_MS = 50;

/**
 * If the critical path is a smaller share of the run, more concurrency could
 * help.
 */
const MIN_PATH_SHARE = 0.6;

/**
 * Maximum total length of the last lines of all steps on a page, in UTF-16
 * units.
 */
const TAIL_ROOM = 128 * 1024;

/** Maximum length of the rows of a long list, in UTF-16 units. */
const MAX_ROWS_LENGTH = 800 * 1024;

/** Options for {@linkcode stepsSection}. */
export interface StepsOptions extends FailureOptions {
  /**
   * The runs of a workflow's jobs, by the index of the job.
   *
   * @default {their details are not shown}
   */
  jobs?: ReadonlyMap<number, RunRecord> | undefined;
  /**
   * Addresses of these runs.
   *
   * @default {no links}
   */
  runAddresses?: ReadonlyMap<number, string>;
}

/**
 * Writes the timeline of the steps of a run.
 *
 * @param record The run, which may still be active.
 * @param options Additional options.
 * @returns A section of the page; nothing if there are no steps.
 */
export function stepsSection(
  record: RunRecord,
  options: StepsOptions = {},
): Html | "" {
  const { started, steps, ended, lastMs } = record;
  if (steps.length === 0) return "";
  const what = started.kind === "workflow" ? "Jobs" : "Steps";
  const totalMs = Math.max(1, ended?.durationMs ?? lastMs);
  const path = criticalPath(steps);
  const critical = new Set(
    path.steps.filter(({ startedAt }) => startedAt !== null),
  );
  const isLong = steps.length > MAX_LISTED;
  const tails = steps.filter(({ tail }) => tail.length > 0).length;
  const failures = shownFailures(steps);
  const createRow: CreateRow = (index, { isAnchor, hasTail }) => {
    const { [index]: step } = steps;
    const log = step.startMs === undefined
      ? undefined
      : options.logAddress?.(index);
    return stepRow(step, {
      index,
      isAnchor,
      totalMs,
      isCritical: critical.has(step),
      isAbove: failures.has(index),
      isBrief: isLong,
      // A live page is sent many times, so it has links to logs instead.
      tailRoom: !hasTail || isLong && log !== undefined
        ? 0
        : Math.floor(TAIL_ROOM / Math.max(1, tails)),
      log,
      job: options.jobs?.get(index),
      run: options.runAddresses?.get(index),
    });
  };
  return markup`
    <section data-key="steps" aria-labelledby="steps">
      <h2 id="steps">${what}</h2>
      ${pathText(path, critical, totalMs)}
      ${waitText(steps, path, totalMs)}
      ${legend(steps)}
      ${
    isLong ? longList(record, createRow, { totalMs, what }) : list(
      withOtherWork(
        steps.map((_, index) =>
          createRow(index, { isAnchor: true, hasTail: true })
        ),
        record,
        totalMs,
      ),
      what,
      totalMs,
    )
  }
    </section>
  `;
}

/** Options for a row. */
interface RowOptions {
  /** Whether links lead to it. */
  isAnchor: boolean;
  /** Whether it has the last lines of the step. */
  hasTail: boolean;
}

/** Writes the row of a step. */
type CreateRow = (index: number, options: RowOptions) => Html;

/**
 * Lists the notable steps, failed ones first, and all steps in a collapsed
 * list.
 */
function longList(
  record: RunRecord,
  createRow: CreateRow,
  { totalMs, what }: { totalMs: number; what: string },
): Html {
  const { steps } = record;
  const notable = [hasFailed, isNotable].flatMap((is) =>
    [...steps.keys()].filter((index) => is(steps[index]))
  );
  const shown = new Set(notable.slice(0, MAX_NOTABLE));
  const rows = [...shown].map((index) =>
    createRow(index, { isAnchor: true, hasTail: true })
  );
  const allRows = (hasTail: boolean) =>
    steps.map((_, index) =>
      createRow(index, { isAnchor: !shown.has(index), hasTail })
    );
  const withTails = allRows(true);
  // Colors can make lines much longer.
  const all = totalLength(withTails) > MAX_ROWS_LENGTH
    ? allRows(false)
    : withTails;
  return markup`
    ${stepOverview(steps, totalMs)}
    ${
    rows.length === 0
      ? ""
      : list(withOtherWork(rows, record, totalMs), what, totalMs)
  }
    <details class="all" data-key="all"><summary><b>All ${steps.length} ${what.toLowerCase()}</b></summary>${
    list(all, what, totalMs)
  }</details>
  `;
}

function totalLength(rows: readonly Html[]): number {
  return rows.reduce((sum, row) => sum + String(row).length, 0);
}

/** Checks whether a step that did not fail is notable among many. */
function isNotable(step: StepRecord): boolean {
  return isFlaky(step) || resultClass(step) === "allowed" ||
    step.state === "running" || step.state === "retrying";
}

function list(rows: readonly Html[], what: string, totalMs: number): Html {
  return markup`<div class="steps"><div class="head row"><span>${
    what.slice(0, -1)
  }</span><span>Result</span><span class="number">Time</span>${
    ticks(totalMs)
  }</div>${rows}</div>`;
}

function pathText(
  path: CriticalPath,
  critical: ReadonlySet<StepRecord>,
  totalMs: number,
): Html | "" {
  if (critical.size < 2) return "";
  const listed = [...critical].slice(0, MAX_NAMED);
  const more = critical.size - listed.length;
  return markup`
    <p class="critical-path"><b>Critical path ${
    formatDuration(path.durationMs)
  } of ${formatDuration(totalMs)}:</b> <span>${
    listed.map(({ name, durationMs }, index) =>
      markup`${
        index === 0 ? "" : raw('</span> <span><i aria-hidden="true">→</i> ')
      }${name} <small>${formatDuration(durationMs)}</small>`
    )
  }</span>${more === 0 ? "" : markup` <span>and ${more} more steps</span>`}</p>
  `;
}

/**
 * Mentions that steps waited for a free slot, if the run took longer because of
 * it.
 */
function waitText(
  steps: readonly StepRecord[],
  { durationMs }: CriticalPath,
  totalMs: number,
): Html | "" {
  const waiting = steps.filter(hasWaited);
  if (waiting.length === 0 || durationMs > MIN_PATH_SHARE * totalMs) return "";
  return markup`
    <p>${waiting.length} of ${steps.length} waited for a free slot. A higher <code>--concurrency</code> could make the run shorter.</p>
  `;
}

/** Adds the work before and after the steps. */
function withOtherWork(
  rows: readonly Html[],
  { sources, phases, plugins, steps }: RunRecord,
  totalMs: number,
): Html[] {
  const activePhases = new Set(plugins.map(({ phase }) => phase));
  const firstMs = steps.reduce(
    (first, { startMs = first }) => Math.min(first, startMs),
    Infinity,
  );
  const work = [
    {
      what: "start",
      text: "configuration and plugins",
      startMs: 0,
      durationMs: phases[0]?.startMs ?? 0,
    },
    ...sources.map(({ source, type, startMs, durationMs }) => ({
      what: source === "ci" ? "CI source" : "source",
      text: type,
      startMs,
      durationMs,
    })),
    ...phases.filter(({ phase }) => activePhases.has(phase))
      .map(({ phase, startMs, durationMs }) => ({
        what: "plugins",
        text: phase,
        startMs,
        durationMs,
      })),
  ].filter(({ durationMs }) => durationMs >= MIN_WORK_MS)
    .sort((a, b) => a.startMs - b.startMs);
  const createRow = (
    { what, text, startMs, durationMs }: typeof work[number],
  ) =>
    markup`<div class="work row"><span class="name">${what}</span><span>${text}</span><span class="number">${
      formatDuration(durationMs)
    }</span><span class="bar">${
      bar(totalMs, `starts after ${formatDuration(startMs)}`, [
        ["work", startMs, startMs + durationMs],
      ])
    }</span></div>`;
  return [
    ...work.filter(({ startMs }) => startMs < firstMs).map(createRow),
    ...rows,
    ...work.filter(({ startMs }) => startMs >= firstMs).map(createRow),
  ];
}
