import type { Command } from "../command.ts";
import { Variable } from "../../environment/variables.ts";
import type { GrantsOf } from "../../plugins/rights/grants.ts";
import {
  JOB_FOLDER,
  type JobDefinition,
  WORKFLOW_FOLDER,
} from "../../workflow/definition/definition.ts";
import type { MigrationFinding } from "./finding.ts";
import { isOldImage } from "./old_image.ts";
import type { UntrustedTree } from "./untrusted_tree.ts";

/** Directory of a repository that holds its CI. */
export const CI_FOLDER = ".reactorcide";

/** Directory of plugins. */
export const PLUGIN_FOLDER = `${CI_FOLDER}/plugins`;

/** How jobs run of which nothing is known. */
const UNKNOWN_JOB: JobTraits = { isShallow: true, usesImage: true };

/** How the jobs run that run a text. */
export interface JobTraits {
  /** Whether one of them has a checkout of the runner with one commit. */
  readonly isShallow: boolean;
  /** Whether one of them runs in the image of the runner. */
  readonly usesImage: boolean;
}

/** What decides whether a difference matters to a deployment. */
export interface InspectOptions {
  /** What the operator grants to plugins. */
  readonly grantsOf: GrantsOf;
  /** Whether plugins run without confinement. */
  readonly trustsPlugins: boolean;
  /** Whether the time limit of plugins is configured. */
  readonly hasPluginTimeout: boolean;
  /** Whether every checkout has more than one commit. */
  readonly isDeep: boolean;
  /** Whether there is a token that can read jobs. */
  readonly hasReadToken: boolean;
  /** Whether tokens may be sent over plain HTTP. */
  readonly allowsPlainHttp: boolean;
  /**
   * Checks whether the image of the jobs has a program.
   *
   * @param name Name of the program.
   */
  readonly hasProgram: (name: string) => Promise<boolean>;
  /**
   * Returns a command of the runner.
   *
   * @param name Name of the command.
   */
  readonly commandNamed: (name: string) => Promise<Command | undefined>;
  /** Absolute paths of directories for temporary files. */
  readonly temporaryDirectories: readonly string[];
}

/** What an inspection knows, and has found. */
export interface Inspection extends InspectOptions {
  /** The repository. */
  readonly tree: UntrustedTree;
  /** Differences. */
  readonly findings: MigrationFinding[];
  /** Jobs of all definitions, with everything laid over them. */
  readonly jobs: readonly JobDefinition[];
}

/**
 * Checks whether a file is a job or workflow file, by its path.
 *
 * @param path Path from the root of the repository.
 */
export function isDefinition(path: string): boolean {
  const folder = path.slice(0, path.lastIndexOf("/"));
  return /\.ya?ml$/.test(path) &&
    (folder === JOB_FOLDER || folder === WORKFLOW_FOLDER);
}

/**
 * Describes the jobs that run a command.
 *
 * @param inspection Definitions and settings.
 * @param command Text of the command.
 */
export function traitsOf(
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
        isShallow: !isRaw && (env[Variable.fetchDepth] ?? "1") === "1",
        usesImage: isOldImage(body.image),
      };
    });
  return {
    isShallow: !isDeep && found.some(({ isShallow }) => isShallow),
    usesImage: found.some(({ usesImage }) => usesImage),
  };
}
