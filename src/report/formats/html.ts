import {
  compareRecords,
  formatChange,
  type RunComparison,
  type RunTotal,
  type StepPair,
} from "../compare.ts";
import { formatArtifacts, formatDuration } from "../record_text.ts";
import { type RunRecord, runStatus, type StepRecord } from "../run_record.ts";
import { hasFailed, isAllowed, isFlaky, outcomeText } from "../step_outcome.ts";
import { graphSvg } from "./html_charts.ts";
import {
  type Html,
  htmlDocument,
  markHtml,
  markup,
  resultClass,
  sourceHash,
  STYLE,
  timeHtml,
} from "./html_document.ts";
import { colorRules } from "./html_output.ts";
import { failureSection, problemSection } from "./html_problems.ts";
import { type StepsOptions, stepsSection } from "./html_steps.ts";

/** Maximum number of slowest steps that are listed. */
const MAX_SLOWEST = 10;

/**
 * Writes a run as one page without scripts and network access.
 *
 * The policy of the page lets a browser load and run nothing, so that names and
 * lines of a hostile job remain text.
 *
 * @param record The run.
 * @param options The run with which it is compared, and those of its jobs.
 * @returns An HTML document.
 */
export async function htmlReport(
  record: RunRecord,
  { earlier, jobs }: Pick<RunHtmlOptions, "earlier" | "jobs"> = {},
): Promise<string> {
  const { top, html } = runHtml(record, { earlier, jobs });
  const main = markup`${top}${html}`;
  const style = STYLE + colorRules(String(main));
  const policy = `default-src 'none'; style-src '${await sourceHash(
    style,
  )}'; base-uri 'none'; form-action 'none'`;
  return htmlDocument({ title: recordTitle(record), policy, style, main });
}

/**
 * Returns the title of the page of a run.
 *
 * @returns Name and status.
 */
export function recordTitle(record: RunRecord): string {
  return `${getRecordName(record)}: ${runStatus(record)}`;
}

function getRecordName({ started }: RunRecord): string {
  return started.name ?? started.kind;
}

/** Options for {@linkcode runHtml}. */
export interface RunHtmlOptions extends StepsOptions {
  /**
   * The run with which it is compared.
   *
   * @default {no comparison}
   */
  earlier?: RunRecord | undefined;
}

/**
 * Writes the page of a run.
 *
 * @param record The run, which may still be active.
 * @param options Additional options.
 * @returns The top of a page, and its sections.
 */
export function runHtml(
  record: RunRecord,
  options: RunHtmlOptions = {},
): { top: Html; html: Html } {
  const { steps, problems } = record;
  const { earlier } = options;
  const isWorkflow = record.started.kind === "workflow";
  const what = isWorkflow ? "jobs" : "steps";
  const parts:
    readonly (readonly [id: string, name: string, html: Html | ""])[] = [
      ["failures", "What failed", failureSection(steps, options)],
      ["problems", "Problems", problemSection(problems)],
      ["steps", isWorkflow ? "Jobs" : "Steps", stepsSection(record, options)],
      [
        "comparison",
        "Comparison",
        earlier === undefined ? "" : comparisonSection(earlier, record),
      ],
      ["graph", "Dependencies", graphSection(steps)],
      ["slowest", `Slowest ${what}`, slowestSection(steps, what)],
      ["plugins", "Plugins", pluginSection(record, options.jobs)],
      ["facts", "About this run", factSection(record)],
    ];
  const shown = parts.filter(([, , html]) => html !== "");
  return {
    top: pageHeader(record, shown, earlier),
    html: markup`${shown.map(([, , html]) => html)}`,
  };
}

/** Explanations of some counts. */
const EXPLANATIONS: Readonly<Record<string, string | undefined>> = {
  "failed, allowed": "They may fail without failing the run",
  "flaky": "They succeeded only after a failed attempt",
  "skipped": "They did not run: their conditions did not hold",
  "cancelled": "They were ended, or did not start, because the run ended",
  "waiting": "They wait for others to end, or for a free slot",
};

