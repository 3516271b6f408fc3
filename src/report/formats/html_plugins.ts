import { formatDuration } from "../durations.ts";
import type { RunRecord } from "../run_record.ts";
import { type Html, markup } from "./html_text.ts";

/** Maximum number of rows and of metrics that are listed. */
const MAX_LISTED = 100;

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
export function pluginSection(
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
    calls.slice(0, MAX_LISTED).map((call) => callRow(call, isWorkflow))
  }</tbody></table>
${more(calls.length, "rows")}${
    metrics.length === 0
      ? ""
      : markup`<ul>${
        metrics.slice(0, MAX_LISTED).map(({ plugin, name, value }) =>
          markup`<li>${plugin}: ${name} = ${Number(value.toPrecision(6))}</li>`
        )
      }</ul>${more(metrics.length, "metrics")}`
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

function more(count: number, what: string): Html | "" {
  return count <= MAX_LISTED
    ? ""
    : markup`<p>${count - MAX_LISTED} more ${what}.</p>`;
}
