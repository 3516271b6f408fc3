import { messageOf, RunnerError } from "../../errors.ts";
import { pathExists } from "../../fs/files.ts";
import { absolutePath } from "../../job_path.ts";
import { REPORT_FORMATS } from "../../options/options.ts";
import { FORMATS } from "../../report/formats/formats.ts";
import {
  readJobRecords,
  readRecordFile,
  type RunRecord,
} from "../../report/run_record.ts";
import { RECORD_FILE } from "../../report/run_event.ts";
import { shouldUseColor } from "../../terminal/text.ts";
import { getOutputColumns } from "../actions.ts";
import type { CliCommand, CommandContext } from "../command.ts";
import { artifactsPath } from "../job_location.ts";
import { readChoice, usageError } from "../parse_arguments.ts";

export const reportCommand: CliCommand = {
  usage: "[FILE [FILE]] [--format FORMAT]",
  description:
    `Shows a run from its record. Without FILE, shows the last run in ./job
(job/artifacts/run.jsonl) or, if there is none, the last run of a workflow
(.reactorcide/workflow/run.jsonl). With two files, shows the differences between
the two runs.`,
  examples: [
    ["report", "Show the last run in ./job"],
    ["report --format junit > junit.xml", "Write a report for other programs"],
    ["report before.jsonl after.jsonl", "Compare two runs"],
    [
      "report before.jsonl after.jsonl --format html > page.html",
      "Write the page of the second run, compared with the first",
    ],
  ],
  flags: [
    {
      name: "format",
      valueName: "FORMAT",
      choices: REPORT_FORMATS,
      help: `${REPORT_FORMATS.join(", ")} (table)`,
    },
  ],
  maxOperands: 2,
  async run(context) {
    const { operands, runner: { host } } = context;
    const name = readChoice(context, "format", REPORT_FORMATS, "report") ??
      "table";
    const files = operands.length === 0
      ? [await findLastRecord(context)]
      : operands.map((file) => absolutePath(file, host.cwd));
    const runs = await Promise.all(
      files.map((path, index) => readFile(path, operands[index] ?? path)),
    );
    const run = runs.pop()!;
    const [earlier] = runs;
    if (earlier !== undefined && name === "table") {
      const { compareRuns } = await import("../../report/compare.ts");
      await context.print(compareRuns(earlier, run).trimEnd());
      return 0;
    }
    if (earlier !== undefined && name !== "html") {
      throw usageError("Two runs are compared as table or html", "report");
    }
    const format = await FORMATS[name].load();
    const text = await format(run, {
      earlier,
      jobs: name === "html" && run.started.kind === "workflow"
        ? await readJobs(run, files.at(-1)!)
        : undefined,
      columns: getOutputColumns(host),
      color: shouldUseColor(host.env, host.stdout.isTerminal()),
    });
    await context.print(text.replace(/\n$/, ""));
    return 0;
  },
};

/** Finds the record of the last job, or of a workflow if there is none. */
async function findLastRecord(
  { runner }: CommandContext,
): Promise<string> {
  const job = `${artifactsPath(runner)}/${RECORD_FILE}`;
  const workflow = `${runner.host.cwd}/.reactorcide/workflow/${RECORD_FILE}`;
  return !await pathExists(job) && await pathExists(workflow) ? workflow : job;
}

async function readJobs(
  record: RunRecord,
  path: string,
): Promise<ReadonlyMap<number, RunRecord>> {
  return await readJobRecords(record, path.slice(0, path.lastIndexOf("/")));
}

async function readFile(path: string, displayPath: string): Promise<RunRecord> {
  try {
    return await readRecordFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw recordError(
        displayPath,
        "no such file; jobs with steps or a source write one, and so does `run --record FILE`",
      );
    }
    throw recordError(displayPath, messageOf(error));
  }
}

function recordError(path: string, reason: string): RunnerError {
  return new RunnerError(`Cannot read the run record "${path}": ${reason}`, {
    code: "invalid-record",
  });
}
