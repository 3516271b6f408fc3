import { Variable } from "../../environment/variables.ts";
import { baseName } from "./shell_commands.ts";

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
export function historyCommand(argv: readonly string[]): string | undefined {
  const program = baseName(argv[0] ?? "");
  if (HISTORY_PROGRAMS.has(program)) return program;
  if (/^(?:npx|bunx|pnpx|uvx)$/.test(program)) {
    const name = argv.slice(1).find((word) => !word.startsWith("-")) ?? "";
    return HISTORY_PROGRAMS.has(name) ? `${program} ${name}` : undefined;
  }
  if (program !== "git") return undefined;
  const [command, ...args] = withoutGitOptions(argv.slice(1));
  if (command === undefined) return undefined;
  const reason = needsHistory(command, args);
  return reason === undefined
    ? undefined
    : ["git", command, ...reason === "" ? [] : [reason]].join(" ");
}

/** Checks whether a command creates a clone with full history. */
export function isFullClone(argv: readonly string[]): boolean {
  if (baseName(argv[0] ?? "") !== "git") return false;
  const [command, ...args] = withoutGitOptions(argv.slice(1));
  return command === "clone" &&
    !args.some((arg) => /^--(?:depth|shallow-)/.test(arg));
}

function withoutGitOptions(args: readonly string[]): readonly string[] {
  let at = 0;
  for (; at < args.length && args[at].startsWith("-"); at++) {
    if (GIT_VALUES.has(args[at])) at++;
  }
  return args.slice(at);
}

/** Returns the word that requires history; empty if the whole command does. */
function needsHistory(
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
  const other = words.find((word) =>
    OTHER_COMMIT.test(word) && !CHECKED_OUT_REVISION.test(word) &&
    !CHECKED_OUT_RANGE.test(word)
  );
  switch (command) {
    case "log":
    case "rev-list":
      if (other !== undefined) return other;
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
        : checkoutTarget(words, options, end >= 0);
    default:
      return other;
  }
}

/** Returns the branch or tag to check out, unless it looks like a path. */
function checkoutTarget(
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
