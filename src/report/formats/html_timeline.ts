import { type CriticalPath, criticalPath } from "../critical_path.ts";
import type { RunRecord, StepRecord } from "../run_record.ts";
import { laneCount, stepLanes } from "../step_lanes.ts";
import {
  endingOf,
  formatDuration,
  hasFailed,
  isFlaky,
} from "../summary_table.ts";
import { markHtml, resultClass } from "./html_step.ts";
import { type Html, markup, raw } from "./html_text.ts";

/** Width of a timeline, in units of its own; it is stretched to the page. */
const WIDTH = 1_000;

/** More steps than these get an overview, and a list of those to look at. */
const MAX_LISTED = 60;

/** How many steps of the critical path are named. */
const MAX_NAMED = 8;

/** Shorter work around the steps is left out. */
const MIN_WORK_MS = 50;

/** Height of a lane in the overview. */
const LANE = 9;

/** Lanes of an overview, which shows no more. */
const MAX_LANES = 40;

/** Options for {@linkcode timeline}. */
export interface TimelineOptions {
  /**
   * Returns the address of a step's log.
   *
   * @param step Index of the step.
   * @default {names of steps are no links}
   */
  logAddress?: (step: number) => string;
  /**
   * Addresses of the runs that were jobs of a workflow, by the index of the job.
   *
   * @default {no links}
   */
  runAddresses?: ReadonlyMap<number, string>;
}

/** What all rows share. */
interface Scale {
  readonly totalMs: number;
  readonly critical: ReadonlySet<StepRecord>;
}

/**
 * Writes what the steps of a run did, and when.
 *
 * @param record The run, which may go on.
 * @param options Additional options.
 * @returns A section of the page; nothing if there are no steps.
 */
export function timeline(
  record: RunRecord,
  options: TimelineOptions = {},
): Html | "" {
  const { steps, ended, lastMs } = record;
  if (steps.length === 0) return "";
  const totalMs = Math.max(1, ended?.durationMs ?? lastMs);
  const path = criticalPath(steps);
  const critical = new Set(
    path.steps.filter(({ startedAt }) => startedAt !== null),
  );
  const scale = { totalMs, critical };
  const [before, after] = workRows(record, totalMs);
  const rows = steps.map((step, index) =>
    row(step, scale, {
      log: step.startMs === undefined ? undefined : options.logAddress?.(index),
      run: options.runAddresses?.get(index),
    })
  );
  const isLong = steps.length > MAX_LISTED;
  // Of many steps, what failed comes first.
  const notable = isLong
    ? [hasFailed, isNotable].flatMap((is) =>
      rows.filter((_, at) => is(steps[at]))
    )
    : rows;
  return markup`
    <section aria-labelledby="steps">
      <h2 id="steps">Steps</h2>
      ${pathText(path, critical)}
      ${legend()}
      ${isLong ? overview(steps, scale) : ""}
      ${
    isLong && notable.length === 0
      ? ""
      : table([...before, ...notable, ...after], totalMs)
  }
      ${
    isLong
      ? markup`<details class="all"><summary><b>All ${steps.length} steps</b></summary>${
        table(rows, totalMs)
      }</details>`
      : ""
  }
    </section>
  `;
}

/** Whether somebody should look at a step of many, although it did not fail. */
function isNotable(step: StepRecord): boolean {
  return isFlaky(step) || resultClass(step) === "allowed" ||
    step.state === "running" || step.state === "retrying";
}

function pathText(
  path: CriticalPath,
  critical: ReadonlySet<StepRecord>,
): Html | "" {
  if (critical.size < 2) return "";
  const named = [...critical].slice(0, MAX_NAMED);
  const more = critical.size - named.length;
  return markup`
    <p class="critical-path"><b>Critical path ${
    formatDuration(path.durationMs)
  }:</b> <span>${
    named.map(({ name, durationMs }, index) =>
      markup`${
        index === 0 ? "" : raw('</span> <span><i aria-hidden="true">→</i> ')
      }${name} <small>${formatDuration(durationMs)}</small>`
    )
  }</span>${more === 0 ? "" : markup` <span>and ${more} more steps</span>`}</p>
  `;
}

function legend(): Html {
  const key = (name: string, text: string) =>
    markup`<span><svg width="12" height="12" aria-hidden="true"><rect class="${name}" width="12" height="12" rx="2"/></svg> ${text}</span>`;
  return markup`<p class="legend">${key("queued", "waits for a slot")}${
    key("success", "succeeded")
  }${
    key("failed", "failed attempt")
  }<span><svg width="16" height="12" aria-hidden="true"><rect class="critical" y="5" width="16" height="3"/></svg> critical path: the run cannot be shorter</span></p>`;
}

function table(rows: readonly Html[], totalMs: number): Html {
  return markup`
    <table class="timeline">
      <thead>
        <tr>
          <th scope="col">Step</th>
          <th scope="col">Result</th>
          <th scope="col" class="number">Time</th>
          <th scope="col" class="bar"><div class="ticks">${
    [0, 1, 2, 3, 4].map((quarter) =>
      markup`<span>${formatDuration((totalMs * quarter) / 4)}</span>`
    )
  }</div></th>
        </tr>
      </thead>
      <tbody>
  ${rows}</tbody>
    </table>
  `;
}

