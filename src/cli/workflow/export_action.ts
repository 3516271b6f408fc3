import { osReason, RunnerError } from "../../errors.ts";
import { lstatIfThere } from "../../fs/files.ts";
import { writeAtomic } from "../../fs/write_atomic.ts";
import { absolutePath } from "../../job_path.ts";
import { printable } from "../../terminal/text.ts";
import type { DefinitionSource } from "../../workflow/definition/definition_source.ts";
import { ENGINES, type WorkflowEngine } from "../../workflow/export/engines.ts";
import {
  EXPORT_MARK,
  exportWorkflow,
} from "../../workflow/export/export_workflow.ts";
import type { CommandContext } from "../command.ts";
import { maskJobs } from "../inventory.ts";
import { usageError } from "../parse_arguments.ts";
import { loadWorkflow, withInputs } from "./load_workflow.ts";

/**
 * Writes a workflow file for another engine to standard output or to a file, and
 * lists on standard error what cannot be exported.
 *
 * @throws {RunnerError} `usage`; `invalid-workflow`; `output-failed` if the file
 * exists and is not an exported one, or cannot be written.
 */
export async function exportAction(
  context: CommandContext,
  file: string | undefined,
): Promise<number> {
  const { flags, runner, print } = context;
  const { logger, masker, host } = runner;
  const engine = engineOf(flags.get("to"));
  let source: DefinitionSource | undefined;
  const { workflow } = await loadWorkflow(context, file, {
    onSource: (found) => source = found,
  });
  const definition = await withInputs(context, workflow);
  maskJobs(runner, definition.jobs);
  const { text, warnings } = await exportWorkflow({
    definition,
    source: source!,
    mask: (text) => masker.maskText(text),
  }, engine);
  const output = flags.get("output");
  if (typeof output === "string") {
    const path = absolutePath(output, host.cwd);
    await checkReplaceable(path, output);
    await writeAtomic(path, text);
  } else await print(text.replace(/\n$/, ""));
  for (const { place, text } of warnings) {
    logger.warn("export", printable(`${place}: ${text}`));
  }
  await logger.flush();
  return 0;
}

function engineOf(given: unknown): WorkflowEngine {
  const engine = ENGINES.find((known) => known === given);
  if (engine !== undefined) return engine;
  throw usageError(
    given === undefined
      ? `Option --to is required: ${ENGINES.join(", ")}`
      : `Option --to must be one of ${ENGINES.join(", ")}`,
    "workflow",
  );
}

/** Refuses to replace a file that was not exported. */
async function checkReplaceable(path: string, shown: string): Promise<void> {
  let start: string;
  try {
    const info = await lstatIfThere(path);
    if (info === undefined) return;
    if (!info.isFile) throw unwritable(shown, "it is not a file");
    using file = await Deno.open(path);
    const bytes = new Uint8Array(EXPORT_MARK.length + 2);
    const count = await file.read(bytes) ?? 0;
    start = new TextDecoder().decode(bytes.subarray(0, count));
  } catch (error) {
    if (error instanceof RunnerError) throw error;
    throw unwritable(shown, osReason(error));
  }
  if (start === `# ${EXPORT_MARK}`) return;
  throw unwritable(shown, "it exists, and is not an exported workflow");
}

function unwritable(path: string, state: string): RunnerError {
  return new RunnerError(`Cannot write "${path}": ${state}`, {
    code: "output-failed",
  });
}
