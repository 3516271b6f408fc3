import { OWN_DIRECTORY } from "../../job_path.ts";
import { Variable } from "../../environment/variables.ts";
import { getDefault } from "../../options/options.ts";
import type { GrantsOf } from "../../plugins/permissions/grants.ts";
import { printable } from "../../terminal/text.ts";
import {
  JOB_FOLDER,
  type JobDefinition,
  WORKFLOW_FOLDER,
} from "../../workflow/definition/definition.ts";
import type { CliCommand } from "../command.ts";
import { isOldImage } from "./python_runner.ts";
import type { UntrustedTree } from "./untrusted_tree.ts";

const DEFAULT_DEPTH = getDefault("fetch_depth");

/** Category of a difference. */
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

/** A difference in behavior after the migration, and its location. */
export interface MigrationFinding {
  /** Path of the file, relative to the root of the repository. */
  readonly file: string;
  /** Number of the line, from 1; unset for the whole file. */
  readonly line?: number;
  /** Category. */
  readonly kind: MigrationKind;
  /** `needed`: must be changed. `note`: works unchanged, but should be reviewed. */
  readonly state: "needed" | "note";
  /** Description of the change. */
  readonly change: string;
  /** Line that restores the old behavior, if there is one. */
  readonly fix?: string;
}

/** Result of the inspection of a repository. */
export interface MigrationReport {
  /** Differences, by file and line. */
  readonly findings: readonly MigrationFinding[];
  /** Number of files that were read. */
  readonly fileCount: number;
}

/** Maximum number of reported findings per file. */
const MAX_PER_FILE = 100;

/** Maximum length of a text of a finding, in characters. */
const MAX_LENGTH = 400;

/**
 * Sorts findings by file and line, and removes duplicates. Findings that are
 * too long or too numerous, as in a hostile file, are truncated.
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
 * Formats a report as text: one paragraph per finding, and a summary.
 *
 * Text from the repository is escaped.
 *
 * @returns Text of several lines.
 */
export function formatReport({ findings, fileCount }: MigrationReport): string {
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
    ? `No changes are needed; ${read}`
    : `${needed} ${needed === 1 ? "change is" : "changes are"} needed; ${read}`;
  return [...lines, ...lines.length > 0 ? [""] : [], summary].join("\n");
}

/** Directory of plugins. */
export const PLUGIN_FOLDER = `${OWN_DIRECTORY}/plugins`;

/** Assumptions about unknown jobs. */
const UNKNOWN_JOB: JobTraits = { isShallow: true, usesImage: true };

/** Properties of the jobs that run a command or script. */
export interface JobTraits {
  /** Whether the runner checks out a single commit for one of them. */
  readonly isShallow: boolean;
  /** Whether one of them runs in the image of the runner. */
  readonly usesImage: boolean;
}

/** Settings of a deployment that determine which differences matter. */
export interface InspectOptions {
  /** Permissions that the operator grants to plugins. */
  readonly grantsOf: GrantsOf;
  /** Whether plugins run without a sandbox. */
  readonly trustsPlugins: boolean;
  /** Whether the time limit of plugins is configured. */
  readonly hasPluginTimeout: boolean;
  /** Whether every checkout has more than one commit. */
  readonly isDeep: boolean;
  /** Whether there is a token that can read jobs. */
  readonly hasReadToken: boolean;
  /** Whether tokens may be sent over plain HTTP. */
  readonly allowsPlainHttp: boolean;
  /** Checks whether the image of the jobs has a program. */
  readonly hasProgram: (name: string) => Promise<boolean>;
  /** Returns a command of the runner. */
  readonly findCommand: (name: string) => Promise<CliCommand | undefined>;
  /** Absolute paths of directories for temporary files. */
  readonly temporaryDirectories: readonly string[];
}

/** State of an inspection. */
export interface Inspection extends InspectOptions {
  /** The repository. */
  readonly tree: UntrustedTree;
  /** Differences. */
  readonly findings: MigrationFinding[];
  /** Jobs of all definitions, with all overrides applied. */
  readonly jobs: readonly JobDefinition[];
}

/**
 * Checks by its path whether a file is a job or workflow file.
 *
 * @param path Path relative to the root of the repository.
 */
export function isDefinition(path: string): boolean {
  const folder = path.slice(0, path.lastIndexOf("/"));
  return /\.ya?ml$/.test(path) &&
    (folder === JOB_FOLDER || folder === WORKFLOW_FOLDER);
}

/** Describes the jobs that run a command. */
export function describeJobs(
  { jobs, isDeep }: Inspection,
  command: string,
): JobTraits {
  const users = jobs.filter(({ body }) =>
    body.command === command.trim() ||
    body.command === command
  );
  const found = users.length === 0
    ? [UNKNOWN_JOB]
    : users.map(({ body, env }) => {
      const isRaw = body.rawCommand === true &&
        !/\brunnerlib\s+(?:run|checkout)\b/.test(command);
      return {
        isShallow: !isRaw &&
          (env[Variable.fetchDepth] ?? DEFAULT_DEPTH) === DEFAULT_DEPTH,
        usesImage: isOldImage(body.image),
      };
    });
  return {
    isShallow: !isDeep && found.some(({ isShallow }) => isShallow),
    usesImage: found.some(({ usesImage }) => usesImage),
  };
}
