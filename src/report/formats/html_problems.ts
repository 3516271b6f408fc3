import {
  countProblems,
  formatDuration,
  formatLocation,
  type RecordedProblem,
  sortBySeverity,
} from "../record_text.ts";
import type { StepRecord } from "../run_record.ts";
import { hasFailed, outcomeText } from "../step_outcome.ts";
import { logPlace, outputHtml, selectTail } from "./html_output.ts";
import { type Html, markHtml, markup, raw } from "./html_document.ts";

/** Maximum number of failed steps that are shown with their last lines. */
const MAX_FAILURES = 20;

/** Maximum total length of their last lines, in UTF-16 units. */
const TAIL_ROOM = 40 * 1024;

/** Options for {@linkcode failureSection}. */
export interface FailureOptions {
  /**
   * Returns the address of a step's log.
   *
   * @param step Index of the step.
   * @default {logs have no links}
   */
  logAddress?: (step: number) => string;
}

/**
 * Finds the failed steps that the page shows separately.
 *
 * @param steps Steps of a run.
 * @returns Their indexes.
 */
export function shownFailures(
  steps: readonly StepRecord[],
): ReadonlySet<number> {
  const failed = [...steps.keys()].filter((index) => hasFailed(steps[index]));
  return new Set(failed.slice(0, MAX_FAILURES));
}

/**
 * Writes what failed, with the last lines of each step.
 *
 * @param steps Steps of a run.
 * @param options Addresses of logs.
 * @returns A section of the page; nothing if no step failed.
 */
export function failureSection(
  steps: readonly StepRecord[],
  { logAddress }: FailureOptions,
): Html | "" {
  const shown = [...shownFailures(steps)];
  if (shown.length === 0) return "";
  const more = steps.filter(hasFailed).length - shown.length;
  const maxLength = Math.floor(TAIL_ROOM / shown.length);
  return markup`<section data-key="failures" aria-labelledby="failures"><h2 id="failures">What failed</h2>
${
    shown.map((index, at) => {
      const { [index]: step } = steps;
      return markup`
        <details class="failure" data-key="${index}"${
        at === 0 ? raw(" open") : ""
      }>
        <summary><span class="failed">${
        markHtml("failed")
      }</span><b>${step.name}</b> <span class="failed">${
        outcomeText(step)
      }</span>${
        step.startedAt === null
          ? ""
          : markup` <span class="muted">after ${
            formatDuration(step.durationMs)
          }${
            step.attempts.length > 1
              ? `, in each of ${step.attempts.length} attempts`
              : ""
          }</span>`
      }</summary>
        ${step.reason === undefined ? "" : markup`<p>${step.reason}</p>`}
        <pre tabindex="0" id="failure-${index}" aria-label="Last lines of ${step.name}">${
        step.styledTail.length === 0
          ? "(no output)"
          : outputHtml(selectTail(step.styledTail, maxLength).join("\n"))
      }</pre>
        ${logPlace(step, logAddress?.(index))}
        ${
        step.rerun === undefined
          ? ""
          : markup`<p class="muted">run it again: <code>${step.rerun}</code></p>`
      }
        </details>
      `;
    })
  }${more === 0 ? "" : markup`<p>${more} more failed.</p>`}</section>`;
}

/** Maximum number of problems that are shown; the record has all. */
const MAX_PROBLEMS = 200;

/**
 * Writes the problems that matchers have found in the output of steps.
 *
 * @param problems Problems of a run.
 * @returns A section of the page; nothing if there are none.
 */
export function problemSection(
  problems: readonly RecordedProblem[],
): Html | "" {
  if (problems.length === 0) return "";
  const shown = sortBySeverity(problems).slice(0, MAX_PROBLEMS);
  const more = problems.length - shown.length;
  return markup`
    <section data-key="problems" aria-labelledby="problems">
      <h2 id="problems">Problems: ${countProblems(problems)}</h2>
      <table>
        <thead>
          <tr>
            <th scope="col">Problem</th>
            <th scope="col">Severity</th>
            <th scope="col">Rule</th>
            <th scope="col">Step</th>
          </tr>
        </thead>
        <tbody>
    ${shown.map(createRow)}</tbody>
      </table>
    ${more === 0 ? "" : markup`<p>${more} more problems were found.</p>`}
    </section>
  `;
}

function createRow(problem: RecordedProblem): Html {
  const { severity, message, owner, code, step } = problem;
  const place = formatLocation(problem);
  return markup`
    <tr>
      <th scope="row">${message}${
    place === "" ? "" : markup`<small>${place}</small>`
  }</th>
      <td class="${CLASSES[severity]}">${severity}</td>
      <td>${code === undefined ? owner : `${owner} ${code}`}</td>
      <td>${step}</td>
    </tr>
  `;
}

/** Classes of severities; they share the colors of results. */
const CLASSES = { error: "failed", warning: "allowed", notice: "" } as const;
