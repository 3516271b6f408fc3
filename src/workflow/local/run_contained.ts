import { messageOf } from "../../errors.ts";
import type { RunnerParts } from "../../job/runner_parts.ts";
import { Cancellation } from "../../process/cancellation.ts";
import { capture } from "../../process/capture.ts";
import {
  containerCommand,
  type ContainerOptions,
} from "./container_command.ts";
import type { JobOutcome, JobRequest } from "./executor.ts";

/** What a job on this machine is told of it is not for containers. */
const OF_THIS_MACHINE =
  /^REACTORCIDE_(WORKSPACE|WORKFLOW_STATE_FILE|SECRETS_.*)$/;

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
  const command = containerCommand(job, {
    ...options,
    name,
    workspace: workspace.base,
    variables: [
      ...Object.keys(host.env).filter(isForJobs),
      ...Object.keys(job.env),
      "TRACEPARENT",
    ],
    hostUser: `${uid ?? 0}:${gid ?? 0}`,
  });
  try {
    return await run(command);
  } finally {
    // A container may outlive the program that was to end with it.
    await capture([program, "rm", "--force", name], {
      cwd: workspace.base,
      env: host.env,
      cancellation: new Cancellation(),
    }).catch((error) => logger.warn("job", messageOf(error)));
  }
}

function isForJobs(name: string): boolean {
  return /^(RC_WF_|REACTORCIDE_)/.test(name) && !OF_THIS_MACHINE.test(name);
}
