import { messageOf, RunnerError } from "../../errors.ts";
import { Variable } from "../../environment/variables.ts";
import { FORMATS, type ReportFormat } from "../../report/formats/formats.ts";
import { readRecordFile } from "../../report/record_file.ts";
import type { RunRecord } from "../../report/run_record.ts";
import { RECORD_FILE } from "../../report/run_recorder.ts";
import { shouldUseColor } from "../../terminal/text.ts";
import type { CliCommand, CommandContext } from "../command.ts";
import { usageError } from "../parse_arguments.ts";

export const reportCommand: CliCommand = {
  usage: "[FILE [FILE]] [--format FORMAT]",
  description:
    `Shows what a run did, from its record. Without FILE, that is the last run in
./job: job/artifacts/run.jsonl. With two files, shows what changed between the
two runs.`,
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
      choices: Object.keys(FORMATS),
      help: `${Object.keys(FORMATS).join(", ")} (table)`,
    },
  ],
  maxOperands: 2,
  async run(context) {
    const { flags, operands, runner: { host } } = context;
    const name = String(flags.get("format") ?? "table");
    if (!Object.hasOwn(FORMATS, name)) {
      throw usageError(
        `--format must be one of ${
          Object.keys(FORMATS).join(", ")
        }, not "${name}"`,
        "report",
      );
    }
    const runs = await Promise.all(
      (operands.length === 0 ? [undefined] : operands)
        .map((file) => readFile(file, context)),
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
    const format = await FORMATS[name as ReportFormat].load();
    const isTerminal = host.stdout.isTerminal();
    const text = await format(run, {
      earlier,
      columns: isTerminal ? host.consoleSize?.()?.columns : undefined,
      color: shouldUseColor(host.env, isTerminal),
    });
    await context.print(text.replace(/\n$/, ""));
    return 0;
  },
};

async function readFile(
  file: string | undefined,
  { runner: { host, workspace } }: CommandContext,
): Promise<RunRecord> {
  const directory = host.env[Variable.artifactsDir] || "/job/artifacts";
  const path = file === undefined
    ? `${workspace.pathOf(directory)}/${RECORD_FILE}`
    : file.startsWith("/")
    ? file
    : `${host.cwd}/${file}`;
  const shown = file ?? path;
  try {
    return await readRecordFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw failure(
        shown,
        "no such file; jobs with steps or a source write one, and so does `run --record FILE`",
      );
    }
    throw failure(shown, messageOf(error));
  }
}

function failure(path: string, reason: string): RunnerError {
  return new RunnerError(`Cannot read the run record "${path}": ${reason}`, {
    code: "invalid-record",
  });
}
