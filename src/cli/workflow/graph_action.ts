import type { WorkflowDefinition } from "../../workflow/definition/definition.ts";
import { localJob } from "../../workflow/local/local_job.ts";
import {
  dotGraph,
  mermaidGraph,
  svgGraph,
  terminalGraph,
} from "../../workflow/draw_graph.ts";
import { usageError } from "../parse_arguments.ts";

/**
 * Draws a workflow.
 *
 * @param workflow The workflow.
 * @param format `text`, `mermaid`, `dot` or `svg`.
 * @returns The picture.
 * @throws {RunnerError} `usage` for another format.
 */
export function graphText(
  workflow: WorkflowDefinition,
  format: unknown = "text",
): string {
  const jobs = workflow.jobs.map(localJob);
  switch (format) {
    case "text":
      return terminalGraph(jobs);
    case "mermaid":
      return mermaidGraph(jobs);
    case "dot":
      return dotGraph(workflow.name, jobs);
    case "svg":
      return svgGraph(workflow.name, jobs);
    default:
      throw usageError(
        "Option --format must be text, mermaid, dot or svg",
        "workflow",
      );
  }
}
