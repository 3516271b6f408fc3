import { messageOf } from "../../errors.ts";
import { printable } from "../../terminal/text.ts";
import { findDefinitions } from "../../workflow/eval/load_tree.ts";
import { readWorkflow } from "../../workflow/definition/read_workflow.ts";
import { readJobDefinition } from "../../workflow/definition/read_job_definition.ts";
import type { CommandContext } from "../command.ts";
import { warner } from "../definition_warnings.ts";

/**
 * Lists the workflows and jobs of the current directory, or of another one.
 *
 * @param context What the command got to work with.
 * @param directory Path of the directory.
 * @returns Exit code: 1 if one of the files cannot be used.
 */
export async function listAction(
  { parts, print }: CommandContext,
  directory: string = ".",
): Promise<number> {
  const { host, logger } = parts;
  const root = directory.startsWith("/")
    ? directory
    : `${host.cwd}/${directory}`;
  const { workflows, jobs } = await findDefinitions(root);
  const rows: string[][] = [];
  const onWarning = warner(logger, "workflow");
  let exitCode = 0;
  const add = async (file: string, describe: () => Promise<string[]>) => {
    try {
      rows.push([file, ...await describe()]);
    } catch (error) {
      logger.error("workflow", messageOf(error));
      exitCode = 1;
    }
  };
  for (const file of workflows) {
    await add(file, async () => {
      const { id, name, triggers, jobs } = await readWorkflow(
        root,
        file,
        { onWarning },
      );
      return [
        id,
        name,
        `${jobs.length} jobs`,
        (triggers.events ?? []).join(", "),
      ];
    });
  }
  for (const file of jobs) {
    await add(file, async () => {
      const { job, triggers } = await readJobDefinition(root, file, {
        onWarning,
      });
      return ["", job.name, "job", (triggers.events ?? []).join(", ")];
    });
  }
  if (rows.length > 0) await print(table(rows));
  else if (exitCode === 0) await print("There are no workflows and no jobs");
  await logger.flush();
  return exitCode;
}

function table(rows: readonly string[][]): string {
  const shown = rows.map((row) => row.map(printable));
  const widths = shown[0].map((_, column) =>
    Math.max(...shown.map((row) => row[column].length))
  );
  return shown.map((row) =>
    row.map((cell, at) => cell.padEnd(widths[at])).join("  ").trimEnd()
  ).join("\n");
}
