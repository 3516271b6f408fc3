import { readUntrusted } from "../../fs/read_untrusted.ts";
import { endsOfHistory, WHOLE_HISTORY_OPTION } from "./history.ts";

/** Largest configuration that is read, in bytes. */
const MAX_CONFIG_BYTES = 1024 * 1024;

/** What a clone says of itself that has one branch or tag, and no others. */
const NARROW = /^\[runnerlib\]\s+fetchDepth = [1-9]/m;

/** What a failure that a shallow history may explain is told. */
export const MISSING_HISTORY =
  `Only a part of the history, its branches and tags was fetched, which may be why git failed; ${WHOLE_HISTORY_OPTION}`;

/** What git says of a revision, tag or ancestor that it does not know. */
const GIT_MESSAGES = [
  "unknown revision",
  "bad (?:default )?revision",
  "bad object",
  "cannot describe",
  "no names found",
  "no (?:annotated )?tags? (?:can describe|exactly matches)",
  "malformed object name",
  "not a valid (?:object|commit|branch) name",
  "(?:reference is )?not a tree",
  "invalid (?:reference|upstream|object name|revision range|symmetric difference)",
  "needed a single revision",
  "no merge base",
  "refusing to merge unrelated histories",
  "did not match any file\\(s\\) known to git",
  "is not a commit",
  "not a commit object",
  "could not (?:parse|resolve (?!host)|read (?!username|password|from remote))",
  "unable to (?:read|find) (?:tree|object|[0-9a-f]{7})",
  "failed to traverse parents",
  "revision walk setup failed",
  "no such (?:ref|branch|tag|commit)",
  "(?:tag|branch) '.{1,200}' not found",
  "src refspec .{1,200} does not match any",
];

/** What git says without a prefix, and programs that call it. */
const OTHER_MESSAGES = [
  "not something we can merge",
  "bad rev input",
  "shallow (?:clone|repository|checkout|update not allowed|fetch|copy)",
  "is shallow and may cause errors",
  "(?:find|determine|get) (?:a |the )?merge[- ]base",
  "merge[- ]base not found",
  "fetch-depth",
  "git history is incomplete",
];

const MESSAGE = new RegExp(
  `(?:fatal|error): .{0,400}?(?:${GIT_MESSAGES.join("|")})|${
    OTHER_MESSAGES.join("|")
  }`,
  "i",
);

/**
 * Checks whether a clone lacks a part of the history, or branches and tags.
 *
 * @param path Absolute path of its work tree.
 * @returns Whether it does.
 */
export async function isPartial(path: string): Promise<boolean> {
  const git = `${path}/.git`;
  try {
    const config = await readUntrusted(`${git}/config`, {
      maxBytes: MAX_CONFIG_BYTES,
    });
    return NARROW.test(new TextDecoder().decode(config)) ||
      (await endsOfHistory(git)).size > 0;
  } catch {
    // It is not a clone.
    return false;
  }
}

/**
 * Checks whether git, or a program that calls it, says that it misses a
 * revision, a tag or a common ancestor.
 *
 * @param lines Output of a command that failed.
 * @returns Whether it does.
 */
export function missesHistory(lines: readonly string[]): boolean {
  return lines.some((line) => MESSAGE.test(line));
}
