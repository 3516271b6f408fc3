import type { JobConfig } from "../config/job_config.ts";
import type { Workspace } from "../workspace/layout.ts";

/** What the environment of a job's command is made of. */
export interface JobEnvironmentParts {
  /** Environment of the runner. */
  env: Readonly<Record<string, string>>;
  /** Configuration of the job. */
  config: JobConfig;
  /** Variables of the job, as plugins have left them. */
  jobEnv: Readonly<Record<string, string>>;
  /** Where the job's files are. */
  workspace: Workspace;
  /** Id of the trace to which the job belongs. */
  traceId: string;
  /** Absolute path of the socket at which secrets are registered, if there is one. */
  secretsSocket: string | undefined;
}

/**
 * Builds the environment of a job's command.
 *
 * The job's own variables win over those that describe the job, and both over
 * the runner's own.
 *
 * @param parts What it is made of.
 * @returns The whole environment.
 */
export async function jobEnvironment(
  parts: JobEnvironmentParts,
): Promise<Record<string, string>> {
  const { env, config, jobEnv, workspace, traceId, secretsSocket } = parts;
  const { command, runnerImage } = config;
  return {
    ...await withoutCredentials(env),
    REACTORCIDE_CODE_DIR: workspace.pathOf(config.codeDir),
    REACTORCIDE_JOB_DIR: workspace.pathOf(config.jobDir),
    REACTORCIDE_ARTIFACTS_DIR: workspace.pathOf(config.artifactsDir),
    ...command === undefined
      ? {}
      : { REACTORCIDE_JOB_COMMAND: [command].flat().join(" ") },
    ...runnerImage === undefined
      ? {}
      : { REACTORCIDE_RUNNER_IMAGE: runnerImage },
    ...secretsSocket === undefined
      ? {}
      : { REACTORCIDE_SECRETS_SOCKET: secretsSocket },
    TRACEPARENT: `00-${traceId}-${randomHex(8)}-01`,
    ...jobEnv,
  };
}

/**
 * Finds the trace to which a job belongs.
 *
 * @param traceparent Header of the W3C Trace Context, if the runner was given one.
 * @returns Its trace id, or a new one: 32 hexadecimal digits.
 */
export function traceIdOf(traceparent: string | undefined): string {
  const traceId = /^[0-9a-f]{2}-([0-9a-f]{32})-/.exec(traceparent ?? "")?.[1];
  return traceId !== undefined && !/^0+$/.test(traceId)
    ? traceId
    : randomHex(16);
}

async function withoutCredentials(
  env: Readonly<Record<string, string>>,
): Promise<Readonly<Record<string, string>>> {
  // With the password, the command could read every secret of the store.
  const { REACTORCIDE_SECRETS_PASSWORD: _, ...rest } = env;
  if (rest.REACTORCIDE_VCS_AUTH_DIR === undefined) return rest;
  const credentials = await import("../source/credentials.ts");
  return credentials.withoutCredentials(rest);
}

function randomHex(bytes: number): string {
  return crypto.getRandomValues(new Uint8Array(bytes)).toHex();
}
