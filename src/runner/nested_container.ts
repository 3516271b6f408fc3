import { dirname } from "@std/path/posix/dirname";
import { resolve } from "@std/path/posix/resolve";
import type { JobConfig } from "../config/job_config.ts";
import { parseJobEnv } from "../config/text_values.ts";
import {
  containerArguments,
  imageProblem,
  passVariables,
} from "../container/container_arguments.ts";
import {
  attachedStart,
  findEngine,
  removeContainer,
} from "../container/engine.ts";
import { changeOwner, openContainerFiles } from "../container/files.ts";
import {
  type ChildEnvironment,
  childEnvironment,
} from "../environment/child_environment.ts";
import { Variable } from "../environment/variables.ts";
import { osReason, RunnerError } from "../errors.ts";
import { isObject } from "../json.ts";
import type { spawn } from "../process/spawn.ts";
import type { Workspace } from "../workspace/layout.ts";
import { makeDirectories } from "./job_directories.ts";
import { jobFacts, type TraceContext } from "./job_environment.ts";
import type { JobRun } from "./job_run.ts";
import { foreignSources, withSafeDirectories } from "./working_directory.ts";
import { inlineCommand } from "../steps/shell.ts";

/** Where a container finds the file of secrets. */
const SECRETS_FILE = "/run/secrets/env";

/** A container that is made and not started; disposing of it removes it. */
export interface Container extends AsyncDisposable {
  /** Starts it, prints what it prints and ends as it ends. */
  readonly start: typeof spawn;
}

/** What a container needs to know besides the configuration. */
export interface OpenContainerOptions extends ContainerSetting {
  /** Trace to which the job belongs. */
  trace: TraceContext;
  /** Absolute path of the socket for secrets, if there is one. */
  socket: string | undefined;
}

/**
 * Creates a container for the command of a job.
 *
 * @param run The run.
 * @param config Configuration of the job, with a command and an image.
 * @param options What else it needs.
 * @returns The container.
 * @throws {RunnerError} `container-failed`, if it cannot be made.
 */
export async function openContainer(
  run: JobRun,
  config: JobConfig,
  options: OpenContainerOptions,
): Promise<Container> {
  const { trace, socket } = options;
  const { cancellation, parts: { host, workspace, logger } } = run;
  await using stack = new AsyncDisposableStack();
  const engine = await findEngine(host, cancellation, options.engine);
  const secrets = await readSecretsFile(run);
  await makeDirectories(workspace, config);

  const files = stack.use(
    await openContainerFiles({ env: host.env, workspace }),
  );
  const { user } = files;
  const secretsFile = secrets && await files.write("secrets", secrets.text);
  if (files.isRoot) {
    const paths = { workspace: workspace.base, socket, secretsFile };
    await changeOwner(user, paths, cancellation);
  }
  const foreign = await foreignSources(run, config.sourceDir);
  const variables = await withSafeDirectories(
    containerEnvironment(run, {
      config,
      trace,
      hasSocket: socket !== undefined,
      secrets: secrets?.variables ?? {},
    }),
    foreign.map(({ jobPath }) => jobPath),
  );
  const passed = passVariables(variables, engine.env);
  const envFile = await files.write("env", passed.file);

  const image = config.runnerImage!;
  const name = `runnerlib-${crypto.randomUUID()}`;
  // An engine that is stopped while it makes a container may have made it.
  stack.defer(async () => {
    const problem = await removeContainer(engine, name);
    if (problem !== undefined) logger.warn("container", problem);
  });
  const args = containerArguments("create", {
    name,
    image,
    command: typeof config.command === "string" && config.shell
      ? inlineCommand(config.shell, config.command)
      : config.command!,
    user: `${user.uid}:${user.gid}`,
    directory: config.cwd,
    mounts: [
      { source: workspace.base, target: "/job" },
      ...socket === undefined ? [] : [{
        source: dirname(socket),
        target: SOCKET_DIRECTORY,
        readOnly: true,
      }],
      ...secretsFile === undefined
        ? []
        : [{ source: secretsFile, target: SECRETS_FILE, readOnly: true }],
    ],
    options: [
      "--init",
      "--label=io.reactorcide.runnerlib=job",
      ...engine.isPodman && !files.isRoot ? ["--userns=keep-id"] : [],
      ...limitOptions(run.shared.get("resource_limits")),
      // The engine would keep the output unmasked.
      "--log-driver=none",
      // The command has had its grace time when the engine removes it.
      "--stop-timeout=0",
      `--env-file=${envFile}`,
      ...Object.keys(passed.direct).map((name) => `--env=${name}`),
    ],
  });
  const made = await engine.call(args, cancellation, passed.direct);
  if (made.exitCode !== 0) throw notMade(image, made.stderr);
  await Deno.remove(envFile);
  const attached = stack.use(attachedStart(engine, name, host.cwd));
  const rest = stack.move();
  return {
    start: attached.start,
    [Symbol.asyncDispose]: () => rest.disposeAsync(),
  };
}

