import { absolutePath } from "../../job_path.ts";
import { dirname } from "@std/path/posix/dirname";
import { readOptions } from "../../config/load_config.ts";
import { osReason, RunnerError } from "../../errors.ts";
import { parseWorkflow } from "../../workflow/definition/read_workflow.ts";
import {
  encodeResult,
  type PassedResult,
} from "../../workflow/export/passed_result.ts";
import type { PassedNeed } from "../../workflow/export/job_gate.ts";
import { runExportedJob } from "../../workflow/export/run_exported_job.ts";
import type { CommandContext } from "../command.ts";
import { flagsLayer } from "../config_flags.ts";
import { maskJobs, warnOnce } from "../inventory.ts";
import { usageError } from "../parse_arguments.ts";
import { readStandardInput } from "../read_input.ts";

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
  const needs = [flags.get("need") ?? []].flat().map(needOf);
  const item = itemOf(flags.get("item"));
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

function needOf(text: string): PassedNeed {
  const at = text.lastIndexOf("=");
  if (at < 1) {
    throw usageError("--need must be JOB=VARIABLE[,VARIABLE…]", "workflow");
  }
  return { name: text.slice(0, at), variables: text.slice(at + 1).split(",") };
}

function itemOf(given: unknown): number | undefined {
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
