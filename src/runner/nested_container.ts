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
  changeOwner,
  findEngine,
  openContainerFiles,
  removeContainer,
} from "../container/engine.ts";
import {
  type ChildEnvironment,
  childEnvironment,
} from "../environment/child_environment.ts";
import { Variable } from "../environment/variables.ts";
import { osReason, RunnerError } from "../errors.ts";
import { readUntrusted } from "../fs/untrusted_file.ts";
import { isInside } from "../job_path.ts";
import { isObject } from "../json_value.ts";
import type { spawn } from "../process/spawn.ts";
import { inlineCommand } from "../steps/shell.ts";
import type { Workspace } from "../workspace/layout.ts";
import { jobFacts, type TraceContext } from "./job_environment.ts";
import { makeDirectories } from "./job_workspace.ts";
import { IN_SECRETS_FILE } from "./mask_secrets.ts";
import { lockIdsOf, type RunState } from "./run_state.ts";
import { foreignSources, withSafeDirectories } from "./working_directory.ts";

/** Maximum size of a secrets file in the workspace, in bytes. */
const MAX_SECRETS_BYTES = 16 * 1024 * 1024;

/** Path of the secrets file in the container. */
const SECRETS_FILE = "/run/secrets/env";

/** A container that was created but not started; disposing of it removes it. */
export interface Container extends AsyncDisposable {
  /** Starts the container, forwards its output, and ends with its exit code. */
  readonly start: typeof spawn;
}

/** Options for {@linkcode openContainer}. */
export interface OpenContainerOptions extends ContainerSetting {
  /** Trace to which the job belongs. */
  trace: TraceContext;
  /** Absolute path of the socket for registering secrets, if there is one. */
  socket: string | undefined;
}

/**
 * Creates a container for the command of a job.
 *
 * @param config Configuration of the job, with a command and an image.
 * @param options Trace, socket and engine.
 * @throws {RunnerError} `container-failed` if it cannot be created.
 */
export async function openContainer(
  run: RunState,
  config: JobConfig,
  options: OpenContainerOptions,
): Promise<Container> {
  const { trace, socket } = options;
  const { cancellation, runner: { host, workspace, logger } } = run;
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
  const passed = passVariables(variables, engine);
  const envFile = await files.write("env", passed.file);

  const image = config.runnerImage!;
  const name = `runnerlib-${crypto.randomUUID()}`;
  // An engine that is stopped while creating a container may have created it.
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
      // The engine would store the output unmasked.
      "--log-driver=none",
      // When the engine removes the container, the grace time has already
      // passed.
      "--stop-timeout=0",
      `--env-file=${envFile}`,
      ...Object.keys(passed.direct).map((name) => `--env=${name}`),
    ],
  });
  const created = await engine.call(args, cancellation, passed.direct);
  if (created.exitCode !== 0) throw creationError(image, created.stderr);
  await Deno.remove(envFile);
  const attached = stack.use(attachedStart(engine, name, host.cwd));
  const rest = stack.move();
  return {
    start: attached.start,
    [Symbol.asyncDispose]: () => rest.disposeAsync(),
  };
}

/**
 * Reads limits that plugins set for the container, under the key that plugins
 * of the Python runner use.
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

function creationError(image: string, stderr: string): RunnerError {
  const reason = stderr.trim().split("\n")
    .filter((line) => line !== "" && !line.startsWith("See '")).at(-1);
  return new RunnerError(
    `Cannot create a container from image "${image}": ${
      reason ?? "the engine gave no reason"
    }`,
    { code: "container-failed" },
  );
}

/** Directory of the socket for registering secrets, in the container. */
const SOCKET_DIRECTORY = "/run/reactorcide/secrets";

/** Workspace as seen in a container. */
const INSIDE: Workspace = {
  base: "/job",
  inContainer: true,
  pathOf: (jobPath) => jobPath,
};

