import {
  compareRecords,
  formatChange,
  type RunComparison,
  type RunTotal,
  type StepPair,
} from "../compare.ts";
import { formatDuration } from "../durations.ts";
import type { RunRecord, StepRecord } from "../run_record.ts";
import { hasFailed, outcomeText } from "../step_outcome.ts";
import {
  type Html,
  markHtml,
  markup,
  resultClass,
  timeHtml,
} from "./html_text.ts";

/** Maximum number of steps that are listed. */
const MAX_LISTED = 100;

/** Smaller changes have no bar. */
const MIN_CHANGE_MS = 50;

/** Half the width of a bar, in its own units. */
const HALF = 100;

/** A row of the table. */
interface Row {
  readonly name: string;
  readonly what: Html | string;
  readonly before?: number;
  readonly after?: number;
}

/**
 * Writes the differences from an earlier run.
 *
 * @param before The earlier run.
 * @param after The run of the page.
 * @returns A section of the page.
 */
export function comparisonSection(before: RunRecord, after: RunRecord): Html {
  const comparison = compareRecords(before, after);
  const rows = comparisonRows(comparison);
  const shown = rows.slice(0, MAX_LISTED);
  const more = rows.length - shown.length;
  const longestMs = shown.reduce(
    (longest, { before = 0, after = 0 }) =>
      Math.max(longest, Math.abs(after - before)),
    1,
  );
  const { started } = before;
  const revision = [started.ref, started.commit?.slice(0, 12)]
    .filter((part) => part !== undefined).join(" · ");
  return markup`
    <section data-key="comparison" aria-labelledby="comparison">
      <h2 id="comparison">Compared with an earlier run</h2>
      <p class="muted">The earlier run started ${timeHtml(started.time)}${
    revision === "" ? "" : ` · ${revision}`
  } and ended: <b>${comparison.before.status}</b>.${
    shown.length > 2
      ? ""
      : " No step changed its result, or its time by more than 10 %."
  }</p>
      <table class="comparison">
        <thead>
          <tr>
            <th scope="col">Step</th>
            <th scope="col">Change</th>
            <th scope="col" class="number">Earlier</th>
            <th scope="col" class="number">Now</th>
            <th scope="col" class="bar">Faster or slower</th>
          </tr>
        </thead>
        <tbody>${shown.map((row) => rowHtml(row, longestMs))}</tbody>
      </table>
      ${more === 0 ? "" : markup`<p>${more} more steps changed.</p>`}
    </section>
  `;
}

/**
 * Describes how the total time changed.
 *
 * @returns Text such as `1.2s slower than the earlier run`.
 */
export function totalChange(before: RunRecord, after: RunRecord): string {
  const { before: was, after: is } = compareRecords(before, after);
  const change = formatChange(was.durationMs, is.durationMs);
  if (change.startsWith("±")) return "as long as the earlier run";
  return `${change.slice(1)} ${
    change.startsWith("−") ? "faster" : "slower"
  } than the earlier run`;
}

function comparisonRows(
  { before, after, results, added, removed, times }: RunComparison,
): Row[] {
  const changed = new Set(results.map(([, { name }]) => name));
  return [
    {
      name: "Whole run",
      what: before.status === after.status
        ? ""
        : `${before.status} → ${after.status}`,
      before: before.durationMs,
      after: after.durationMs,
    },
    {
      name: "Critical path",
      what: pathChange(before, after),
      before: before.path.durationMs,
      after: after.path.durationMs,
    },
    ...[...results].sort((a, b) => rank(a) - rank(b)).map(resultRow),
    ...times.filter(([, { name }]) => !changed.has(name)).map(timeRow),
    ...added.map((step) => ({
      name: step.name,
      what: "new",
      after: stepTime(step),
    })),
    ...removed.map((step) => ({
      name: step.name,
      what: "gone",
      before: stepTime(step),
    })),
  ];
}

/** Newly failed steps come first. */
function rank([before, after]: StepPair): number {
  return hasFailed(after) ? 0 : hasFailed(before) ? 1 : 2;
}

function resultRow([before, after]: StepPair): Row {
  return {
    name: after.name,
    what: markup`${outcomeText(before)} → <span class="${resultClass(after)}">${
      markHtml(resultClass(after))
    }${outcomeText(after)}</span>`,
    before: stepTime(before),
    after: stepTime(after),
  };
}

function timeRow([before, after]: StepPair): Row {
  const isSlower = after.durationMs > before.durationMs;
  return {
    name: after.name,
    what: isSlower ? "slower" : "faster",
    before: before.durationMs,
    after: after.durationMs,
  };
}

function stepTime({ startedAt, durationMs }: StepRecord): number | undefined {
  return startedAt === null ? undefined : durationMs;
}

function pathChange(before: RunTotal, after: RunTotal): string {
  const names = ({ path }: RunTotal) => path.steps.map(({ name }) => name);
  const [was, is] = [names(before), names(after)];
  const joined = is.filter((name) => !was.includes(name));
  const left = was.filter((name) => !is.includes(name));
  return [
    ...joined.length === 0 ? [] : [`now with ${joined.join(", ")}`],
    ...left.length === 0 ? [] : [`without ${left.join(", ")}`],
  ].join("; ");
}

function rowHtml({ name, what, before, after }: Row, longestMs: number): Html {
  return markup`
    <tr>
      <th scope="row">${name}</th>
      <td>${what}</td>
      <td class="number earlier">${time(before)}</td>
      <td class="number">${time(after)}</td>
      <td class="bar">${
    before === undefined || after === undefined
      ? ""
      : changeBar(before, after, longestMs)
  }</td>
    </tr>
  `;
}

function time(ms: number | undefined): string {
  return ms === undefined ? "–" : formatDuration(ms);
}

function changeBar(before: number, after: number, longestMs: number): Html {
  const changeMs = after - before;
  if (Math.abs(changeMs) < MIN_CHANGE_MS) {
    return markup`<span class="muted">±0</span>`;
  }
  const width = Math.round(HALF * Math.abs(changeMs) / longestMs);
  const [x, kind] = changeMs < 0
    ? [HALF - width, "success"]
    : [HALF, "allowed"];
  return markup`<span class="change ${kind}">${
    formatChange(before, after)
  }</span><svg viewBox="0 0 ${
    2 * HALF
  } 12" preserveAspectRatio="none" aria-hidden="true"><rect class="${kind}" x="${x}" width="${width}" height="12"/></svg>`;
}
