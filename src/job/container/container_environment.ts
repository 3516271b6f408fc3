import type { JobConfig } from "../../config/job_config.ts";
import {
  type ChildEnvironment,
  childEnvironment,
} from "../../environment/child_environment.ts";
import { Variable } from "../../environment/variables.ts";
import { jobFacts, type TraceContext } from "../job_environment.ts";
import type { JobRun } from "../job_run.ts";
import type { Workspace } from "../../workspace/layout.ts";

/** Where the socket for secrets is in a container. */
export const SOCKET_DIRECTORY = "/run/reactorcide/secrets";

/** Paths in a container are those that jobs know. */
const INSIDE: Workspace = {
  base: "/job",
  inContainer: true,
  pathOf: (jobPath) => jobPath,
};

/** What {@linkcode containerEnvironment} is made of. */
export interface ContainerEnvironmentParts {
  /** Configuration of the job. */
  config: JobConfig;
  /** Trace to which the job belongs. */
  trace: TraceContext;
  /** Whether there is a socket for secrets. */
  hasSocket: boolean;
  /** Variables of the file of secrets. */
  secrets: Readonly<Record<string, string>>;
}

/**
 * Builds the environment of a container: variables of the job, and those that
 * were asked for. Everything else describes another machine.
 *
 * @param run The run.
 * @param parts What else it is made of.
 * @returns The variables, besides those of the image.
 */
export function containerEnvironment(
  { parts, jobEnv, lockIds }: JobRun,
  { config, trace, hasSocket, secrets }: ContainerEnvironmentParts,
): ChildEnvironment {
  const { inheritEnv, secretEnvNames = [] } = config;
  return childEnvironment(parts.host.env, {
    kind: "container",
    names: [
      ...secretEnvNames,
      ...typeof inheritEnv === "boolean" ? [] : inheritEnv,
    ],
    facts: {
      ...jobFacts({
        ...parts,
        config,
        lockIds,
        workspace: INSIDE,
        trace,
        secretsSocket: hasSocket ? `${SOCKET_DIRECTORY}/socket` : undefined,
      }),
      [Variable.inContainer]: "true",
      // The first process of a container passes signals on to the whole job.
      TINI_KILL_PROCESS_GROUP: "1",
      ...secrets,
    },
    jobEnv,
  });
}
