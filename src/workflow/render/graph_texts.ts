import { printable } from "../../printable.ts";
import type { LocalJob } from "../local/local_job.ts";
import { levels } from "./levels.ts";

/**
 * Draws a workflow for a terminal: a row for each job, behind those that it
 * waits for.
 *
 * @param jobs Jobs.
 * @returns Lines.
 */
export function terminalGraph(jobs: readonly LocalJob[]): string {
  return levels(jobs).flatMap((row, depth) =>
    row.map((job) => {
      const waits = job.dependsOn.length === 0
        ? ""
        : `  ← ${job.dependsOn.join(", ")}`;
      const indent = depth === 0 ? "" : `${"   ".repeat(depth - 1)}└─ `;
      return printable(`${indent}${labelOf(job)}${waits}`);
    })
  ).join("\n");
}

/**
 * Draws a workflow for Mermaid, as documents on the web show it.
 *
 * @param jobs Jobs.
 * @returns Lines.
 */
export function mermaidGraph(jobs: readonly LocalJob[]): string {
  const ids = idsOf(jobs);
  const text = (label: string) =>
    `"${
      printable(label).replace(/["#&<>]/g, (it) => `#${it.charCodeAt(0)};`)
    }"`;
  return [
    "flowchart TD",
    ...jobs.map((job) => `  ${ids.get(job.name)}[${text(labelOf(job))}]`),
    ...edgesOf(jobs).map(({ from, to, isUsual }) =>
      `  ${ids.get(from)} ${isUsual ? "-->" : "-.->"} ${ids.get(to)}`
    ),
  ].join("\n");
}

/**
 * Draws a workflow for Graphviz.
 *
 * @param name Name of the workflow.
 * @param jobs Jobs.
 * @returns Lines of DOT.
 */
export function dotGraph(name: string, jobs: readonly LocalJob[]): string {
  const ids = idsOf(jobs);
  const text = (label: string) =>
    `"${printable(label).replace(/["\\]/g, "\\$&")}"`;
  return [
    `digraph ${text(name)} {`,
    "  rankdir=TB;",
    "  node [shape=box];",
    ...jobs.map((job) =>
      `  ${ids.get(job.name)} [label=${text(labelOf(job))}];`
    ),
    ...edgesOf(jobs).map(({ from, to, isUsual }) =>
      `  ${ids.get(from)} -> ${ids.get(to)}${isUsual ? "" : " [style=dashed]"};`
    ),
    "}",
  ].join("\n");
}

/**
 * Says in a few words what a job is: its name, how often it runs and when.
 *
 * @param job Job.
 * @returns The words.
 */
export function labelOf({ name, forEach = [], condition }: LocalJob): string {
  const count = forEach.length === 0 ? "" : ` ×${forEach.length}`;
  const when = condition === "all_success" ? "" : ` (${condition})`;
  return `${name}${count}${when}`;
}

/** Names may hold anything, which no language of graphs takes. */
function idsOf(jobs: readonly LocalJob[]): ReadonlyMap<string, string> {
  return new Map(jobs.map(({ name }, at) => [name, `job${at}`]));
}

function edgesOf(jobs: readonly LocalJob[]) {
  return jobs.flatMap(({ name, dependsOn, condition }) =>
    dependsOn.map((from) => ({
      from,
      to: name,
      isUsual: condition === "all_success",
    }))
  );
}
