import type { RunRecord, StepRecord } from "../run_record.ts";
import { formatDuration } from "../durations.ts";
import { isFlaky, outcomeText } from "../step_outcome.ts";
import { markHtml, resultClass } from "./html_step.ts";
import { type Html, markup } from "./html_text.ts";

/** Maximum number of sources, plugins and steps of a job that are listed. */
const MAX_LISTED = 50;

/**
 * Describes the steps of a job in a few words.
 *
 * @returns Notes such as `3 steps` and `1 flaky`; none for a single command.
 */
export function jobNotes({ steps }: RunRecord): string[] {
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
export function jobList({ sources, plugins, steps }: RunRecord): Html | "" {
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
