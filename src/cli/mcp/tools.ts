import { RunnerError } from "../../errors.ts";
import type { Host, TerminationSignal } from "../../host.ts";
import { OWN_DIRECTORY } from "../../job_path.ts";
import { isObject, parseJson } from "../../json_value.ts";
import { onAbort } from "../../process/cancellation.ts";
import {
  readRecordFile,
  type RunRecord,
  runStatus,
} from "../../report/run_record.ts";
import { hasFailed } from "../../report/step_outcome.ts";
import {
  readLines,
  RunFinder,
  StepLogs,
} from "../../report/ui/recorded_runs.ts";
import { quote } from "../../terminal/text.ts";
import { WORKFLOW_FOLDER } from "../../workflow/definition/definition.ts";
import { guardPath } from "../../workspace/guard.ts";
import { invalidArgument, type Tool, type ToolResult } from "./serve_tools.ts";

/** Maximum number of steps in a result. */
const MAX_STEPS = 1_000;

/** Maximum number of problems in a result. */
const MAX_PROBLEMS = 200;

/** Maximum number of runs in a list. */
const MAX_RUNS = 20;

/** Maximum length of a text argument. */
const MAX_TEXT_LENGTH = 4_096;

/** Directory of the jobs of a workflow, whose records are runs as well. */
const JOBS = `${OWN_DIRECTORY}/workflow/jobs/`;

type Arguments = Readonly<Record<string, unknown>>;

const FILE = {
  file: {
    type: "string",
    description:
      "Path relative to the directory; by default the job.yaml, or the only workflow",
  },
  kind: {
    type: "string",
    enum: ["job", "workflow"],
    description:
      `What the file defines; by default a workflow if it is in ${WORKFLOW_FOLDER}, else a job`,
  },
};

const RUN = {
  run: {
    type: "string",
    description:
      "Id of the run, from list; by default the latest one that is not a job of a workflow",
  },
};

/** Options for {@linkcode createTools}. */
export interface CreateToolsOptions extends ProgramPlace {
  /** Whether clients can run jobs and workflows. */
  readonly allowsRuns: boolean;
}

/** Creates the tools for a directory. */
export function createTools(
  options: CreateToolsOptions,
): Readonly<Record<string, Tool>> {
  const { root } = options;
  const finder = new RunFinder(root);
  const reads = {
    list: {
      description:
        "Lists the jobs, steps and workflows that the directory defines, and the last runs",
      properties: {},
      required: [],
      call: (_args, signal) => list(options, finder, signal),
    },
    validate: {
      description:
        "Checks a job or workflow file, or all files of the directory, without running anything",
      properties: FILE,
      required: [],
      call: (args, signal) => validate(args, options, signal),
    },
    result: {
      description: "Shows how a run and each of its steps or jobs ended",
      properties: RUN,
      required: [],
      async call(args) {
        const { id, record } = await findRun(args, root, finder);
        return { value: formatRun(id, record) };
      },
    },
    log: {
      description:
        "Reads the log of a step, or of a job of a workflow: by default its end",
      properties: {
        ...RUN,
        step: {
          type: "string",
          description: "Name of the step or job, from result",
        },
        offset: {
          type: "integer",
          minimum: 0,
          description: "Position in bytes from which to read",
        },
      },
      required: ["step"],
      call: (args) => log(args, root, finder),
    },
  } satisfies Record<string, Omit<Tool, "isReadOnly">>;
  return {
    ...Object.fromEntries(
      Object.entries(reads).map((
        [name, tool],
      ) => [name, { ...tool, isReadOnly: true }]),
    ),
    ...options.allowsRuns ? { run: createRunTool(options) } : {},
  };
}

function createRunTool(options: CreateToolsOptions): Tool {
  return {
    description: "Runs a job or a workflow, and waits until it has ended",
    properties: {
      ...FILE,
      only: {
        type: "array",
        items: { type: "string" },
        description: "Names of the steps or jobs to run; by default all",
      },
      vars: {
        type: "object",
        additionalProperties: { type: "string" },
        description: "Variables of the workflow",
      },
    },
    required: [],
    isReadOnly: false,
    call: (args, signal) => run(args, options, signal),
  };
}

async function list(
  place: ProgramPlace,
  finder: RunFinder,
  signal: AbortSignal,
): Promise<ToolResult> {
  const { exitCode, output, log } = await callProgram(
    ["list", "--json"],
    place,
    signal,
  );
  const definitions = parseJson(output);
  const runs = (await finder.find()).slice(0, MAX_RUNS);
  return {
    value: {
      definitions: definitions ?? [],
      problems: exitCode === 0
        ? []
        : splitNonBlankLines(log.replace(output, "")),
      runs,
    },
  };
}

