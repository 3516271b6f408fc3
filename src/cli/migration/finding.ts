import { printable } from "../../terminal/text.ts";

/** What a difference is about. */
export type MigrationKind =
  | "api"
  | "definition"
  | "history"
  | "image"
  | "option"
  | "package"
  | "plugin"
  | "program"
  | "transport"
  | "unread"
  | "value";

/** A place in a repository that behaves differently after the migration. */
export interface MigrationFinding {
  /** Path of the file from the root of the repository. */
  readonly file: string;
  /** Number of the line, from 1; none if the whole file is meant. */
  readonly line?: number;
  /** What it is about. */
  readonly kind: MigrationKind;
  /** `needed`: something must be done. `note`: worth a look, works as it is. */
  readonly state: "needed" | "note";
  /** What changes. */
  readonly change: string;
  /** The line that restores the old behavior, if there is one. */
  readonly fix?: string;
}

/** What an inspection of a repository has found. */
export interface MigrationReport {
  /** Differences, by file and line. */
  readonly findings: readonly MigrationFinding[];
  /** How many files were read. */
  readonly fileCount: number;
}

/** Maximum number of findings of a file that are reported. */
const MAX_PER_FILE = 100;

/** Maximum length of a text of a finding, in characters. */
const MAX_LENGTH = 400;

/**
 * Sorts findings by file and line. Those that say the same are left out, and
 * what a hostile file makes too long or too many of them is cut.
 *
 * @param findings Findings in any order.
 */
export function sortFindings(
  findings: readonly MigrationFinding[],
): MigrationFinding[] {
  const unique = new Map<string, MigrationFinding>();
  for (const finding of findings) {
    const { change } = finding;
    const short = change.length > MAX_LENGTH
      ? { ...finding, change: `${change.slice(0, MAX_LENGTH)}…` }
      : finding;
    unique.set(JSON.stringify(short), short);
  }
  const counts = new Map<string, number>();
  return [...unique.values()]
    .sort((a, b) =>
      a.file < b.file
        ? -1
        : a.file > b.file
        ? 1
        : (a.line ?? 0) - (b.line ?? 0) || a.kind.localeCompare(b.kind)
    )
    .flatMap((finding): MigrationFinding[] => {
      const { file } = finding;
      const count = (counts.get(file) ?? 0) + 1;
      counts.set(file, count);
      if (count <= MAX_PER_FILE) return [finding];
      if (count > MAX_PER_FILE + 1) return [];
      const change = `there are more than ${MAX_PER_FILE} findings`;
      return [{ file, kind: "unread", state: "needed", change }];
    });
}

/**
 * Formats a report for people: one paragraph a finding, and a summary.
 *
 * Everything that comes from the repository is escaped.
 *
 * @param report What was found.
 * @returns Text of several lines.
 */
export function reportText({ findings, fileCount }: MigrationReport): string {
  const lines = findings.flatMap(({ file, line, state, change, fix }) => [
    `${state.padEnd(6)}  ${printable(file)}${
      line === undefined ? "" : `:${line}`
    }: ${printable(change)}`,
    ...(fix ?? "").split("\n").filter(Boolean)
      .map((text) => `        ${printable(text)}`),
  ]);
  const needed = findings.filter(({ state }) => state === "needed").length;
  const read = `${fileCount} ${fileCount === 1 ? "file" : "files"} read`;
  const summary = needed === 0
    ? `Nothing needs to be done; ${read}`
    : `${needed} ${needed === 1 ? "change is" : "changes are"} needed; ${read}`;
  return [...lines, ...lines.length > 0 ? [""] : [], summary].join("\n");
}