function pageHeader(
  record: RunRecord,
  parts: readonly (readonly [id: string, name: string, html: Html | ""])[],
  earlier: RunRecord | undefined,
): Html {
  const { started, ended, lastMs, steps } = record;
  const count = (is: (step: StepRecord) => boolean) => steps.filter(is).length;
  const counts = [
    ["failed", "failed", count(hasFailed)],
    ["running", "running", count(({ state }) => state === "running")],
    ["allowed", "failed, allowed", count(isAllowed)],
    ["allowed", "flaky", count(isFlaky)],
    ["success", "succeeded", count(({ outcome }) => outcome === "success")],
    ["skipped", "skipped", count(({ outcome }) => outcome === "skipped")],
    [
      "cancelled",
      "cancelled",
      count(({ outcome, state }) => outcome === "cancelled" && !state),
    ],
    [
      "waiting",
      "waiting",
      count(({ state }) => state !== undefined && state !== "running"),
    ],
  ] as const;
  const status = runStatus(record);
  const time = formatDuration(ended?.durationMs ?? lastMs);
  return markup`<header class="${status}">
<h1><span class="status">${status}</span> ${getRecordName(record)}</h1>
${ended?.error === undefined ? "" : markup`<p class="error">${ended.error}</p>`}
<p class="counts">${
    counts.filter(([, , number]) => number > 0).map(([result, word, number]) =>
      markup`<span class="${result}"${
        EXPLANATIONS[word] === undefined
          ? ""
          : markup` title="${EXPLANATIONS[word]}"`
      }>${markHtml(result)}${number} ${word}</span> `
    )
  }</p>
<p class="muted"><b>${time}</b>${
    earlier === undefined ? "" : `, ${describeTotalChange(earlier, record)}`
  } · started ${timeHtml(started.time)}${
    ended === undefined ? "" : markup` · exit code ${ended.exitCode}`
  }</p>
<nav aria-label="Sections">${
    parts.map(([id, name]) => markup`<a href="#${id}">${name}</a> `)
  }</nav>
</header>`;
}

function graphSection(steps: readonly StepRecord[]): Html | "" {
  const svg = graphSvg(steps);
  if (svg === undefined) return "";
  return markup`
    <section data-key="graph" aria-labelledby="graph">
      <h2 id="graph">Dependencies</h2>
      <div class="scroll" tabindex="0" role="group"
        aria-labelledby="graph">${svg}</div>
    </section>
  `;
}

