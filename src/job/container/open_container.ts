import { dirname } from "@std/path/posix/dirname";
import type { JobConfig } from "../../config/job_config.ts";
import { RunnerError } from "../../errors.ts";
import type { Logger } from "../../output/logger.ts";
import { Cancellation } from "../../process/cancellation.ts";
import type { spawn } from "../../process/spawn.ts";
import { settlesWithin } from "../../process/time_limit.ts";
import type { TraceContext } from "../job_environment.ts";
import type { JobRun } from "../job_run.ts";
import { foreignSources, withSafeDirectories } from "../safe_directories.ts";
import { makeDirectories } from "../make_directories.ts";
import type { ContainerSetting } from "./check_container.ts";
import { containerEnvironment } from "./container_environment.ts";
import { handOver, openContainerFiles } from "./container_files.ts";
import { attachedStart } from "./attached_start.ts";
import { createArguments } from "./create_arguments.ts";
import { type Engine, findEngine } from "./engine.ts";
import { readSecretsFile } from "./secrets_file.ts";
import { passVariables } from "./variables.ts";

/** Longest time that an engine may take to remove a container, in milliseconds. */
const REMOVE_MS = 20_000;

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
 * Makes a container for the command of a job.
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
  const engine = await findEngine(run, options.engine);
  const secrets = await readSecretsFile(run);
  await makeDirectories(workspace, config);

  const files = stack.use(
    await openContainerFiles({ env: host.env, workspace }),
  );
  const { user } = files;
  const secretsFile = secrets && await files.write("secrets", secrets.text);
  if (files.isRoot) {
    const paths = { workspace: workspace.base, socket, secretsFile };
    await handOver(user, paths, cancellation);
  }
  const foreign = await foreignSources(run, config.codeDir);
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
  stack.defer(() => removeContainer(engine, name, logger));
  const args = createArguments({
    name,
    image,
    command: config.command!,
    user,
    keepsIds: engine.isPodman && !files.isRoot,
    workspace: workspace.base,
    directory: config.jobDir,
    envFile,
    names: Object.keys(passed.direct),
    socketDirectory: socket && dirname(socket),
    secretsFile,
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

/** It may be gone, or about to go: an engine removes it when it has ended. */
async function removeContainer(
  engine: Engine,
  name: string,
  logger: Logger,
): Promise<void> {
  const cancellation = new Cancellation();
  const removal = engine.call(
    ["rm", "--force", "--volumes", name],
    cancellation,
  );
  if (!await settlesWithin(removal, REMOVE_MS)) cancellation.cancel("SIGTERM");
  const problem = await removal.then(
    ({ exitCode, stderr }) => exitCode === 0 ? "" : stderr.trim(),
    (error) => String(error),
  );
  if (
    problem === "" ||
    /no such container|no container with|already in progress/i.test(problem)
  ) {
    return;
  }
  logger.warn("container", `Cannot remove container "${name}": ${problem}`);
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
