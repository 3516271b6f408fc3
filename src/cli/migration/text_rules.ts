import { Variable } from "../../environment/variables.ts";
import { RunnerError } from "../../errors.ts";
import { parseArguments } from "../parse_arguments.ts";
import { historyCommand, isFullClone } from "./git_history.ts";
import type {
  InspectOptions,
  JobTraits,
  MigrationFinding,
} from "./inspection.ts";
import { programFix } from "./python_image.ts";
import { baseName, type ShellCommand } from "./shell_commands.ts";

/** Commands of a file that jobs run. */
export interface CheckedText {
  /** Path of the file, relative to the root of the repository. */
  readonly file: string;
  /** Commands in the file. */
  readonly commands: readonly ShellCommand[];
  /** Properties of the jobs that run the file. */
  readonly traits: JobTraits;
  /**
   * Whether the file is a definition, to which the line that requests history
   * must be added; otherwise, the jobs that run the file need it.
   */
  readonly isDefinition: boolean;
}

/** Line that requests a checkout with full history. */
const DEPTH_LINE = `${Variable.fetchDepth}: "0"`;

/**
 * Checks commands for those that need history, programs that are missing in the
 * image, and options that the runner does not support.
 */
export async function checkCommands(
  text: CheckedText,
  { hasProgram, commandNamed }: Pick<
    InspectOptions,
    "hasProgram" | "commandNamed"
  >,
): Promise<MigrationFinding[]> {
  const { file, commands, traits, isDefinition } = text;
  const findings: MigrationFinding[] = [];
  const firstClone = commands.find(({ argv }) => isFullClone(argv));
  const reported = new Set<string>();
  for (const { argv, line } of commands) {
    const history = historyCommand(argv);
    if (history !== undefined && traits.isShallow && !reported.has(history)) {
      reported.add(history);
      const isOwnClone = firstClone !== undefined && firstClone.line <= line;
      findings.push({
        file,
        line,
        kind: "history",
        state: isOwnClone ? "note" : "needed",
        change: isOwnClone
          ? `"${history}" works in the clone of line ${firstClone.line}; in the checkout of the runner, it needs the history`
          : `"${history}" needs the history; the checkout has one commit${
            isDefinition
              ? ". Add to the environment of the job:"
              : ". Add to the environment of the jobs that run this file:"
          }`,
        ...isOwnClone ? {} : { fix: DEPTH_LINE },
      });
    }
    const program = baseName(argv[0]);
    const fix = programFix(program);
    if (fix !== undefined && traits.usesImage && !reported.has(program)) {
      reported.add(program);
      if (!await hasProgram(program)) {
        findings.push({
          file,
          line,
          kind: "program",
          state: "needed",
          change: `"${program}" is not in the default image. Add it with:`,
          fix,
        });
      }
    }
    const problem = await usageProblem(argv, commandNamed);
    if (problem !== undefined && !reported.has(problem)) {
      reported.add(problem);
      findings.push({
        file,
        line,
        kind: "option",
        state: "needed",
        change: problem,
      });
    }
  }
  return findings;
}

/**
 * Checks each line of a file, regardless of its language.
 *
 * @param allowsPlainHttp Whether tokens may be sent over plain HTTP.
 */
export function checkLines(
  file: string,
  text: string,
  allowsPlainHttp: boolean,
): MigrationFinding[] {
  if (allowsPlainHttp || !text.includes("http://")) return [];
  return text.split("\n").flatMap((line, at): MigrationFinding[] =>
    /COORDINATOR_URL|COORDINATOR_HOST|JOB_API_URL/i.test(line) &&
      /http:\/\/(?!localhost\b|127\.|\[::1\])/.test(line)
      ? [{
        file,
        line: at + 1,
        kind: "transport",
        state: "needed",
        change:
          "the runner does not send tokens to this address over plain HTTP. Use https://, or set in the environment of the runner:",
        fix: `${Variable.allowInsecureTransport}=true`,
      }]
      : []
  );
}

/** Returns why the runner would reject a command line. */
async function usageProblem(
  argv: readonly string[],
  commandNamed: InspectOptions["commandNamed"],
): Promise<string | undefined> {
  const old = argv.indexOf("-m") >= 0
    ? /^src\.(cli|register_secret)$/.exec(argv[argv.indexOf("-m") + 1] ?? "")
    : null;
  if (old !== null) {
    const now = old[1] === "cli" ? "runnerlib" : "runnerlib register-secret";
    return `"python -m ${old[0]}" is now "${now}"`;
  }
  const words = runnerWords(argv);
  const [name, ...args] = words ?? [];
  if (name === undefined || name.startsWith("-") || /[$…]/.test(name)) {
    return undefined;
  }
  const shown = `"runnerlib ${name}"`;
  const command = await commandNamed(name);
  if (command === undefined) {
    return `${shown} is not a command`;
  }
  // A variable may expand to an option with its value.
  if (args.some((arg) => /^["']?[$…]/.test(arg) && !arg.includes("="))) {
    return undefined;
  }
  try {
    parseArguments(args, name, command);
    return undefined;
  } catch (error) {
    if (!(error instanceof RunnerError)) throw error;
    return `${shown} is refused: ${error.message.split("\n")[0]}`;
  }
}

/** Returns the arguments of the runner, for each way to start it. */
function runnerWords(argv: readonly string[]): readonly string[] | undefined {
  const program = baseName(argv[0]);
  if (program === "runnerlib") return argv.slice(1);
  const isPython = /^python(?:3(?:\.\d+)?)?$/.test(program);
  const at = argv.indexOf("-m");
  return isPython && at > 0 && argv[at + 1] === "runnerlib.cli"
    ? argv.slice(at + 2)
    : undefined;
}
