import { printable } from "../../terminal/text.ts";
import type { WorkflowDefinition } from "../../workflow/definition/definition.ts";
import {
  localJob,
  localNodes,
  selectJobs,
} from "../../workflow/local/local_job.ts";
import { levels } from "../../workflow/draw_graph.ts";

/**
 * Returns what would be run, and when.
 *
 * @param workflow The workflow.
 * @param only Names of the only jobs; `undefined` for all.
 * @returns Lines: jobs behind those that they wait for.
 * @throws {RunnerError} `invalid-config` for an unknown job.
 */
export function planText(
  { name, vars, jobs }: WorkflowDefinition,
  only: readonly string[] | undefined,
): string {
  const all = { vars, jobs: jobs.map(localJob) };
  const { jobs: chosen } = only === undefined
    ? all
    : selectJobs(all, only, new Map());
  const order = levels(chosen).flat();
  return [
    `Would run "${printable(name)}":`,
    ...localNodes(order).flatMap(({ displayName, job }) => {
      const { dependsOn, condition, command, steps } = job;
      const when = condition === "all_success" ? "" : `, ${condition}`;
      const waits = dependsOn.length === 0 && when === ""
        ? ""
        : ` (after ${dependsOn.join(", ") || "nothing"}${when})`;
      const what = command?.trim().split("\n") ??
        steps!.map((step) => `step ${step.name}`);
      return [
        `  ${printable(displayName + waits)}`,
        ...what.map((line) => `    ${command ? "$ " : ""}${printable(line)}`),
      ];
    }),
  ].join("\n");
}
