import { childEnvironment } from "../../environment/child_environment.ts";
import { Variable } from "../../environment/variables.ts";
import type { RunnerParts } from "../../job/runner_parts.ts";
import { engineNamed, removeContainer } from "../../container/engine.ts";
import {
  containerCommand,
  type ContainerOptions,
} from "./container_command.ts";
import type { JobOutcome, JobRequest } from "./executor.ts";

/** Options for {@linkcode runContained}. */
export interface RunContainedOptions extends ContainerOptions {
  /** Absolute path of the code, if the job shares it with others. */
  readonly sharedCode: string | undefined;
  /** Runs the command that starts the container. */
  readonly run: (command: readonly string[]) => Promise<JobOutcome>;
}

/**
 * Runs a job in a container of its own, which is gone afterwards.
 *
 * @param parts What the job's runner owns.
 * @param request The job.
 * @param options Everything around the container.
 * @returns How the job ended.
 * @throws {RunnerError} `invalid-job`, if no container can run the job.
 */
export async function runContained(
  { host, workspace, logger }: RunnerParts,
  { node: { job } }: JobRequest,
  options: RunContainedOptions,
): Promise<JobOutcome> {
  const { program, run } = options;
  const name = `reactorcide-${crypto.randomUUID()}`;
  // The directory was made by this process, whose user needs no permission then.
  const { uid, gid } = await Deno.stat(workspace.base);
  const forContainer = childEnvironment(host.env, {
    ...{ kind: "container", names: [], facts: {}, jobEnv: {} },
  });
  const command = containerCommand(job, {
    ...options,
    name,
    workspace: workspace.base,
    variables: [
      ...Object.keys(forContainer),
      ...Object.keys(job.env),
      ...[Variable.traceParent, Variable.traceState],
      // A runner in there works in the workspace that this job has locked.
      Variable.workspaceLock,
    ],
    hostUser: `${uid ?? 0}:${gid ?? 0}`,
  });
  try {
    return await run(command);
  } finally {
    // A container may outlive the program that was to end with it.
    const engine = engineNamed(program, { ...host, cwd: workspace.base });
    const problem = await removeContainer(engine, name);
    if (problem !== undefined) logger.warn("job", problem);
  }
}
