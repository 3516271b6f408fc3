import { RunnerError } from "../errors.ts";
import type { DocumentNode } from "./document.ts";
import type { FileKind } from "./problems.ts";

/** Paths of the files of other CI systems. */
const PATHS: readonly (readonly [pattern: RegExp, system: string])[] = [
  [/(^|\/)\.gitlab-ci\.ya?ml$/, "GitLab CI"],
  [/(^|\/)\.(github|gitea|forgejo)\/workflows\/[^/]+$/, "GitHub Actions"],
  [/(^|\/)\.circleci\/[^/]+$/, "CircleCI"],
  [/(^|\/)\.travis\.ya?ml$/, "Travis CI"],
  [/(^|\/)azure-pipelines\.ya?ml$/, "Azure Pipelines"],
  [/(^|\/)bitbucket-pipelines\.ya?ml$/, "Bitbucket Pipelines"],
  [/(^|\/)\.woodpecker(\/[^/]+|\.ya?ml)$/, "Woodpecker CI"],
  [/(^|\/)\.drone\.ya?ml$/, "Drone CI"],
  [/(^|\/)\.buildkite\/[^/]+$/, "Buildkite"],
];

/** Paths of programs, which "runnerlib exec" runs. */
const PIPELINE = /\.(?:[cm]?[jt]s|[jt]sx|py)$/;

/** Keys of job and workflow files; each file has at least one of them. */
const DISTINCTIVE_KEYS: readonly string[] = ["command", "steps", "job", "jobs"];

/**
 * Refuses a file whose path is that of a pipeline, or of a file of another CI
 * system. Its text may be a dialect of YAML that cannot be parsed here.
 *
 * @param name Path as the user wrote it.
 * @throws {RunnerError} With the code of the kind.
 */
export function refuseForeignPath(
  name: string,
  kind: FileKind,
): void {
  if (PIPELINE.test(name)) {
    throw new RunnerError(
      `Cannot read ${kind.words} "${name}": it is a program, which "runnerlib exec ${name}" runs`,
      { code: kind.code },
    );
  }
  for (const [pattern, system] of PATHS) {
    if (pattern.test(name)) throw foreign(name, system, kind);
  }
}

/**
 * Refuses a file that is written for another CI system.
 *
 * @param name Path as the user wrote it.
 * @throws {RunnerError} With the code of the kind.
 */
export function refuseForeignDocument(
  document: DocumentNode,
  name: string,
  kind: FileKind,
): void {
  const entries = document.entries ?? [];
  const jobs = entries.find(([key]) => key === "jobs")?.[1].entries ?? [];
  if (jobs.some(([, job]) => hasKey(job, "runs-on"))) {
    throw foreign(name, "GitHub Actions", kind);
  }
  if (entries.some(([key]) => DISTINCTIVE_KEYS.includes(key))) return;
  if (entries.some(([, value]) => hasKey(value, "script"))) {
    throw foreign(name, "GitLab CI", kind);
  }
}

function hasKey(node: DocumentNode, key: string): boolean {
  return node.entries?.some(([name]) => name === key) ?? false;
}

function foreign(
  name: string,
  system: string,
  { words, code }: FileKind,
): RunnerError {
  return new RunnerError(
    `Cannot read ${words} "${name}": it is a ${system} file, and runnerlib has its own format\n` +
      '  "runnerlib init" writes a starter file; docs/recipes.md shows how to translate the rest',
    { code },
  );
}
