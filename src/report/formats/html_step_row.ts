import { listed } from "../../suggest.ts";
import { formatDuration } from "../durations.ts";
import type { AttemptRecord } from "../run_event.ts";
import type { RunRecord, StepRecord } from "../run_record.ts";
import { isAllowed, isFlaky, outcomeText } from "../step_outcome.ts";
import { logPlace, outputHtml, tailWithin } from "./html_output.ts";
import { type Html, markHtml, markup, resultClass } from "./html_text.ts";
import { MIN_WAIT_MS, stepBar } from "./html_timeline.ts";

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
export function stepRow(step: StepRecord, options: StepRowOptions): Html {
  const { name, startedAt, durationMs, attempts, state } = step;
  const { index, isAnchor, totalMs, isCritical } = options;
  const result = resultClass(step);
  const notes = [
    isFlaky(step) ? "flaky" : "",
    attempts.length > 1 ? `${attempts.length} attempts` : "",
    ...options.job === undefined ? [] : jobNotes(options.job),
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
  }${output(step, options)}</div></details>`;
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

function output(
  step: StepRecord,
  { index, isAbove, isBrief, tailRoom, log, run }: StepRowOptions,
): Html {
  const lines = tailWithin(step.styledTail, tailRoom);
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
const MAX_LISTED = 50;

/**
 * Describes the steps of a job in a few words.
 *
 * @returns Notes such as `3 steps` and `1 flaky`; none for a single command.
 */
function jobNotes({ steps }: RunRecord): string[] {
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
        error === undefined ? [] : [failed(`${phase}: ${error}`)]
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
  const more = lines.length - MAX_LISTED;
  return lines.length === 0
    ? ""
    : markup`<ul class="job">${lines.slice(0, MAX_LISTED)}${
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

function failed(error: string): Html {
  return markup` <span class="failed">${markHtml("failed")}${error}</span>`;
}
