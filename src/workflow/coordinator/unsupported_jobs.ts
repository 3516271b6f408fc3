import { RunnerError } from "../../errors.ts";
import { makeLocator } from "../../schema/locate.ts";
import { readJobText } from "../../schema/read_document.ts";
import { quote } from "../../terminal/text.ts";
import type { JobBody, WorkflowDefinition } from "../definition/definition.ts";
import { WORKFLOW_FILE } from "../definition/file_schemas.ts";
import { JOB_KEYS } from "../definition/job_body.ts";
import { remoteStepsProblem } from "../remote_steps.ts";

/** Maximum number of problems in a message. */
const MAX_PROBLEMS = 20;

/**
 * Properties of a job that the coordinator supports, or that this runner evaluates
 * before it submits the job. All others are rejected, so that a new property is
 * never dropped silently.
 */
const SUPPORTED: Readonly<Record<string, true>> = {
  image: true,
  command: true,
  writtenSteps: true,
  rawCommand: true,
  timeoutSeconds: true,
  priority: true,
  dependsOn: true,
  condition: true,
  when: true,
  forEach: true,
  itemVar: true,
  imagePullSecrets: true,
  codeDir: true,
  jobDir: true,
  workingDir: true,
  workerClass: true,
  runAs: true,
  characteristics: true,
  resources: true,
  // These matter only on a developer's machine.
  disableRunLocal: true,
  runLocal: true,
  cpuLimit: true,
  memoryLimit: true,
} satisfies Partial<Record<keyof JobBody, true>>;

/** Options for {@linkcode checkSupported}. */
export interface CheckSupportedOptions {
  /** Absolute path of the CI root. */
  readonly root: string;
  /** Names of the jobs to submit. */
  readonly jobs: ReadonlySet<string>;
  /** Whether an event started the job that submits the workflow. */
  readonly isEventJob: boolean;
}

/**
 * Checks that a coordinator can run the jobs of a workflow.
 *
 * @throws {RunnerError} `invalid-workflow` with the place of each key that it
 * does not support.
 */
export async function checkSupported(
  definition: WorkflowDefinition,
  { root, jobs, isEventJob }: CheckSupportedOptions,
): Promise<void> {
  const problems = definition.jobs.filter(({ name }) => jobs.has(name))
    .flatMap(({ name, body }) =>
      Object.keys(body).flatMap((property) => {
        const reason = propertyProblem(property, body, isEventJob);
        return reason === undefined ? [] : [{ name, property, reason }];
      })
    );
  if (problems.length === 0) return;
  const formatPlace = await jobPlaces(root, definition);
  const lines = problems.slice(0, MAX_PROBLEMS).map(
    ({ name, property, reason }) => {
      const key = propertyKey(property);
      return `${formatPlace(name, key)}: job ${quote(name)}: ${key} ${reason}`;
    },
  );
  const moreCount = problems.length - lines.length;
  throw new RunnerError(
    [
      `Cannot submit workflow ${quote(definition.name)} to a coordinator:`,
      ...lines,
      ...moreCount > 0 ? [`and ${moreCount} more`] : [],
    ].join("\n"),
    { code: "invalid-workflow" },
  );
}

function propertyProblem(
  property: string,
  body: JobBody,
  isEventJob: boolean,
): string | undefined {
  const { [property as keyof JobBody]: value, capabilities = [] } = body;
  if (value === undefined || Object.hasOwn(SUPPORTED, property)) {
    return undefined;
  }
  if (property === "steps") return remoteStepsProblem(body);
  if (property === "artifactNeeds") {
    return "asks for artifacts, which a coordinator does not pass on";
  }
  if (property === "artifacts") {
    return "are not passed on by a coordinator, but by --executor kubernetes";
  }
  if (property !== "capabilities") return "is not supported by a coordinator";
  return isEventJob || capabilities.length === 0
    ? undefined
    : "can be given only by a job that an event started";
}

/** Returns the key of a property in a file. */
function propertyKey(property: string): string {
  const keys: Readonly<Record<string, { readonly key: string } | undefined>> =
    JOB_KEYS;
  return keys[property]?.key ??
    (property === "artifactNeeds" ? "needs" : property);
}

/** Returns the place of a key of a job, as `file:line:column`. */
export type FindPlace = (job: string, key: string) => string;

/**
 * Finds the places of keys of jobs in a workflow file, for messages about jobs
 * that are valid but cannot be run.
 *
 * @param root Absolute path of the CI root.
 * @returns Function that returns the place of a key, or of the entry of the job
 * if the key is in its job file.
 * @throws {RunnerError} `invalid-workflow` if the file cannot be read.
 */
async function jobPlaces(
  root: string,
  { sourceFile, jobs }: WorkflowDefinition,
): Promise<FindPlace> {
  const text = await readJobText(
    `${root}/${sourceFile}`,
    sourceFile,
    WORKFLOW_FILE,
  );
  const locate = makeLocator(text);
  const textOf = (path: readonly (string | number)[]) => {
    const { line, column } = locate(path);
    return `${sourceFile}:${line}:${column}`;
  };
  return (job, key) => {
    const byName = textOf(["jobs", job]);
    const entry = byName === textOf(["jobs"])
      ? ["jobs", jobs.findIndex(({ name }) => name === job)]
      : ["jobs", job];
    const nested = textOf([...entry, "job", key]);
    return nested === textOf([...entry, "job"])
      ? textOf([...entry, key])
      : nested;
  };
}
