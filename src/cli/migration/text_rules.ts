import { Variable } from "../../environment/variables.ts";
import { RunnerError } from "../../errors.ts";
import { parseArguments } from "../parse_arguments.ts";
import type {
  InspectOptions,
  JobTraits,
  MigrationFinding,
} from "./inspection.ts";
import { findProgramFix } from "./python_runner.ts";
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
  { hasProgram, findCommand }: Pick<
    InspectOptions,
    "hasProgram" | "findCommand"
  >,
): Promise<MigrationFinding[]> {
  const { file, commands, traits, isDefinition } = text;
  const findings: MigrationFinding[] = [];
  const firstClone = commands.find(({ argv }) => isFullClone(argv));
  const reported = new Set<string>();
  for (const { argv, line } of commands) {
    const history = findHistoryCommand(argv);
    if (history !== undefined && traits.isShallow && !reported.has(history)) {
      reported.add(history);
      const followsClone = firstClone !== undefined && firstClone.line <= line;
      findings.push({
        file,
        line,
        kind: "history",
        state: followsClone ? "note" : "needed",
        change: followsClone
          ? `"${history}" works in the clone of line ${firstClone.line}; in the checkout of the runner, it needs the history`
          : `"${history}" needs the history; the checkout has one commit${
            isDefinition
              ? ". Add to the environment of the job:"
              : ". Add to the environment of the jobs that run this file:"
          }`,
        ...followsClone ? {} : { fix: DEPTH_LINE },
      });
    }
    const program = baseName(argv[0]);
    const fix = findProgramFix(program);
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
    const problem = await findUsageProblem(argv, findCommand);
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
async function findUsageProblem(
  argv: readonly string[],
  findCommand: InspectOptions["findCommand"],
): Promise<string | undefined> {
  const old = argv.indexOf("-m") >= 0
    ? /^src\.(cli|register_secret)$/.exec(argv[argv.indexOf("-m") + 1] ?? "")
    : null;
  if (old !== null) {
    const now = old[1] === "cli" ? "runnerlib" : "runnerlib register-secret";
    return `"python -m ${old[0]}" is now "${now}"`;
  }
  const words = findRunnerArguments(argv);
  const [name, ...args] = words ?? [];
  if (name === undefined || name.startsWith("-") || /[$…]/.test(name)) {
    return undefined;
  }
  const commandText = `"runnerlib ${name}"`;
  const command = await findCommand(name);
  if (command === undefined) {
    return `${commandText} is not a command`;
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
    return `${commandText} is refused: ${error.message.split("\n")[0]}`;
  }
}

/** Returns the arguments of the runner, for each way to start it. */
function findRunnerArguments(
  argv: readonly string[],
): readonly string[] | undefined {
  const program = baseName(argv[0]);
  if (program === "runnerlib") return argv.slice(1);
  const isPython = /^python(?:3(?:\.\d+)?)?$/.test(program);
  const at = argv.indexOf("-m");
  return isPython && at > 0 && argv[at + 1] === "runnerlib.cli"
    ? argv.slice(at + 2)
    : undefined;
}

/** Options of git itself that take the next word as their value. */
const GIT_VALUES = new Set(["-C", "-c", "--git-dir", "--work-tree"]);

/** Subcommands that are useless with a single commit. */
const NEEDS_HISTORY = new Set([
  ...["bisect", "blame", "annotate", "cherry", "cherry-pick", "describe"],
  ...["merge", "merge-base", "name-rev", "range-diff", "rebase", "shortlog"],
  ...["whatchanged"],
]);

/** Programs that compute versions or changes from the history. */
const HISTORY_PROGRAMS = new Set([
  ...["auto-changelog", "cog", "commitlint", "conventional-changelog", "cz"],
  ...["git-changelog", "git-chglog", "git-cliff", "git-semver", "gitlint"],
  ...["gitversion", "goreleaser", "lerna", "release-it", "semantic-release"],
  ...["semver-tags", "standard-version", "svu"],
]);

/** Matches revisions other than the checked out commit. */
const OTHER_COMMIT =
  /(?:^|[^.])(?:\bHEAD|@)(?:[~^]|@\{)|[\w}/-](?:\^|~\d*)(?:$|[.: ])|[\w})~^@]\.{2,3}(?:$|[\w$@({])|^\.{2,3}[\w$@({]|^(?:origin|upstream)\/|^refs\/(?:tags|remotes)\//;

/** Matches variables whose revisions are always in the checkout. */
const CHECKED_OUT_REVISION = new RegExp(
  `^\\$\\{?(?:${
    [
      ...[Variable.sha, Variable.sourceRef, Variable.headRef],
      Variable.diffBase,
    ].join("|")
  })\\b[^}]*\\}?$`,
);

/** Matches a range from the base of a pull request, which is in the checkout. */
const CHECKED_OUT_RANGE = new RegExp(
  `^\\$\\{?${Variable.diffBase}\\b[^}.]*\\}?(?:\\.{2,3}(?:HEAD|@|\\$\\{?${Variable.sha}\\}?)?)?$`,
);

/**
 * Checks whether a command needs more than one commit of a repository.
 *
 * @returns Short form of the command, for a message; `undefined` if one commit
 * is enough.
 */
export function findHistoryCommand(
  argv: readonly string[],
): string | undefined {
  const program = baseName(argv[0] ?? "");
  if (HISTORY_PROGRAMS.has(program)) return program;
  if (/^(?:npx|bunx|pnpx|uvx)$/.test(program)) {
    const name = argv.slice(1).find((word) => !word.startsWith("-")) ?? "";
    return HISTORY_PROGRAMS.has(name) ? `${program} ${name}` : undefined;
  }
  if (program !== "git") return undefined;
  const [command, ...args] = removeGitOptions(argv.slice(1));
  if (command === undefined) return undefined;
  const reason = findHistoryReason(command, args);
  return reason === undefined
    ? undefined
    : ["git", command, ...reason === "" ? [] : [reason]].join(" ");
}

/** Checks whether a command creates a clone with full history. */
export function isFullClone(argv: readonly string[]): boolean {
  if (baseName(argv[0] ?? "") !== "git") return false;
  const [command, ...args] = removeGitOptions(argv.slice(1));
  return command === "clone" &&
    !args.some((arg) => /^--(?:depth|shallow-)/.test(arg));
}

function removeGitOptions(args: readonly string[]): readonly string[] {
  let at = 0;
  for (; at < args.length && args[at].startsWith("-"); at++) {
    if (GIT_VALUES.has(args[at])) at++;
  }
  return args.slice(at);
}

/** Returns the word that requires history; empty if the whole command does. */
function findHistoryReason(
  command: string,
  args: readonly string[],
): string | undefined {
  const end = args.indexOf("--");
  const before = end < 0 ? args : args.slice(0, end);
  const words = before.filter((word) => !word.startsWith("-"));
  const options = before.filter((word) => word.startsWith("-"));
  if (NEEDS_HISTORY.has(command)) {
    return options.includes("--abort") ? undefined : "";
  }
  const otherCommit = words.find((word) =>
    OTHER_COMMIT.test(word) && !CHECKED_OUT_REVISION.test(word) &&
    !CHECKED_OUT_RANGE.test(word)
  );
  switch (command) {
    case "log":
    case "rev-list":
      if (otherCommit !== undefined) return otherCommit;
      if (options.some((option) => /^(?:-1|-n1|--max-count=1)$/.test(option))) {
        return undefined;
      }
      if (/^1$/.test(before[before.indexOf("-n") + 1] ?? "")) return undefined;
      return words.some((word) =>
          CHECKED_OUT_RANGE.test(word) && /\./.test(word)
        )
        ? undefined
        : "";
    case "tag":
      return before.length === 0 ||
          options.some((option) =>
            /^(?:-l|--list|--sort|--contains|--merged|--points-at|--no-merged|-n)/
              .test(option)
          )
        ? options[0] ?? ""
        : undefined;
    case "branch":
      return options.find((option) =>
        /^(?:-r|-a|--all|--remotes|--contains|--merged|--no-merged)/.test(
          option,
        )
      );
    case "for-each-ref":
    case "show-ref":
      return "";
    case "fetch":
    case "pull":
      return options.find((option) =>
        /^--(?:unshallow|deepen|shallow-since|depth)/.test(option)
      );
    case "checkout":
    case "switch":
      return end >= 0 && words.length === 0
        ? undefined
        : findCheckoutTarget(words, options, end >= 0);
    default:
      return otherCommit;
  }
}

/** Returns the branch or tag to check out, unless it looks like a path. */
function findCheckoutTarget(
  words: readonly string[],
  options: readonly string[],
  hasPaths: boolean,
): string | undefined {
  const creates = options.some((option) => /^-[bBcC]|^--orphan/.test(option));
  const target = creates ? words[1] : words[0];
  if (target === undefined || CHECKED_OUT_REVISION.test(target)) {
    return undefined;
  }
  if (/^(?:\.|HEAD|@|-)$/.test(target)) return undefined;
  if (!hasPaths && words.length === 1 && /^\.{0,2}\/|\.\w{1,4}$/.test(target)) {
    return /^v?\d/.test(target) ? target : undefined;
  }
  return target;
}