/** Input of {@linkcode containerEnvironment}, in addition to the run. */
export interface ContainerEnvironmentParts {
  /** Configuration of the job. */
  config: JobConfig;
  /** Trace to which the job belongs. */
  trace: TraceContext;
  /** Whether there is a socket for registering secrets. */
  hasSocket: boolean;
  /** Variables of the secrets file. */
  secrets: Readonly<Record<string, string>>;
}

/**
 * Builds the environment of a container: the variables of the job, and listed
 * ones of the runner. All other variables of the runner describe the host.
 *
 * @param parts Configuration, trace and secrets.
 * @returns The variables to add to those of the image.
 */
function containerEnvironment(
  run: RunState,
  { config, trace, hasSocket, secrets }: ContainerEnvironmentParts,
): ChildEnvironment {
  const { runner, jobEnv } = run;
  const { inheritEnv, secrets: { envNames = [] } } = config;
  return childEnvironment(runner.host.env, {
    kind: "container",
    names: [
      ...envNames,
      ...typeof inheritEnv === "boolean" ? [] : inheritEnv,
    ],
    facts: {
      ...jobFacts({
        ...runner,
        config,
        lockIds: lockIdsOf(run),
        workspace: INSIDE,
        currentDir: undefined,
        trace,
        secretsSocket: hasSocket ? `${SOCKET_DIRECTORY}/socket` : undefined,
      }),
      [Variable.inContainer]: "true",
      // The init process of the container forwards signals to the whole job.
      TINI_KILL_PROCESS_GROUP: "1",
      ...secrets,
    },
    jobEnv,
  });
}

/** How the command of a job runs in a container that the runner starts. */
export interface ContainerSetting {
  /**
   * Container engine with the command line of Docker.
   *
   * @default {the value of `DOCKER`, else `docker`, else `podman`}
   */
  readonly engine?: string;
  /**
   * Image for a job that sets none.
   *
   * @default {none; the job must set one}
   */
  readonly defaultImage?: string;
}

/**
 * Checks whether a job can run in a container that the runner starts, and warns
 * that this mode is transitional.
 *
 * @throws {RunnerError} `invalid-config`, if it cannot.
 */
export function checkNestedContainer(run: RunState, config: JobConfig): void {
  const { runnerImage: image = "", command, steps } = config;
  if (command === undefined || steps !== undefined || run.ownSteps) {
    throw unusable(image, "a job with steps does not run in it");
  }
  const problem = image === ""
    ? "no image is set; set one with --runner-image IMAGE or runner_image"
    : imageProblem(image);
  if (problem !== undefined) throw unusable(image, problem);
  run.runner.logger.warn(
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

/** Content of a secrets file. */
export interface SecretsFile {
  /** Text of the file. */
  readonly text: string;
  /** Variables of the file. */
  readonly variables: Readonly<Record<string, string>>;
}

/**
 * Reads the configured secrets file, and masks all of its values.
 *
 * @returns The file; `undefined` if none is configured.
 * @throws {RunnerError} `invalid-config`, if it cannot be read.
 */
async function readSecretsFile(
  run: RunState,
): Promise<SecretsFile | undefined> {
  const { host } = run.runner;
  const configured = run.settings.get("secrets_file")?.value;
  if (typeof configured !== "string" || configured === "") return undefined;
  const path = resolve(host.cwd, configured);
  const text = await readText(path, run.runner.workspace.base);
  // With a leading line break, the text is never read as the name of a file.
  const { env, problems } = parseJobEnv(
    { value: `\n${text}`, origin: path },
    host.cwd,
  );
  if (problems.length > 0) throw unusableFile(path, problems.join(", "));
  run.secrets.add(
    Object.entries(env)
      .filter(([, value]) => value !== "")
      .map(([name, value]) => ({ name, value, rule: IN_SECRETS_FILE })),
  );
  return { text, variables: env };
}

/** An earlier job may have replaced a file in the workspace. */
async function readText(path: string, workspace: string): Promise<string> {
  try {
    if (!isInside(workspace, path)) return await Deno.readTextFile(path);
    const bytes = await readUntrusted(path, {
      base: workspace,
      maxBytes: MAX_SECRETS_BYTES,
    });
    return new TextDecoder().decode(bytes);
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
