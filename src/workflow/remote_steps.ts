import { Variable } from "../environment/variables.ts";
import { RunnerError } from "../errors.ts";
import { isObject } from "../json_value.ts";
import type { JobBody, JobDefinition } from "./definition/definition.ts";
import type { LocalJob } from "./local/local_job.ts";

/** Variable with the steps of a job, which only its runner sees. */
const STEPS_VARIABLE = "RUNNERLIB_STEPS";

/**
 * Maximum size of the steps of a job, in bytes. Linux allows 128 KiB for a
 * variable.
 */
const MAX_STEPS_BYTES = 96 * 1024;

/**
 * Runs the steps in the variable. They are not part of the command, because
 * other users may see it.
 */
const COMMAND =
  `exec env -u ${STEPS_VARIABLE} -u ${Variable.jobCommand} runnerlib run --job-file=- <<END
{"steps":$${STEPS_VARIABLE}}
END
`;

/**
 * Replaces the steps of a job by a command that makes a remote runner run them.
 * Returns a job without steps unchanged.
 */
export function withRemoteSteps(job: LocalJob): LocalJob {
  const { steps, writtenSteps = "[]", ...rest } = job;
  if (steps === undefined) return job;
  const env = { ...job.env, [STEPS_VARIABLE]: writtenSteps };
  return { ...rest, env, command: COMMAND, isWrapped: false };
}

/**
 * Does the same as {@linkcode withRemoteSteps} for the definition of a job.
 *
 * @throws {RunnerError} `invalid-workflow` if its steps cannot run remotely.
 */
export function definitionWithRemoteSteps(job: JobDefinition): JobDefinition {
  const problem = remoteStepsProblem(job.body);
  if (problem !== undefined) {
    throw new RunnerError(
      `Cannot submit job "${job.name}": its steps ${problem}`,
      {
        code: "invalid-workflow",
      },
    );
  }
  const { steps, writtenSteps = "[]", ...body } = job.body;
  if (steps === undefined) return job;
  return {
    ...job,
    body: { ...body, command: COMMAND, rawCommand: true },
    env: { ...job.env, [STEPS_VARIABLE]: writtenSteps },
  };
}

/**
 * Checks whether the steps of a job can run remotely.
 *
 * @returns The problem, phrased to follow "its steps"; `undefined` if they can.
 */
export function remoteStepsProblem(
  { steps, writtenSteps = "[]" }: Pick<JobBody, "steps" | "writtenSteps">,
): string | undefined {
  if (steps === undefined) return undefined;
  if (hasReference(JSON.parse(writtenSteps))) {
    return "refer to secrets, which remote runners support only in the environment of a job";
  }
  return new TextEncoder().encode(writtenSteps).length > MAX_STEPS_BYTES
    ? `are larger than ${MAX_STEPS_BYTES} bytes, and do not fit into a variable`
    : undefined;
}

function hasReference(value: unknown): boolean {
  if (typeof value === "string") return value.includes("${secret:");
  if (Array.isArray(value)) return value.some(hasReference);
  return isObject(value) &&
    Object.entries(value).some(([key, member]) =>
      hasReference(key) || hasReference(member)
    );
}