function slowestSection(steps: readonly StepRecord[], what: string): Html | "" {
  const measured = steps.map((step, index) => ({ step, index }))
    .filter(({ step }) => step.startedAt !== null)
    .sort((a, b) => b.step.durationMs - a.step.durationMs)
    .slice(0, MAX_SLOWEST);
  if (measured.length < 2) return "";
  const longestMs = Math.max(1, measured[0].step.durationMs);
  return markup`
    <section data-key="slowest" aria-labelledby="slowest" class="half">
      <h2 id="slowest">Slowest ${what}</h2>
      <ol class="slowest">${
    measured.map(({ step, index }) =>
      markup`<li><a href="#step-${index}">${step.name}</a> <span class="number">${
        formatDuration(step.durationMs)
      }</span> <svg viewBox="0 0 1000 6" preserveAspectRatio="none" aria-hidden="true"><rect class="${
        resultClass(step)
      }" width="${
        Math.round(1_000 * step.durationMs / longestMs)
      }" height="6"/></svg></li>`
    )
  }</ol>
    </section>
  `;
}

function factSection(record: RunRecord): Html {
  const { started, sources, options, triggers } = record;
  const rows: (readonly [string, string])[] = [
    ...sources.map(({ source, type, repository, ref, commit }) =>
      [
        source === "ci" ? "CI source" : "source",
        [repository ?? type, ref, commit].filter((part) => part).join(" · "),
      ] as const
    ),
    ...triggers.map((name) => ["follow-up job", name] as const),
    ...formatArtifacts(record),
    ["run", started.id],
    ["trace", started.trace.traceId],
    ["runnerlib", `${started.runner.version}, deno ${started.runner.deno}`],
    ...options.map(({ name, value, origin }) =>
      [name, `${value} (${origin})`] as const
    ),
  ];
  return markup`
    <section data-key="facts" aria-labelledby="facts">
      <h2 id="facts">About this run</h2>
      <dl>${
    rows.map(([name, value]) =>
      markup`
          <dt>${name}</dt>
          <dd>${value}</dd>
        `
    )
  }</dl>
    </section>
  `;
}

/** Maximum number of steps that are listed. */
const MAX_COMPARED = 100;

/** Smaller changes have no bar. */
const MIN_CHANGE_MS = 50;

/** Half the width of a bar, in its own units. */
const HALF_BAR = 100;

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
function comparisonSection(before: RunRecord, after: RunRecord): Html {
  const comparison = compareRecords(before, after);
  const rows = createRows(comparison);
  const shown = rows.slice(0, MAX_COMPARED);
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
function describeTotalChange(before: RunRecord, after: RunRecord): string {
  const { before: was, after: is } = compareRecords(before, after);
  const change = formatChange(was.durationMs, is.durationMs);
  if (change.startsWith("±")) return "as long as the earlier run";
  return `${change.slice(1)} ${
    change.startsWith("−") ? "faster" : "slower"
  } than the earlier run`;
}

function createRows(
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
      what: describePathChange(before, after),
      before: before.path.durationMs,
      after: after.path.durationMs,
    },
    ...[...results].sort((a, b) => rankChange(a) - rankChange(b)).map(
      createResultRow,
    ),
    ...times.filter(([, { name }]) => !changed.has(name)).map(createTimeRow),
    ...added.map((step) => ({
      name: step.name,
      what: "new",
      after: getStepTime(step),
    })),
    ...removed.map((step) => ({
      name: step.name,
      what: "gone",
      before: getStepTime(step),
    })),
  ];
}

/** Newly failed steps come first. */
function rankChange([before, after]: StepPair): number {
  return hasFailed(after) ? 0 : hasFailed(before) ? 1 : 2;
}

function createResultRow([before, after]: StepPair): Row {
  return {
    name: after.name,
    what: markup`${outcomeText(before)} → <span class="${resultClass(after)}">${
      markHtml(resultClass(after))
    }${outcomeText(after)}</span>`,
    before: getStepTime(before),
    after: getStepTime(after),
  };
}

function createTimeRow([before, after]: StepPair): Row {
  const isSlower = after.durationMs > before.durationMs;
  return {
    name: after.name,
    what: isSlower ? "slower" : "faster",
    before: before.durationMs,
    after: after.durationMs,
  };
}

function getStepTime(
  { startedAt, durationMs }: StepRecord,
): number | undefined {
  return startedAt === null ? undefined : durationMs;
}

function describePathChange(before: RunTotal, after: RunTotal): string {
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
      <td class="number earlier">${formatTime(before)}</td>
      <td class="number">${formatTime(after)}</td>
      <td class="bar">${
    before === undefined || after === undefined
      ? ""
      : changeBar(before, after, longestMs)
  }</td>
    </tr>
  `;
}

function formatTime(ms: number | undefined): string {
  return ms === undefined ? "–" : formatDuration(ms);
}

function changeBar(before: number, after: number, longestMs: number): Html {
  const changeMs = after - before;
  if (Math.abs(changeMs) < MIN_CHANGE_MS) {
    return markup`<span class="muted">±0</span>`;
  }
  const width = Math.round(HALF_BAR * Math.abs(changeMs) / longestMs);
  const [x, kind] = changeMs < 0
    ? [HALF_BAR - width, "success"]
    : [HALF_BAR, "allowed"];
  return markup`<span class="change ${kind}">${
    formatChange(before, after)
  }</span><svg viewBox="0 0 ${
    2 * HALF_BAR
  } 12" preserveAspectRatio="none" aria-hidden="true"><rect class="${kind}" x="${x}" width="${width}" height="12"/></svg>`;
}

