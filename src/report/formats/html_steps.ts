import { listed } from "../../suggest.ts";
import { type CriticalPath, findCriticalPath } from "../critical_path.ts";
import { formatDuration } from "../record_text.ts";
import type { AttemptRecord } from "../run_event.ts";
import type { RunRecord, StepRecord } from "../run_record.ts";
import { hasFailed, isAllowed, isFlaky, outcomeText } from "../step_outcome.ts";
import {
  bar,
  hasWaited,
  legend,
  MIN_WAIT_MS,
  stepBar,
  stepOverview,
  ticks,
} from "./html_charts.ts";
import {
  type Html,
  markHtml,
  markup,
  raw,
  resultClass,
} from "./html_document.ts";
import { logPlace, outputHtml, selectTail } from "./html_output.ts";
import { type FailureOptions, shownFailures } from "./html_problems.ts";

/**
 * With more steps than this, the page has an overview and a list of notable
 * steps.
 */
const MAX_ROWS = 60;

/** Maximum number of notable steps that are listed above the whole list. */
const MAX_NOTABLE = 50;

/** Maximum number of steps of the critical path that are named. */
const MAX_PATH_NAMES = 8;

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
  const path = findCriticalPath(steps);
  const critical = new Set(
    path.steps.filter(({ startedAt }) => startedAt !== null),
  );
  const isLong = steps.length > MAX_ROWS;
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
    isLong ? longList(record, createRow, { totalMs, what }) : stepList(
      addOtherWork(
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
  const all = sumLengths(withTails) > MAX_ROWS_LENGTH
    ? allRows(false)
    : withTails;
  return markup`
    ${stepOverview(steps, totalMs)}
    ${
    rows.length === 0
      ? ""
      : stepList(addOtherWork(rows, record, totalMs), what, totalMs)
  }
    <details class="all" data-key="all"><summary><b>All ${steps.length} ${what.toLowerCase()}</b></summary>${
    stepList(all, what, totalMs)
  }</details>
  `;
}

function sumLengths(rows: readonly Html[]): number {
  return rows.reduce((sum, row) => sum + String(row).length, 0);
}

/** Checks whether a step that did not fail is notable among many. */
function isNotable(step: StepRecord): boolean {
  return isFlaky(step) || resultClass(step) === "allowed" ||
    step.state === "running" || step.state === "retrying";
}

function stepList(rows: readonly Html[], what: string, totalMs: number): Html {
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
  const named = [...critical].slice(0, MAX_PATH_NAMES);
  const more = critical.size - named.length;
  return markup`
    <p class="critical-path"><b>Critical path ${
    formatDuration(path.durationMs)
  } of ${formatDuration(totalMs)}:</b> <span>${
    named.map(({ name, durationMs }, index) =>
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
function addOtherWork(
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

/** Maximum number of dependencies and of outputs of a step that are named. */
const MAX_NAMED = 20;

/** Maximum length of a reason if there are many rows, in UTF-16 units. */
const BRIEF_REASON = 80;

/** Less CPU time is not mentioned. */
const MIN_CPU_MS = 50;

/** Options for {@linkcode stepRow}. */
export interface StepRowOptions {
  /** Index of the step. */
  index: number;
  /** Whether links lead to this row. */
  isAnchor: boolean;
  /** Length of the timeline. */
  totalMs: number;
  /** Whether the step is on the critical path. */
  isCritical: boolean;
  /** Whether its last lines are already shown under "What failed". */
  isAbove: boolean;
  /** Whether to show fewer details, because there are many steps. */
  isBrief: boolean;
  /** Maximum length of its last lines, in UTF-16 units. */
  tailRoom: number;
  /** Address of its log. */
  log: string | undefined;
  /** Its own run, if it is a job of a workflow. */
  job: RunRecord | undefined;
  /** Address of its own run. */
  run: string | undefined;
}

/**
 * Writes the row of a step, which can be opened to show its attempts,
 * dependencies, resources and last lines.
 */
function stepRow(step: StepRecord, options: StepRowOptions): Html {
  const { name, startedAt, durationMs, attempts, state } = step;
  const { index, isAnchor, totalMs, isCritical } = options;
  const result = resultClass(step);
  const notes = [
    isFlaky(step) ? "flaky" : "",
    attempts.length > 1 ? `${attempts.length} attempts` : "",
    ...options.job === undefined ? [] : createJobNotes(options.job),
    options.isBrief
      ? step.reason?.slice(0, BRIEF_REASON) ?? ""
      : step.reason ?? "",
  ].filter((note) => note !== "");
  return markup`<details class="step" data-key="${index}"><summary class="row"><b class="name${
    isCritical ? " critical" : ""
  }">${name}</b><span class="${result}">${markHtml(result)}${
    state ?? outcomeText(step)
  }${
    notes.length === 0
      ? ""
      : markup` <span class="note">· ${notes.join(" · ")}</span>`
  }</span><span class="number">${
    startedAt === null ? "–" : formatDuration(durationMs)
  }</span><span class="bar">${
    stepBar(step, totalMs, isCritical)
  }</span></summary><div class="body"${
    isAnchor ? markup` id="step-${index}"` : ""
  }>${attempts.length < 2 ? "" : attemptList(attempts)}${factList(step)}${
    options.job === undefined ? "" : jobList(options.job)
  }${outputPart(step, options)}</div></details>`;
}

function attemptList(attempts: readonly AttemptRecord[]): Html {
  return markup`<ol class="attempts">${
    attempts.map((attempt) => {
      const { outcome, startMs, durationMs, reason } = attempt;
      return markup`<li><span class="${outcome}">${markHtml(outcome)}${
        outcomeText({ ...attempt, conclusion: outcome })
      }</span> after ${formatDuration(durationMs)}, started after ${
        formatDuration(startMs)
      }${
        reason === undefined
          ? ""
          : markup` <span class="note">· ${reason}</span>`
      }</li>`;
    })
  }</ol>`;
}

function factList(step: StepRecord): Html | "" {
  const { startMs, queuedMs = startMs, dependsOn, attempts, outputs } = step;
  const waitedMs = (startMs ?? 0) - (queuedMs ?? 0);
  const memory = attempts.reduce(
    (highest, { peakMemoryBytes = 0 }) => Math.max(highest, peakMemoryBytes),
    0,
  );
  const cpuMs = attempts.reduce((sum, { cpuMs = 0 }) => sum + cpuMs, 0);
  const facts = [
    isAllowed(step) ? "its failure does not fail the run" : "",
    startMs === undefined ? "" : `started after ${formatDuration(startMs)}`,
    waitedMs < MIN_WAIT_MS
      ? ""
      : `waited ${formatDuration(waitedMs)} for a free slot`,
    dependsOn.length === 0 ? "" : `needs ${listed(dependsOn, MAX_NAMED)}`,
    memory === 0 ? "" : `${Math.round(memory / 2 ** 20)} MiB of memory`,
    cpuMs < MIN_CPU_MS ? "" : `${formatDuration(cpuMs)} of CPU time`,
    outputs.length === 0 ? "" : `outputs: ${listed(outputs, MAX_NAMED)}`,
  ].filter((fact) => fact !== "");
  return facts.length === 0
    ? ""
    : markup`<p class="muted">${facts.join(" · ")}</p>`;
}

function outputPart(
  step: StepRecord,
  { index, isAbove, isBrief, tailRoom, log, run }: StepRowOptions,
): Html {
  const lines = selectTail(step.styledTail, tailRoom);
  return markup`${
    isAbove
      ? markup`<p><a href="#failure-${index}">Last lines of its output</a></p>`
      : lines.length === 0
      ? ""
      : markup`<pre tabindex="0">${outputHtml(lines.join("\n"))}</pre>`
  }${isBrief && log === undefined ? "" : logPlace(step, log)}${
    run === undefined
      ? ""
      : markup`<p><a href="${run}">Steps of ${step.name}</a></p>`
  }`;
}

/** Maximum number of sources, plugins and steps of a job that are listed. */
const MAX_JOB_LINES = 50;

/**
 * Describes the steps of a job in a few words.
 *
 * @returns Notes such as `3 steps` and `1 flaky`; none for a single command.
 */
function createJobNotes({ steps }: RunRecord): string[] {
  const flaky = steps.filter(isFlaky).length;
  return [
    ...steps.length < 2 ? [] : [`${steps.length} steps`],
    ...flaky === 0 ? [] : [`${flaky} flaky`],
  ];
}

/**
 * Writes the sources, plugins and steps of a job of a workflow.
 *
 * @param job The record of the job.
 * @returns A list, or nothing for a job that only ran a command.
 */
function jobList({ sources, plugins, steps }: RunRecord): Html | "" {
  const calls = [
    ...Map.groupBy(plugins, ({ plugin }) => plugin),
  ].map(([plugin, calls]) =>
    markup`<li>plugin ${plugin} <small>${
      formatDuration(calls.reduce((sum, call) => sum + call.durationMs, 0))
    }</small>${
      calls.flatMap(({ phase, error }) =>
        error === undefined ? [] : [failedText(`${phase}: ${error}`)]
      )
    }</li>`
  );
  const lines = [
    ...sources.map(({ source, type, durationMs }) =>
      markup`<li>${source === "ci" ? "CI source" : "source"}, ${type} <small>${
        formatDuration(durationMs)
      }</small></li>`
    ),
    ...calls,
    // A job with one command has one step, and its row already shows
    // everything.
    ...steps.length === 1 && steps[0].attempts.length < 2
      ? []
      : steps.map(stepLine),
  ];
  const more = lines.length - MAX_JOB_LINES;
  return lines.length === 0
    ? ""
    : markup`<ul class="job">${lines.slice(0, MAX_JOB_LINES)}${
      more > 0 ? markup`<li>and ${more} more</li>` : ""
    }</ul>`;
}

function stepLine(step: StepRecord): Html {
  const { name, startedAt, durationMs, attempts, reason } = step;
  const result = resultClass(step);
  const notes = [
    isFlaky(step) ? "flaky" : "",
    attempts.length > 1 ? `${attempts.length} attempts` : "",
    reason ?? "",
  ].filter((note) => note !== "");
  return markup`<li>step ${name}: <span class="${result}">${markHtml(result)}${
    outcomeText(step)
  }</span>${
    startedAt === null
      ? ""
      : markup` <small>${formatDuration(durationMs)}</small>`
  }${
    notes.length === 0
      ? ""
      : markup` <span class="note">· ${notes.join(" · ")}</span>`
  }</li>`;
}

function failedText(error: string): Html {
  return markup` <span class="failed">${markHtml("failed")}${error}</span>`;
}