async function validate(
  args: Arguments,
  place: ProgramPlace,
  signal: AbortSignal,
): Promise<ToolResult> {
  const { file, kind } = await readFile(args, place.root);
  const words = file === undefined
    ? ["list"]
    : kind === "workflow"
    ? ["workflow", "run", file, "--dry-run"]
    : ["validate", `--job-file=${file}`, "--no-check-files"];
  const { exitCode, output, log } = await callProgram(words, place, signal);
  const isValid = exitCode === 0;
  return {
    value: {
      isValid,
      problems: isValid ? [] : splitNonBlankLines(log.replace(output, "")),
    },
  };
}

async function run(
  args: Arguments,
  place: ProgramPlace,
  signal: AbortSignal,
): Promise<ToolResult> {
  const { file, kind } = await readFile(args, place.root);
  const only = readTexts(args, "only");
  const { vars = {} } = args;
  if (!isObject(vars)) throw invalidArgument("vars", "must be an object");
  const assignments = Object.entries(vars).map(([name, value]) => {
    if (!/^[^=\0]+$/.test(name) || typeof value !== "string") {
      throw invalidArgument("vars", "must map names to strings");
    }
    return `--var=${name}=${value}`;
  });
  if (kind === "job" && assignments.length > 0) {
    throw invalidArgument("vars", "is for workflows");
  }
  const words = kind === "workflow"
    ? [
      ...["workflow", "run", ...file === undefined ? [] : [file]],
      ...only.map((name) => `--only=${name}`),
      ...assignments,
    ]
    : [
      ...["run", ...file === undefined ? [] : [`--job-file=${file}`]],
      ...only.length === 0 ? [] : [`--only=${only.join(",")}`],
    ];
  const { exitCode, log } = await callProgram(words, place, signal);
  signal.throwIfAborted();
  return { value: { exitCode, log }, isError: exitCode !== 0 };
}

async function log(
  args: Arguments,
  root: string,
  finder: RunFinder,
): Promise<ToolResult> {
  const step = readText(args, "step")!;
  const { offset } = args;
  if (
    offset !== undefined &&
    !(Number.isSafeInteger(offset) && Number(offset) >= 0)
  ) {
    throw invalidArgument("offset", "must be a whole number");
  }
  const { path, record } = await findRun(args, root, finder);
  const index = record.steps.findIndex(({ name }) => name === step);
  if (index === -1) throw missingRunError(`the run has no step ${quote(step)}`);
  await using file = await new StepLogs(path, root).open(record, index);
  if (file === undefined) {
    throw missingRunError(`step ${quote(step)} has no log`);
  }
  const isOver = record.steps[index].state === undefined;
  const from = offset as number | undefined;
  if (from !== undefined && from >= file.size) {
    return { value: { text: "", offset: file.size, hasMore: false } };
  }
  return { value: { ...await readLines(file, from, isOver) } };
}

/** Finds a run that is in the list; the record of a job may be hostile. */
async function findRun(
  args: Arguments,
  root: string,
  finder: RunFinder,
): Promise<{ id: string; path: string; record: RunRecord }> {
  // The jobs of a workflow have started after it.
  const id = readText(args, "run") ??
    (await finder.find()).find(({ path }) => !path.includes(JOBS))?.id;
  const path = id === undefined ? undefined : await finder.findPath(id);
  if (id === undefined || path === undefined) {
    throw missingRunError(
      id === undefined ? "there is none" : "it is not in the list",
    );
  }
  try {
    return { id, path, record: await readRecordFile(path, { base: root }) };
  } catch {
    throw missingRunError("its record cannot be read");
  }
}

function formatRun(id: string, record: RunRecord): Record<string, unknown> {
  const { started, ended, steps, problems } = record;
  return {
    run: id,
    name: started.name,
    kind: started.kind,
    startedAt: started.time,
    status: runStatus(record),
    exitCode: ended?.exitCode ?? null,
    durationMs: ended?.durationMs,
    error: ended?.error,
    steps: steps.slice(0, MAX_STEPS).map((step) => ({
      name: step.name,
      outcome: step.outcome,
      conclusion: step.conclusion,
      exitCode: step.exitCode,
      reason: step.reason,
      attempts: step.attempts.length,
      durationMs: step.durationMs,
      state: step.state,
      tail: hasFailed(step) ? step.tail : undefined,
    })),
    omittedSteps: Math.max(0, steps.length - MAX_STEPS),
    problems: problems.slice(0, MAX_PROBLEMS)
      .map(({ event: _event, ms: _ms, ...problem }) => problem),
  };
}

