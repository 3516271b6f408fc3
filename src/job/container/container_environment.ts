import type { JobConfig } from "../../config/job_config.ts";
import { jobFacts } from "../job_environment.ts";
import type { JobRun } from "../job_run.ts";
import type { Workspace } from "../../workspace/layout.ts";

/** Where the socket for secrets is in a container. */
export const SOCKET_DIRECTORY = "/run/reactorcide/secrets";

/** Variables that a worker sets for the job, and not for the machine. */
const OF_THE_JOB = /^(REACTORCIDE_|RC_WF_)/;

/** Those of them that name what is outside, or open more than the job needs. */
const OF_THE_RUNNER = new Set([
  "REACTORCIDE_CI_SOURCE_DIR",
  "REACTORCIDE_JOB_ENV",
  "REACTORCIDE_PLUGIN_DIR",
  "REACTORCIDE_SECRETS_FILE",
  "REACTORCIDE_SECRETS_PASSWORD",
  "REACTORCIDE_SECRET_VALUES_LIST",
  "REACTORCIDE_VCS_AUTH_CLEANUP",
  "REACTORCIDE_VCS_AUTH_DIR",
]);

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
  /** Id of the trace to which the job belongs. */
  traceId: string;
  /** Whether there is a socket for secrets. */
  hasSocket: boolean;
  /** Variables of the file of secrets. */
  secrets: Readonly<Record<string, string>>;
}

/**
 * Builds the environment of a container. Of the runner's own, it gets what is
 * the job's and what was asked for: the rest describes another machine.
 *
 * @param run The run.
 * @param parts What else it is made of.
 * @returns The variables, besides those of the image.
 */
export function containerEnvironment(
  { parts, jobEnv }: JobRun,
  { config, traceId, hasSocket, secrets }: ContainerEnvironmentParts,
): Record<string, string> {
  const { inheritEnv, secretEnvNames = [] } = config;
  const named = new Set([
    ...secretEnvNames,
    ...typeof inheritEnv === "boolean" ? [] : inheritEnv,
  ]);
  const inherited = Object.entries(parts.host.env).filter(([name]) =>
    !OF_THE_RUNNER.has(name) && (OF_THE_JOB.test(name) || named.has(name))
  );
  return {
    ...Object.fromEntries(inherited),
    ...jobFacts({
      ...parts,
      config,
      workspace: INSIDE,
      traceId,
      secretsSocket: hasSocket ? `${SOCKET_DIRECTORY}/socket` : undefined,
    }),
    REACTORCIDE_IN_CONTAINER: "true",
    // The first process of a container passes signals on to the whole job.
    TINI_KILL_PROCESS_GROUP: "1",
    ...secrets,
    ...jobEnv,
  };
}
