import { messageOf, RunnerError } from "../../errors.ts";
import { openUntrusted, readToEnd } from "../../fs/read_untrusted.ts";
import { Variable } from "../../environment/variables.ts";
import { FORMATS, type ReportFormat } from "../../report/formats/formats.ts";
import { readRecord, type RunRecord } from "../../report/run_record.ts";
import { RECORD_FILE } from "../../report/run_recorder.ts";
import { shouldUseColor } from "../../terminal/text.ts";
import type { CliCommand, CommandContext } from "../command.ts";
import { usageError } from "../parse_arguments.ts";

/** Maximum size of a record, in bytes. */
const MAX_BYTES = 256 * 1024 * 1024;

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
    if (operands.length === 2) {
      if (flags.has("format")) {
        throw usageError("--format is for one run, not for two", "report");
      }
      const { compareRuns } = await import("../../report/compare.ts");
      const runs = await Promise.all(
        operands.map((file) => readFile(file, context)),
      );
      await context.print(compareRuns(runs[0], runs[1]).trimEnd());
      return 0;
    }
    const name = String(flags.get("format") ?? "table");
    if (!Object.hasOwn(FORMATS, name)) {
      throw usageError(
        `--format must be one of ${
          Object.keys(FORMATS).join(", ")
        }, not "${name}"`,
        "report",
      );
    }
    const format = await FORMATS[name as ReportFormat].load();
    const isTerminal = host.stdout.isTerminal();
    const text = await format(await readFile(operands[0], context), {
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
  let record: RunRecord | undefined;
  try {
    await using file = await openUntrusted(path);
    if (file.size > MAX_BYTES) {
      throw new Error(`it is larger than ${MAX_BYTES} bytes`);
    }
    // Asked first: a run that ends now releases the lock after its last line.
    const isRunning = await file.isLocked() ?? true;
    const bytes = await readToEnd(file, 0, MAX_BYTES);
    record = readRecord(new TextDecoder().decode(bytes), { isRunning });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw failure(
        shown,
        "no such file; jobs with steps or a source write one, and so does `run --record FILE`",
      );
    }
    throw failure(shown, messageOf(error));
  }
  if (record !== undefined) return record;
  throw failure(shown, "it does not begin with the start of a run");
}

function failure(path: string, reason: string): RunnerError {
  return new RunnerError(`Cannot read the run record "${path}": ${reason}`, {
    code: "invalid-record",
  });
}
