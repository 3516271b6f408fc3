import {
  containerArguments,
  imageProblem,
  isEngineVariable,
  parseUser,
  RUNNER_USER,
} from "../../container/container_arguments.ts";
import { engineNamed, removeContainer } from "../../container/engine.ts";
import { childEnvironment } from "../../environment/child_environment.ts";
import {
  DEFAULT_RUNNER_IMAGE,
  type Environment,
  Variable,
} from "../../environment/variables.ts";
import { RunnerError } from "../../errors.ts";
import { getDefault } from "../../options/options.ts";
import type { RunnerContext } from "../../runner/runner_context.ts";
import type { JobRequest, LocalJob, LocalJobOutcome } from "./local_job.ts";

/** User and group of a job, unless it sets them. */
const DEFAULT_USER = `${RUNNER_USER.uid}:${RUNNER_USER.gid}`;

/** Maximum number of processes of a job. */
const MAX_PROCESSES = 4_096;

/** Changes the owner of the files to the user of the job, if run as root. */
const CHOWN_SCRIPT =
  'user=$1 files=$2; shift 2; [ "$(id -u)" != 0 ] || chown -R -P -h "$user" -- "$files" || exit; exec "$@"';

/** Options for starting containers. */
export interface ContainerOptions {
  /** Container engine with the command line of Docker: `docker` or `podman`. */
  readonly program: string;
  /**
   * Network of the containers.
   *
   * @default {the default network of the program}
   */
  readonly network?: string;
}

/** Settings of a container, in addition to the job. */
export interface JobContainer extends ContainerOptions {
  /** Name of the container. */
  readonly name: string;
  /** Absolute path of the directory that is mounted at `/job`. */
  readonly workspace: string;
  /** Absolute path of the code, if jobs share it. */
  readonly sharedCode: string | undefined;
  /** Names of variables that the container inherits from the engine. */
  readonly variables: readonly string[];
  /** User and group of this process as `uid:gid`. */
  readonly hostUser: string;
}

/**
 * Builds the command that runs a job in its own container: with the workspace
 * at `/job`, as an unprivileged user and with resource limits.
 *
 * Values of variables are passed in the environment of the command, because all
 * users of the machine can read its arguments.
 *
 * @throws {RunnerError} `invalid-job` if the job cannot run in a container.
 */
export function containerCommand(
  job: LocalJob,
  setting: JobContainer,
): string[] {
  const { program, network, name, workspace, sharedCode, variables } = setting;
  const user = resolveUser(job, setting.hostUser);
  const { codeDir, jobDir } = containerDirectories(job);
  const facts = containerFacts(job);
  return [
    ...["sh", "-c", CHOWN_SCRIPT, "sh", user, workspace],
    program,
    ...containerArguments("run", {
      name,
      image: checkImage(job),
      command: jobArgv(job),
      user,
      directory: jobDir,
      mounts: [
        { source: workspace, target: "/job" },
        ...sharedCode === undefined
          ? []
          : [{ source: sharedCode, target: codeDir }],
      ],
      options: [
        `--pids-limit=${MAX_PROCESSES}`,
        ...resourceFlags(job),
        ...network === undefined ? [] : [`--network=${network}`],
        ...user === DEFAULT_USER || user.startsWith("0:")
          ? []
          : ["--tmpfs=/home/runner:exec,mode=1777"],
        ...Object.entries(facts)
          .map(([name, value]) => `--env=${name}=${value}`),
        ...selectVariables(job, variables)
          .filter((variable) => !(variable in facts))
          .map((variable) => `--env=${variable}`),
      ],
    }),
  ];
}

/** Returns the directories of a job in its container. */
function containerDirectories(job: LocalJob) {
  const codeDir = job.codeDir ?? getDefault("code_dir");
  return { codeDir, jobDir: job.jobDir ?? codeDir };
}

/** Returns the variables whose values the runner sets in the container of a job. */
export function containerFacts(job: LocalJob): Record<string, string> {
  const { codeDir, jobDir } = containerDirectories(job);
  return {
    [Variable.inContainer]: "true",
    [Variable.codeDir]: codeDir,
    [Variable.jobDir]: jobDir,
    [Variable.workflowVarsFile]: "/job/workflow-vars.json",
    [Variable.workflowOutputFile]: "/job/workflow-output.json",
    ...job.env.HOME === undefined ? { HOME: "/home/runner" } : {},
  };
}

/**
 * Returns the names of the variables that the container of a job inherits from its
 * runner.
 *
 * @param runnerEnv Environment of the runner.
 */
export function inheritedVariables(
  { env }: LocalJob,
  runnerEnv: Environment,
): string[] {
  const inherited = childEnvironment(runnerEnv, {
    kind: "container",
    names: [],
    facts: {},
    jobEnv: {},
  });
  return [
    ...Object.keys(inherited),
    ...Object.keys(env),
    Variable.traceParent,
    Variable.traceState,
    // A runner in the container uses the workspace that this job has locked.
    Variable.workspaceLock,
  ];
}