function row(
  step: StepRecord,
  { totalMs, critical }: Scale,
  { log, run }: { log: string | undefined; run: string | undefined },
): Html {
  const { name, startedAt, durationMs, attempts, state } = step;
  const isCritical = critical.has(step);
  const result = resultClass(step);
  const notes = [
    isFlaky(step) ? "flaky" : "",
    attempts.length > 1 ? `${attempts.length} attempts` : "",
    step.reason ?? "",
    ...resources(step),
  ].filter((note) => note !== "");
  return markup`
    <tr>
      <th scope="row"${isCritical ? raw(' class="critical"') : ""}>${
    log === undefined ? name : markup`<a href="${log}">${name}</a>`
  }${
    run === undefined
      ? ""
      : markup`<small><a href="${run}">steps of ${name}</a></small>`
  }</th>
      <td class="${result}">${markHtml(result)}${state ?? endingOf(step)}${
    notes.length === 0
      ? ""
      : markup` <span class="note">· ${notes.join(" · ")}</span>`
  }</td>
      <td class="number">${
    startedAt === null ? "–" : formatDuration(durationMs)
  }</td>
      <td class="bar">${bar(step, totalMs, isCritical)}</td>
    </tr>
  `;
}

function resources({ attempts }: StepRecord): string[] {
  const memory = attempts.reduce(
    (most, { peakMemoryBytes = 0 }) => Math.max(most, peakMemoryBytes),
    0,
  );
  const cpuMs = attempts.reduce((sum, { cpuMs = 0 }) => sum + cpuMs, 0);
  return [
    memory === 0 ? "" : `${Math.round(memory / 2 ** 20)} MiB`,
    cpuMs < MIN_WORK_MS ? "" : `${formatDuration(cpuMs)} CPU`,
  ];
}

function bar(
  step: StepRecord,
  totalMs: number,
  isCritical: boolean,
): Html | "" {
  const { startMs, queuedMs = startMs, durationMs, attempts, state } = step;
  if (startMs === undefined || queuedMs === undefined) return "";
  return drawing(totalMs, labelOf(step), [
    ...startMs > queuedMs ? [["queued", queuedMs, startMs] as const] : [],
    ...attempts.map(({ outcome, startMs, durationMs }, index) => {
      const isLast = index === attempts.length - 1;
      const kind = state === "running" && isLast ? state : outcome;
      return [kind, startMs, startMs + durationMs] as const;
    }),
    ...isCritical ? [["critical", startMs, startMs + durationMs] as const] : [],
  ]);
}

type Bar = readonly [kind: string, fromMs: number, toMs: number];

function drawing(totalMs: number, label: string, bars: readonly Bar[]): Html {
  return markup`<svg viewBox="0 0 ${WIDTH} 16" preserveAspectRatio="none" role="img"><title>${label}</title>${
    bars.map(([kind, fromMs, toMs]) => {
      const [x, width] = extent(totalMs, fromMs, toMs);
      const [y, height] = kind === "critical" ? [13, 3] : [0, 12];
      return markup`<rect class="${kind}" x="${x}" y="${y}" width="${width}" height="${height}"/>`;
    })
  }</svg>`;
}

function extent(
  totalMs: number,
  fromMs: number,
  toMs: number,
): [x: number, width: number] {
  const x = (ms: number) => Math.round(WIDTH * Math.min(1, ms / totalMs));
  return [Math.min(x(fromMs), WIDTH - 2), Math.max(2, x(toMs) - x(fromMs))];
}

function labelOf(step: StepRecord): string {
  const { startMs = 0, queuedMs = startMs, durationMs, attempts } = step;
  return [
    `starts after ${formatDuration(startMs)}`,
    `runs for ${formatDuration(durationMs)}`,
    ...attempts.length > 1 ? [`${attempts.length} attempts`] : [],
    ...startMs - queuedMs >= MIN_WORK_MS
      ? [`waited ${formatDuration(startMs - queuedMs)} for a slot`]
      : [],
  ].join(", ");
}

/** Draws all steps in as many lanes as ran side by side. */
function overview(steps: readonly StepRecord[], scale: Scale): Html | "" {
  const placed = stepLanes(steps);
  if (placed.length === 0) return "";
  const count = laneCount(placed);
  const shown = Math.min(count, MAX_LANES);
  return markup`
    <svg class="overview" viewBox="0 0 ${WIDTH} ${shown * LANE}" height="${
    shown * LANE
  }" preserveAspectRatio="none" role="img" aria-label="${placed.length} steps, in ${count} lanes">${
    placed.filter(({ lane }) => lane < shown).map(
      ({ step, startMs, endMs, lane }) => {
        const [x, width] = extent(scale.totalMs, startMs, endMs);
        return markup`<rect class="${resultClass(step)}" x="${x}" y="${
          lane * LANE
        }" width="${width}" height="${LANE - 1}"/>`;
      },
    )
  }</svg>
  `;
}

/** Rows for what is done before and after the steps. */
function workRows(
  { sources, phases, plugins, steps }: RunRecord,
  totalMs: number,
): [before: Html[], after: Html[]] {
  const called = new Set(plugins.map(({ phase }) => phase));
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
    ...phases.filter(({ phase }) => called.has(phase))
      .map(({ phase, startMs, durationMs }) => ({
        what: "plugins",
        text: phase,
        startMs,
        durationMs,
      })),
  ].filter(({ durationMs }) => durationMs >= MIN_WORK_MS)
    .sort((a, b) => a.startMs - b.startMs);
  const rowOf = ({ what, text, startMs, durationMs }: typeof work[number]) =>
    markup`
      <tr class="work">
        <th scope="row">${what}</th>
        <td>${text}</td>
        <td class="number">${formatDuration(durationMs)}</td>
        <td class="bar">${
      drawing(totalMs, `starts after ${formatDuration(startMs)}`, [
        ["work", startMs, startMs + durationMs],
      ])
    }</td>
      </tr>
    `;
  return [
    work.filter(({ startMs }) => startMs < firstMs).map(rowOf),
    work.filter(({ startMs }) => startMs >= firstMs).map(rowOf),
  ];
}
