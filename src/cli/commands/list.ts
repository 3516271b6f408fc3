import { printable, withoutCommands } from "../../terminal/text.ts";
import { cutToWidth, displayWidth, padToWidth } from "../../terminal/width.ts";
import { jobLabel } from "../../workflow/draw_graph.ts";
import { findDirectory, getOutputColumns } from "../actions.ts";
import type { CliCommand, CommandContext } from "../command.ts";
import { type InventoryEntry, readInventory, warnOnce } from "../inventory.ts";

export const listCommand: CliCommand = {
  usage: "[DIRECTORY] [OPTIONS]",
  description:
    `Lists what a directory defines, with descriptions: the job that "runnerlib run"
runs and its steps, the workflows in .reactorcide/workflows and their jobs, and
the jobs in .reactorcide/jobs. Exits with 1 if one of the files is invalid.`,
  examples: [
    ["list", "List what the current directory defines"],
    ["list --json", "Print the list as JSON"],
  ],
  flags: [{ name: "json", help: "Print the result as a JSON document" }],
  maxOperands: 1,
  run: (context) => listDefinitions(context, context.operands[0]),
};

/** Maximum width of the column of names. */
const MAX_NAME_WIDTH = 40;

/**
 * Lists the jobs, steps and workflows of a directory.
 *
 * @returns Exit code: 1 if one of the files is invalid.
 */
export async function listDefinitions(
  context: CommandContext,
  directory: string = ".",
): Promise<number> {
  const { runner, print, isOn } = context;
  const { host, logger } = runner;
  const root = await findDirectory(directory, host, "Cannot list");
  let problemCount = 0;
  const entries = await readInventory(root, {
    runner,
    onProblem(message) {
      problemCount++;
      logger.error("list", message);
    },
    onWarning: warnOnce(logger, "list"),
  });
  if (isOn("json")) await print(JSON.stringify(entries, null, 2));
  else if (entries.length > 0) {
    await print(formatInventory(entries, getOutputColumns(host)));
  } else if (problemCount === 0) {
    await print(
      'No jobs or workflows found; "runnerlib init" writes a first one',
    );
  }
  await logger.flush();
  return problemCount > 0 ? 1 : 0;
}

/**
 * Formats jobs and workflows, each followed by its steps or jobs.
 *
 * @param columns Width of a line; unlimited if `undefined`.
 */
function formatInventory(
  entries: readonly InventoryEntry[],
  columns: number | undefined,
): string {
  const names = entries.flatMap(({ parts }) => parts.map(jobLabel));
  const width = Math.min(
    MAX_NAME_WIDTH,
    Math.max(0, ...names.map(displayWidth)),
  );
  return entries.map((entry) => {
    const { file, name, description, events = [], parts } = entry;
    const heading = [
      file,
      ...name === undefined ? [] : [name],
      ...events.length === 0 ? [] : [`(on ${events.join(", ")})`],
      ...description === undefined ? [] : [description],
    ].join("  ");
    const lines = parts.map((part) => {
      const label = jobLabel(part);
      const needs = part.dependsOn.length === 0
        ? ""
        : `  ← ${part.dependsOn.join(", ")}`;
      return `  ${padToWidth(label, width)}  ${part.description}${needs}`;
    });
    return [heading, ...lines].map((line) => {
      const text = withoutCommands(printable(line).trimEnd());
      return columns === undefined ? text : cutToWidth(text, columns);
    }).join("\n");
  }).join("\n\n");
}
