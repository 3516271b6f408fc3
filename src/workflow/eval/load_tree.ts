import { messageOf, RunnerError } from "../../errors.ts";
import type {
  JobFileDefinition,
  WorkflowDefinition,
} from "../definition/definition.ts";
import { findDefinitions } from "../definition/find_definitions.ts";
import { readJobDefinition } from "../definition/read_job_definition.ts";
import { readWorkflow } from "../definition/read_workflow.ts";

/** What a tree of CI definitions holds. */
export interface DefinitionTree {
  /** Workflows. */
  readonly workflows: readonly WorkflowDefinition[];
  /** Jobs; none if there are workflows. */
  readonly jobs: readonly JobFileDefinition[];
}

/**
 * Reads the definitions of a tree that is trusted: workflows, or jobs if there
 * are none.
 *
 * @param root Absolute path of the CI root.
 * @param only Path from there of the only workflow file that counts.
 * @returns The definitions.
 * @throws {RunnerError} `invalid-workflow`, with everything that is wrong in
 * any of the files: what is left out without a word is missed by nobody.
 */
export async function loadTree(
  root: string,
  only?: string,
): Promise<DefinitionTree> {
  const found = only === undefined
    ? await findDefinitions(root)
    : { workflows: [only], jobs: [] };
  const problems: string[] = [];
  const workflows = await readAll(
    found.workflows,
    root,
    readWorkflow,
    problems,
  );
  const jobs = found.workflows.length > 0
    ? []
    : await readAll(found.jobs, root, readJobDefinition, problems);
  problems.push(
    ...twice(workflows, ({ id }) => id).map((id) =>
      `Cannot use the workflows: two have the id "${id}"`
    ),
    ...twice(jobs, ({ job }) => job.name).map((name) =>
      `Cannot use the jobs: two have the name "${name}"`
    ),
  );
  if (problems.length > 0) {
    throw new RunnerError(problems.join("\n"), { code: "invalid-workflow" });
  }
  return { workflows, jobs };
}

/**
 * Reads the workflows of a tree that is not trusted; what is wrong with one of
 * them only keeps that one from being used.
 *
 * @param root Absolute path of the tree.
 * @param onProblem Hears what is wrong.
 * @returns Workflows whose id no other one has.
 */
export async function loadHead(
  root: string,
  onProblem: (problem: string) => void,
): Promise<WorkflowDefinition[]> {
  const problems: string[] = [];
  const files = await findDefinitions(root);
  const workflows = await readAll(
    files.workflows,
    root,
    readWorkflow,
    problems,
  );
  problems.forEach(onProblem);
  const ambiguous = twice(workflows, ({ id }) => id);
  for (const id of ambiguous) {
    onProblem(`Workflow "${id}" is there twice, so neither is used`);
  }
  return workflows.filter(({ id }) => !ambiguous.includes(id));
}

async function readAll<T>(
  files: readonly string[],
  root: string,
  read: (root: string, file: string) => Promise<T>,
  problems: string[],
): Promise<T[]> {
  const all: T[] = [];
  for (const file of files) {
    try {
      all.push(await read(root, file));
    } catch (error) {
      if (!(error instanceof RunnerError)) throw error;
      problems.push(messageOf(error));
    }
  }
  return all;
}

function twice<T>(list: readonly T[], nameOf: (one: T) => string): string[] {
  const names = list.map(nameOf);
  return [...new Set(names.filter((name, at) => names.indexOf(name) !== at))];
}