/** Maximum number of rows and of metrics that are listed. */
const MAX_PLUGIN_ROWS = 100;

/** Calls of a plugin in a phase. Each failed call has its own row. */
interface PluginCalls {
  readonly plugin: string;
  readonly phase: string;
  readonly error: string | undefined;
  /** In a workflow, name of the job in which a call failed. */
  readonly job: string | undefined;
  count: number;
  durationMs: number;
}

/**
 * Writes the calls and metrics of plugins in a run, and in the jobs of a
 * workflow.
 *
 * @param record The run.
 * @param jobs The runs that were jobs of a workflow, by the index of the job.
 * @returns A section of the page; nothing if no plugin was called.
 */
function pluginSection(
  record: RunRecord,
  jobs: ReadonlyMap<number, RunRecord> = new Map(),
): Html | "" {
  const calls = collectCalls(record, jobs);
  if (calls.length === 0) return "";
  const isWorkflow = record.started.kind === "workflow";
  const { metrics } = record;
  return markup`<section data-key="plugins" aria-labelledby="plugins" class="half"><h2 id="plugins">Plugins</h2>
<table><thead><tr><th scope="col">Plugin</th><th scope="col">Phase</th><th scope="col" class="number">Time</th></tr></thead>
<tbody>${
    calls.slice(0, MAX_PLUGIN_ROWS).map((call) => callRow(call, isWorkflow))
  }</tbody></table>
${formatMore(calls.length, "rows")}${
    metrics.length === 0
      ? ""
      : markup`<ul>${
        metrics.slice(0, MAX_PLUGIN_ROWS).map(({ plugin, name, value }) =>
          markup`<li>${plugin}: ${name} = ${Number(value.toPrecision(6))}</li>`
        )
      }</ul>${formatMore(metrics.length, "metrics")}`
  }</section>`;
}

/**
 * Sums up the calls of each plugin in each phase, in the order of their first
 * calls.
 */
function collectCalls(
  { plugins, steps }: RunRecord,
  jobs: ReadonlyMap<number, RunRecord>,
): PluginCalls[] {
  const calls = new Map<unknown, PluginCalls>();
  const add = (list: RunRecord["plugins"], job?: string) => {
    for (const { plugin, phase, durationMs, error } of list) {
      const key = error === undefined ? JSON.stringify([plugin, phase]) : {};
      const sum = calls.get(key) ??
        { plugin, phase, error, job, count: 0, durationMs: 0 };
      sum.count++;
      sum.durationMs += durationMs;
      calls.set(key, sum);
    }
  };
  add(plugins);
  for (const [index, { plugins }] of jobs) add(plugins, steps[index].name);
  return [...calls.values()];
}

function callRow(
  { plugin, phase, error, job, count, durationMs }: PluginCalls,
  isWorkflow: boolean,
): Html {
  const note = isWorkflow && error === undefined
    ? count === 1 ? "in 1 job" : `in ${count} jobs`
    : error === undefined
    ? count === 1 ? "" : `${count} calls`
    : job ?? "";
  return markup`
        <tr>
          <th scope="row">${plugin}${
    note === "" ? "" : markup`<small>${note}</small>`
  }</th>
          <td>${phase}${
    error === undefined ? "" : markup`<small>${error}</small>`
  }</td>
          <td class="number">${formatDuration(durationMs)}</td>
        </tr>
      `;
}

function formatMore(count: number, what: string): Html | "" {
  return count <= MAX_PLUGIN_ROWS
    ? ""
    : markup`<p>${count - MAX_PLUGIN_ROWS} more ${what}.</p>`;
}
