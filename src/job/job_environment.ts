import type { JobConfig } from "../config/job_config.ts";
import type { Host } from "../host.ts";
import type { Workspace } from "../workspace/layout.ts";

/** What is known of a job and told to its commands. */
export interface JobFacts {
  /** Configuration of the job. */
  config: JobConfig;
  /** Where the job's files are. */
  workspace: Workspace;
  /** When the runner was made, in milliseconds since 1970; it matters outside a container. */
  startedAt?: number;
  /** Id of the trace to which the job belongs. */
  traceId: string;
  /** Absolute path of the socket at which secrets are registered, if there is one. */
  secretsSocket: string | undefined;
}

/**
 * Gives the variables that describe a job; each call is a new span of its trace.
 *
 * @param facts What is known of the job.
 * @returns The variables.
 */
export function jobFacts(facts: JobFacts): Record<string, string> {
  const { config, workspace, traceId, secretsSocket } = facts;
  const { command, runnerImage } = config;
  return {
    REACTORCIDE_CODE_DIR: workspace.pathOf(config.codeDir),
    REACTORCIDE_JOB_DIR: workspace.pathOf(config.jobDir),
    REACTORCIDE_ARTIFACTS_DIR: workspace.pathOf(config.artifactsDir),
    ...command === undefined
      ? {}
      : { REACTORCIDE_JOB_COMMAND: [command].flat().join(" ") },
    ...runnerImage === undefined
      ? {}
      : { REACTORCIDE_RUNNER_IMAGE: runnerImage },
    // Programs of the job that use the library leave theirs in the same place.
    ...workspace.inContainer ? {} : {
      REACTORCIDE_WORKSPACE: workspace.base,
      REACTORCIDE_RUN_STARTED_AT: `${facts.startedAt ?? ""}`,
    },
    // They leave their triggers where the runner finds them: it has the nonce.
    ...config.triggerTransport === "stdout"
      ? {
        REACTORCIDE_TRIGGER_TRANSPORT: "file",
        REACTORCIDE_TRIGGERS_FILE: config.triggersFile,
      }
      : {},
    ...secretsSocket === undefined
      ? {}
      : { REACTORCIDE_SECRETS_SOCKET: secretsSocket },
    TRACEPARENT: `00-${traceId}-${randomHex(8)}-01`,
  };
}

/**
 * Gives what commands inherit of the runner's environment: all but what is
 * the runner's alone.
 *
 * A program has no terminal of its own here. Where a person watches, it is
 * told that colours are welcome, unless somebody decided otherwise.
 *
 * @param host The process around the runner.
 * @returns The environment.
 */
export async function runnerEnvironment(
  { env, stdout }: Host,
): Promise<Readonly<Record<string, string>>> {
  // With the password, the command could read every secret of the store; with
  // the nonce, what it prints could pass for a message of the runner.
  const {
    REACTORCIDE_SECRETS_PASSWORD: _password,
    REACTORCIDE_TRIGGER_NONCE: _nonce,
    ...inherited
  } = env;
  const isDecided = ["NO_COLOR", "FORCE_COLOR", "CI"].some((name) => env[name]);
  const wantsColour = stdout.isTerminal() && !isDecided && env.TERM !== "dumb";
  const rest = wantsColour ? { ...inherited, FORCE_COLOR: "1" } : inherited;
  if (rest.REACTORCIDE_VCS_AUTH_DIR === undefined) return rest;
  const credentials = await import("../source/credentials.ts");
  return credentials.withoutCredentials(rest);
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

function randomHex(bytes: number): string {
  return crypto.getRandomValues(new Uint8Array(bytes)).toHex();
}