/** Rejects invalid images; the engine would parse a leading dash as an option. */
function checkImage(
  { name, image = DEFAULT_RUNNER_IMAGE }: LocalJob,
): string {
  const problem = imageProblem(image);
  if (problem === undefined) return image;
  throw new RunnerError(
    `Cannot run job "${name}" in a container of ${
      JSON.stringify(image)
    }: ${problem}`,
    { code: "invalid-job" },
  );
}

/**
 * Drops inherited variables that an engine cannot pass.
 *
 * @throws {RunnerError} `invalid-job` if the job sets one of them.
 */
function selectVariables(
  { name, env }: LocalJob,
  variables: readonly string[],
): string[] {
  const rejected = Object.keys(env).find((variable) =>
    !isEngineVariable(variable)
  );
  if (rejected === undefined) return variables.filter(isEngineVariable);
  throw new RunnerError(
    `Cannot run job "${name}" in a container: the engine does not accept the variable name ${
      JSON.stringify(rejected)
    }`,
    { code: "invalid-job" },
  );
}

/** Returns the program of the container of a job, and its arguments. */
export function jobArgv({ command = "", isWrapped }: LocalJob): string[] {
  return isWrapped
    ? ["runnerlib", "run", `--job-command=${command}`]
    : ["sh", "-c", command];
}

function resolveUser(
  { name, runAsUser = "" }: LocalJob,
  hostUser: string,
): string {
  if (runAsUser === "host") return hostUser;
  // Without root, the owner of files cannot change: run as their owner instead.
  if (runAsUser === "" || runAsUser === "runner") {
    return hostUser.startsWith("0:") ? DEFAULT_USER : hostUser;
  }
  const user = parseUser(runAsUser);
  if (user !== undefined) return `${user.uid}:${user.gid}`;
  throw new RunnerError(
    `Cannot run job "${name}" in a container: its user ${
      JSON.stringify(runAsUser)
    } is not runner, root, host or uid[:gid]`,
    { code: "invalid-job" },
  );
}

/** Returns the options of an engine that limit a container. */
export function resourceFlags(
  { resources }: Pick<LocalJob, "resources">,
): string[] {
  const { cpu, memory } = resources ?? {};
  const flags: string[] = [];
  if (cpu?.limit !== undefined) flags.push(`--cpus=${parseCores(cpu.limit)}`);
  if (memory?.limit !== undefined) {
    flags.push(`--memory=${parseBytes(memory.limit)}`);
  }
  return flags;
}

function parseCores(amount: string): number {
  return amount.endsWith("m") ? parseFloat(amount) / 1_000 : Number(amount);
}

/** Converts an amount of memory to bytes, at most the largest safe integer. */
export function parseBytes(amount: string): number {
  const [, number, letter, isBinary] =
    /^([\d.]+)([KMGTP]?)(i?)[Bb]?$/.exec(amount) ?? [];
  const power = letter ? "KMGTP".indexOf(letter) + 1 : 0;
  const bytes = Number(number) * (isBinary ? 1_024 : 1_000) ** power;
  // Engines do not read the exponent with which a larger one would be written.
  return Math.min(Math.floor(bytes), Number.MAX_SAFE_INTEGER);
}

/** Options for {@linkcode runContained}. */
export interface RunContainedOptions extends ContainerOptions {
  /** Absolute path of the code, if jobs share it. */
  readonly sharedCode: string | undefined;
  /**
   * Runs the command that starts the container.
   *
   * @param stop Removes the container if it is still there; returns the problem if
   * that fails.
   */
  readonly run: (
    command: readonly string[],
    stop: () => Promise<string | undefined>,
  ) => Promise<LocalJobOutcome>;
}

/**
 * Runs a job in its own container, and removes the container.
 *
 * @throws {RunnerError} `invalid-job` if the job cannot run in a container.
 */
export async function runContained(
  { host, workspace, logger }: RunnerContext,
  { node: { job } }: JobRequest,
  options: RunContainedOptions,
): Promise<LocalJobOutcome> {
  const { program, run } = options;
  const name = `reactorcide-${crypto.randomUUID()}`;
  // The directory belongs to the user of this process.
  const { uid, gid } = await Deno.stat(workspace.base);
  const command = containerCommand(job, {
    ...options,
    name,
    workspace: workspace.base,
    variables: inheritedVariables(job, host.env),
    hostUser: `${uid ?? 0}:${gid ?? 0}`,
  });
  let stopping: Promise<string | undefined> | undefined;
  // The container can outlive the command that started it.
  const stop = () =>
    stopping ??= (async () => {
      const engine = engineNamed(program, { ...host, cwd: workspace.base });
      const problem = await removeContainer(engine, name);
      if (problem !== undefined) logger.warn("job", problem);
      return problem;
    })();
  try {
    return await run(command, stop);
  } finally {
    await stop();
  }
}
