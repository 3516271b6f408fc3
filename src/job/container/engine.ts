import {
  type ChildEnvironment,
  childEnvironment,
} from "../../environment/child_environment.ts";
import { Variable } from "../../environment/variables.ts";
import { RunnerError } from "../../errors.ts";
import type { Cancellation } from "../../process/cancellation.ts";
import { capture } from "../../process/capture.ts";
import type { JobRun } from "../job_run.ts";

/** Engines that are tried when nobody names one. */
const ENGINES = ["docker", "podman"];

/** A program that runs containers, with the command line of Docker. */
export interface Engine {
  /** Its name, or path. */
  readonly program: string;
  /** Whether it is Podman, which maps users in another way. */
  readonly isPodman: boolean;
  /**
   * Calls it, and keeps what it says.
   *
   * @param args Arguments.
   * @param cancellation The wish that it ends.
   * @param variables Variables besides those of its environment.
   */
  call(
    args: readonly string[],
    cancellation: Cancellation,
    variables?: Readonly<Record<string, string>>,
  ): ReturnType<typeof capture>;
  /** Its environment. */
  readonly env: ChildEnvironment;
}

/**
 * Finds the engine: the one that is named, or that `DOCKER` names, or else
 * `docker`, or `podman`.
 *
 * @param run The run.
 * @param named Name or path that the caller gave.
 * @returns The engine.
 * @throws {RunnerError} `container-failed`, if there is none.
 */
export async function findEngine(
  { parts: { host }, cancellation }: JobRun,
  named: string | undefined,
): Promise<Engine> {
  const env = childEnvironment(host.env, { kind: "container-engine" });
  const wanted = named || env[Variable.docker];
  for (const program of wanted ? [wanted] : ENGINES) {
    const call: Engine["call"] = (args, cancellation, variables) =>
      capture([program, ...args], {
        cwd: host.cwd,
        env: { ...env, ...variables },
        cancellation,
      });
    const version = await versionOf(call, cancellation);
    if (version === undefined) continue;
    return { program, isPodman: /podman/i.test(version), call, env };
  }
  throw new RunnerError(
    `Cannot find "${wanted ?? ENGINES.join('" or "')}": command not found`,
    { code: "container-failed" },
  );
}

/** A program that is not there is no error as long as there is another one. */
async function versionOf(
  call: Engine["call"],
  cancellation: Cancellation,
): Promise<string | undefined> {
  try {
    const { stdout, stderr } = await call(["--version"], cancellation);
    return stdout + stderr;
  } catch (error) {
    if (error instanceof RunnerError && error.code === "command-not-found") {
      return undefined;
    }
    throw error;
  }
}