/**
 * Limits that a plugin leaves for the container, under the name that plugins of
 * the Python runner use.
 */
function limitOptions(limits: unknown): string[] {
  if (!isObject(limits)) return [];
  return ["memory", "cpus"].flatMap((name) => {
    const value = limits[name];
    const isAmount = (typeof value === "string" || typeof value === "number") &&
      /^\d+(?:\.\d+)?[a-zA-Z]{0,3}$/.test(`${value}`);
    if (value === undefined || value === null) return [];
    if (isAmount) return [`--${name}=${value}`];
    throw new RunnerError(
      `Cannot limit the container: "${name}" of resource_limits is not an amount`,
      { code: "container-failed" },
    );
  });
}

function notMade(image: string, stderr: string): RunnerError {
  const reason = stderr.trim().split("\n")
    .filter((line) => line !== "" && !line.startsWith("See '")).at(-1);
  return new RunnerError(
    `Cannot make a container of "${image}": ${
      reason ?? "the engine says no more"
    }`,
    { code: "container-failed" },
  );
}

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
  const { inheritEnv, secrets: { envNames = [] } } = config;
  return childEnvironment(parts.host.env, {
    kind: "container",
    names: [
      ...envNames,
      ...typeof inheritEnv === "boolean" ? [] : inheritEnv,
    ],
    facts: {
      ...jobFacts({
        ...parts,
        config,
        lockIds,
        workspace: INSIDE,
        currentDir: undefined,
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

/** How the command of a job is to be run in a container that the runner starts. */
export interface ContainerSetting {
  /**
   * Program that runs containers, with the command line of Docker.
   *
   * @default {what `DOCKER` names, or else `docker`, or `podman`}
   */
  readonly engine?: string;
  /**
   * Image for a job that names none.
   *
   * @default {none: the job must name one}
   */
  readonly defaultImage?: string;
}

/**
 * Checks whether a job can run in a container that the runner starts, and
 * says what is to come instead of that.
 *
 * @param run The run.
 * @param config Configuration of the job.
 * @throws {RunnerError} `invalid-config`, if it cannot.
 */
export function checkContainer(run: JobRun, config: JobConfig): void {
  const { runnerImage: image = "", command, steps } = config;
  if (command === undefined || steps !== undefined || run.ownSteps) {
    throw unusable(image, "a job with steps does not run in it");
  }
  const problem = image === ""
    ? "no image is set; set one with --runner-image IMAGE or runner_image"
    : imageProblem(image);
  if (problem !== undefined) throw unusable(image, problem);
  run.parts.logger.warn(
    "container",
    `Running in "${image}": this mode is transitional; a worker should start the container, and runnerlib in it`,
  );
}

function unusable(image: string, reason: string): RunnerError {
  return new RunnerError(
    `Cannot use a nested container${
      image === "" ? "" : ` of "${image}"`
    }: ${reason}`,
    { code: "invalid-config" },
  );
}

/** A file of secrets that was read. */
export interface SecretsFile {
  /** What is in it. */
  readonly text: string;
  /** Its variables. */
  readonly variables: Readonly<Record<string, string>>;
}

/**
 * Reads the file of variables that the job gets as secrets, if there is one,
 * and has all of their values masked.
 *
 * @param run The run.
 * @returns The file; `undefined` if none is configured.
 * @throws {RunnerError} `invalid-config`, if it cannot be read.
 */
export async function readSecretsFile(
  run: JobRun,
): Promise<SecretsFile | undefined> {
  const { host } = run.parts;
  const configured = run.settings.get("secrets_file")?.value;
  if (typeof configured !== "string" || configured === "") return undefined;
  const path = resolve(host.cwd, configured);
  const text = await read(path);
  // A line break in front: the text itself never is the name of a file.
  const { env, problems } = parseJobEnv(
    { value: `\n${text}`, origin: path },
    host.cwd,
  );
  if (problems.length > 0) throw unusableFile(path, problems.join(", "));
  run.secrets.add(
    Object.entries(env)
      .filter(([, value]) => value !== "")
      .map(([name, value]) => ({ name, value, rule: "file of secrets" })),
  );
  return { text, variables: env };
}

async function read(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (cause) {
    throw unusableFile(path, osReason(cause), cause);
  }
}

function unusableFile(
  path: string,
  reason: string,
  cause?: unknown,
): RunnerError {
  return new RunnerError(`Cannot use secrets_file "${path}": ${reason}`, {
    code: "invalid-config",
    cause,
  });
}