/** Returns the file of a call, which must be in the directory. */
async function readFile(
  args: Arguments,
  root: string,
): Promise<{ file: string | undefined; kind: "job" | "workflow" }> {
  const given = readText(args, "file");
  const { kind } = args;
  if (kind !== undefined && kind !== "job" && kind !== "workflow") {
    throw invalidArgument("kind", 'must be "job" or "workflow"');
  }
  if (given === undefined) return { file: undefined, kind: kind ?? "job" };
  // The resolved path, because links can change after the check.
  const file = await guardPath(root, given);
  const isWorkflow = file.startsWith(`${root}/${WORKFLOW_FOLDER}/`);
  return { file, kind: kind ?? (isWorkflow ? "workflow" : "job") };
}

function readText(args: Arguments, name: string): string | undefined {
  const { [name]: value } = args;
  if (value === undefined) return undefined;
  if (isShortText(value)) return value;
  throw invalidArgument(
    name,
    `must be a string of 1 to ${MAX_TEXT_LENGTH} characters`,
  );
}

function readTexts(args: Arguments, name: string): readonly string[] {
  const { [name]: value = [] } = args;
  if (Array.isArray(value) && value.every(isShortText)) return value;
  throw invalidArgument(name, "must be a list of strings");
}

function isShortText(value: unknown): value is string {
  return typeof value === "string" && value !== "" &&
    value.length <= MAX_TEXT_LENGTH;
}

function splitNonBlankLines(text: string): string[] {
  return text.split("\n").filter((line) => line.trim() !== "");
}

function missingRunError(reason: string): RunnerError {
  return new RunnerError(`Cannot show the run: ${reason}`, {
    code: "invalid-record",
  });
}

/** Maximum size of standard output that is kept, in bytes. */
const MAX_OUTPUT_BYTES = 1024 * 1024;

/** Maximum size of the end of the log that is kept, in bytes. */
const MAX_LOG_BYTES = 32 * 1024;

/** How a command line ended, and what it printed. */
export interface ProgramEnd {
  readonly exitCode: number;
  /** Its standard output, at most its first mebibyte. */
  readonly output: string;
  /** Last lines of both streams. */
  readonly log: string;
}

/** Runs a command line of this program with another host. */
export type RunProgram = (
  args: readonly string[],
  host: Host,
) => Promise<number>;

/** Parameters that all calls of the program share. */
interface ProgramPlace {
  readonly runProgram: RunProgram;
  /** Process around this one. */
  readonly host: Host;
  /** Absolute path of the directory in which commands run. */
  readonly root: string;
}

/**
 * Runs a command line of this program in this process, without its standard
 * streams.
 *
 * @param signal Ends the command as SIGTERM does.
 */
async function callProgram(
  args: readonly string[],
  { runProgram, host: { env, program }, root }: ProgramPlace,
  signal: AbortSignal,
): Promise<ProgramEnd> {
  const listeners = new Set<(signal: TerminationSignal) => void>();
  const output = new KeptText("first", MAX_OUTPUT_BYTES);
  const log = new KeptText("last", MAX_LOG_BYTES);
  const streamTo = (...texts: KeptText[]) => ({
    write(bytes: Uint8Array) {
      for (const text of texts) text.add(bytes);
      return Promise.resolve(bytes.length);
    },
    isTerminal: () => false,
  });
  using _ = onAbort(signal, () => {
    for (const listener of [...listeners]) listener("SIGTERM");
  });
  const exitCode = await runProgram(args, {
    env: { ...env, NO_COLOR: "1" },
    cwd: root,
    program,
    stdout: streamTo(output, log),
    stderr: streamTo(log),
    onSignal(listener) {
      listeners.add(listener);
      if (signal.aborted) listener("SIGTERM");
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
  });
  return { exitCode, output: output.text, log: log.text };
}

/** The first or the last bytes of a stream. */
class KeptText {
  readonly #end: "first" | "last";
  readonly #maxBytes: number;
  #parts: Uint8Array[] = [];
  #length = 0;

  constructor(end: "first" | "last", maxBytes: number) {
    this.#end = end;
    this.#maxBytes = maxBytes;
  }

  add(bytes: Uint8Array): void {
    const part = this.#end === "first"
      ? bytes.slice(0, Math.max(0, this.#maxBytes - this.#length))
      : bytes.slice(-this.#maxBytes);
    if (part.length === 0) return;
    this.#parts.push(part);
    this.#length += part.length;
    while (this.#length - this.#parts[0].length > this.#maxBytes) {
      this.#length -= this.#parts.shift()!.length;
    }
  }

  get text(): string {
    const decoder = new TextDecoder();
    const all =
      this.#parts.map((part) => decoder.decode(part, { stream: true }))
        .join("") + decoder.decode();
    return this.#end === "first" ? all : all.slice(-this.#maxBytes);
  }
}
