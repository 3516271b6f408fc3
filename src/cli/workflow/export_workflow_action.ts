import { dirname } from "@std/path/posix/dirname";
import { readOptions } from "../../config/load_config.ts";
import { osReason, RunnerError } from "../../errors.ts";
import { lstatIfThere } from "../../fs/files.ts";
import { writeAtomic } from "../../fs/write_atomic.ts";
import { absolutePath } from "../../job_path.ts";
import { printable } from "../../terminal/text.ts";
import type { DefinitionSource } from "../../workflow/definition/definition.ts";
import { parseWorkflow } from "../../workflow/definition/read_workflow.ts";
import { ENGINES, type WorkflowEngine } from "../../workflow/export/engines.ts";
import {
  EXPORT_MARK,
  exportWorkflow,
} from "../../workflow/export/export_workflow.ts";
import {
  encodeResult,
  type PassedNeed,
  type PassedResult,
  runExportedJob,
} from "../../workflow/export/run_exported_job.ts";
import type { CommandContext } from "../command.ts";
import { flagsLayer } from "../config_flags.ts";
import { maskJobs, warnOnce } from "../inventory.ts";
import { readChoice, usageError } from "../parse_arguments.ts";
import { readStandardInput } from "../read_input.ts";
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
  const engine = readEngine(context);
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

function readEngine(context: CommandContext): WorkflowEngine {
  const engine = readChoice(context, "to", ENGINES, "workflow");
  if (engine !== undefined) return engine;
  throw usageError(
    `Option --to is required: ${ENGINES.join(", ")}`,
    "workflow",
  );
}

/** Refuses to replace a file that was not exported. */
async function checkReplaceable(path: string, shown: string): Promise<void> {
  let start: string;
  try {
    const info = await lstatIfThere(path);
    if (info === undefined) return;
    if (!info.isFile) throw writeError(shown, "it is not a file");
    using file = await Deno.open(path);
    const bytes = new Uint8Array(EXPORT_MARK.length + 2);
    const count = await file.read(bytes) ?? 0;
    start = new TextDecoder().decode(bytes.subarray(0, count));
  } catch (error) {
    if (error instanceof RunnerError) throw error;
    throw writeError(shown, osReason(error));
  }
  if (start === `# ${EXPORT_MARK}`) return;
  throw writeError(shown, "it exists, and is not an exported workflow");
}

function writeError(path: string, state: string): RunnerError {
  return new RunnerError(`Cannot write "${path}": ${state}`, {
    code: "output-failed",
  });
}

/**
 * Runs a job of an exported workflow, whose definition is on standard input.
 *
 * @returns Exit code of the job.
 * @throws {RunnerError} As `runExportedJob()`, and `usage`.
 */
export async function runExportedJobAction(
  context: CommandContext,
): Promise<number> {
  const { runner, flags } = context;
  const { host, logger } = runner;
  const needs = [flags.get("need") ?? []].flat().map(readNeed);
  const item = readItem(flags.get("item"));
  const workflow = await parseWorkflow(
    await readStandardInput(host, "workflow"),
    {
      root: host.cwd,
      sourceFile: "<standard input>",
      onWarning: warnOnce(logger, "workflow"),
    },
  );
  maskJobs(runner, workflow.jobs);
  const { record, otel } = readOptions(
    host,
    ["record", "otel"],
    flagsLayer(context),
  );
  const store = flags.get("artifact-store");
  let result: PassedResult = {
    status: "failed",
    vars: workflow.vars,
    artifacts: [],
  };
  try {
    const end = await runExportedJob(runner, workflow, {
      root: host.cwd,
      needs,
      item,
      record,
      otel,
      artifactStore: typeof store === "string"
        ? absolutePath(store, host.cwd)
        : undefined,
    });
    ({ result } = end);
    return end.exitCode;
  } finally {
    await writeResult(context, result);
  }
}

function readNeed(text: string): PassedNeed {
  const at = text.lastIndexOf("=");
  if (at < 1) {
    throw usageError(
      "Option --need must be JOB=VARIABLE[,VARIABLE…]",
      "workflow",
    );
  }
  return { name: text.slice(0, at), variables: text.slice(at + 1).split(",") };
}

function readItem(given: unknown): number | undefined {
  if (given === undefined) return undefined;
  if (typeof given === "string" && /^\d{1,9}$/.test(given)) {
    return Number(given);
  }
  throw usageError("Option --item needs the index of an item", "workflow");
}

/**
 * Writes the result to a file, from which other engines read outputs of jobs.
 */
async function writeResult(
  { flags, runner: { host } }: CommandContext,
  result: PassedResult,
): Promise<void> {
  const [file, name] = [flags.get("result-file"), flags.get("result-name")];
  if (typeof file !== "string") return;
  const text = encodeResult(result);
  const path = absolutePath(file, host.cwd);
  try {
    await Deno.mkdir(dirname(path), { recursive: true });
    await Deno.writeTextFile(
      path,
      typeof name === "string" ? `${name}=${text}\n` : text,
    );
  } catch (cause) {
    throw new RunnerError(`Cannot write "${file}": ${osReason(cause)}`, {
      code: "output-failed",
      cause,
    });
  }
}
