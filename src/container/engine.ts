import { dirname } from "@std/path/posix/dirname";
import {
  type ChildEnvironment,
  childEnvironment,
  fixedEnvironment,
} from "../environment/child_environment.ts";
import { type Environment, Variable } from "../environment/variables.ts";
import { osReason, RunnerError } from "../errors.ts";
import {
  temporaryDirectory,
  type TemporaryPlace,
} from "../fs/temporary_directory.ts";
import { Cancellation } from "../process/cancellation.ts";
import { capture } from "../process/capture.ts";
import { spawn } from "../process/spawn.ts";
import { settlesWithin } from "../process/time_limit.ts";
import { type ContainerUser, RUNNER_USER } from "./container_arguments.ts";

/** Engines that are tried if none is configured. */
const ENGINES = ["docker", "podman"];

/** Maximum time to remove a container, in milliseconds. */
const REMOVE_MS = 20_000;

/** Error messages for a container that is already gone or being removed. */
const GONE = /no such container|no container with|already in progress/i;

/** A program that runs containers, with the command line of Docker. */
export interface Engine {
  /** Name or path of the program. */
  readonly program: string;
  /** Whether it is Podman, which maps users differently. */
  readonly isPodman: boolean;
  /** Environment of the program. */
  readonly env: ChildEnvironment;
  /**
   * Runs the program and captures its output.
   *
   * @param variables Variables to add to its environment.
   */
  call(
    args: readonly string[],
    cancellation: Cancellation,
    variables?: Readonly<Record<string, string>>,
  ): ReturnType<typeof capture>;
}

/** Where the engine is run. */
export interface EngineHost {
  /** Environment of the runner. */
  readonly env: Environment;
  /** Absolute path of the working directory. */
  readonly cwd: string;
}

/**
 * Finds the engine: the given one, the one in `DOCKER`, `docker` or `podman`.
 *
 * @param named Name or path of the given engine.
 * @throws {RunnerError} `container-failed`, if there is none.
 */
export async function findEngine(
  host: EngineHost,
  cancellation: Cancellation,
  named: string | undefined,
): Promise<Engine> {
  const wanted = named || host.env[Variable.docker];
  for (const program of wanted ? [wanted] : ENGINES) {
    const engine = engineNamed(program, host);
    const version = await readVersion(engine, cancellation);
    if (version === undefined) continue;
    return { ...engine, isPodman: /podman/i.test(version) };
  }
  throw new RunnerError(
    `Cannot find "${wanted || ENGINES.join('" or "')}": command not found`,
    { code: "container-failed" },
  );
}

/**
 * Creates an engine without checking that it works.
 *
 * @returns The engine; its name decides whether it is treated as Podman.
 */
export function engineNamed(program: string, host: EngineHost): Engine {
  const env = childEnvironment(host.env, { kind: "container-engine" });
  return {
    program,
    isPodman: /podman/i.test(program),
    env,
    call: (args, cancellation, variables) =>
      capture([program, ...args], {
        cwd: host.cwd,
        env: { ...env, ...variables },
        cancellation,
      }),
  };
}

/**
 * Removes a container, running or not.
 *
 * Gives up if the engine does not respond within 20 seconds. A container that
 * is already gone is not an error, since `--rm` removes it when it exits.
 *
 * @returns Why it could not be removed; `undefined` if it is gone.
 */
export async function removeContainer(
  engine: Engine,
  name: string,
): Promise<string | undefined> {
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
  if (problem === "" || GONE.test(problem)) return undefined;
  return `Cannot remove container "${name}": ${problem}`;
}

/** Starts a container. Disposing it waits until pending signals were sent. */
export interface AttachedStart extends AsyncDisposable {
  /** Starts the container instead of a command. */
  readonly start: typeof spawn;
}

/**
 * Returns a function that starts a container like a local program.
 *
 * Signals are sent through the engine, because whether `start --attach`
 * forwards them depends on the version.
 */
export function attachedStart(
  engine: Engine,
  name: string,
  cwd: string,
): AttachedStart {
  const sending = new Set<Promise<void>>();
  return {
    start(_command, options) {
      const child = spawn(
        [engine.program, "start", "--attach", name],
        { ...options, cwd, env: engine.env },
      );
      const send = async (signal: Deno.Signal) => {
        if (!await sendSignal(engine, name, signal)) child.signal(signal);
      };
      return {
        ...child,
        signal(signal) {
          // Removing the container kills all processes in it.
          if (signal === "SIGKILL") return child.signal(signal);
          const sent = send(signal).finally(() => sending.delete(sent));
          sending.add(sent);
        },
      };
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(sending);
    },
  };
}

/** A missing program is not an error, since another engine may be installed. */
async function readVersion(
  engine: Engine,
  cancellation: Cancellation,
): Promise<string | undefined> {
  try {
    const { stdout, stderr } = await engine.call(["--version"], cancellation);
    return stdout + stderr;
  } catch (error) {
    if (error instanceof RunnerError && error.code === "command-not-found") {
      return undefined;
    }
    throw error;
  }
}

/**
 * Sends a signal to every process of the container. Returns whether it was
 * delivered; the container may not be running.
 *
 * Docker's init process forwards it to the whole group if
 * `TINI_KILL_PROCESS_GROUP` is set. Podman's forwards it to one process.
 */
async function sendSignal(
  engine: Engine,
  name: string,
  signal: Deno.Signal,
): Promise<boolean> {
  const toAll = `kill -${signal.slice("SIG".length)} -1`;
  const attempts = [
    ...engine.isPodman ? [["exec", name, "/bin/sh", "-c", toAll]] : [],
    ["kill", `--signal=${signal}`, name],
  ];
  try {
    for (const args of attempts) {
      const { exitCode } = await engine.call(args, new Cancellation());
      if (exitCode === 0) return true;
    }
  } catch {
    // The caller signals the engine's own process instead.
  }
  return false;
}

/** Private files of one container, which are removed when disposed. */
export interface ContainerFiles extends AsyncDisposable {
  /** Absolute path of their directory (mode 0700). */
  readonly directory: string;
  /** User and group of the container: those of the caller, but never root. */
  readonly user: ContainerUser;
  /** Whether the caller is root, so that owners of files have to be changed. */
  readonly isRoot: boolean;
  /** Writes a file (mode 0600). */
  write(name: string, text: string): Promise<string>;
}

/**
 * Creates the directory for a container's files.
 *
 * The user is read from the new directory, because asking Deno for it would
 * need a permission.
 *
 * @throws {RunnerError} `container-failed`, if it cannot be created.
 */
export async function openContainerFiles(
  place: TemporaryPlace,
): Promise<ContainerFiles> {
  const { path: directory, [Symbol.dispose]: remove } = temporaryDirectory(
    place,
  );
  try {
    const { uid, gid } = await Deno.stat(directory);
    const isRoot = uid === 0;
    return {
      directory,
      user: isRoot || uid === null || gid === null ? RUNNER_USER : { uid, gid },
      isRoot,
      async write(name, text) {
        const path = `${directory}/${name}`;
        await Deno.writeTextFile(path, text, { createNew: true, mode: 0o600 });
        return path;
      },
      [Symbol.asyncDispose]: () => Promise.resolve(remove()),
    };
  } catch (cause) {
    remove();
    throw new RunnerError(
      `Cannot use "${directory}": ${osReason(cause)}`,
      { code: "container-failed", cause },
    );
  }
}

/**
 * Changes the owner of files that root created for a job. Symbolic links
 * themselves are changed, never their targets.
 *
 * @param paths Absolute paths of files and directories.
 */
export async function changeOwner(
  user: ContainerUser,
  paths: {
    workspace: string;
    socket: string | undefined;
    secretsFile: string | undefined;
  },
  cancellation: Cancellation,
): Promise<void> {
  const { workspace, socket, secretsFile } = paths;
  const owner = `${user.uid}:${user.gid}`;
  const { exitCode, stderr } = await capture(
    ["chown", "-R", "-P", "-h", owner, "--", workspace],
    {
      cwd: "/",
      env: fixedEnvironment({ PATH: "/usr/sbin:/usr/bin:/sbin:/bin" }),
      cancellation,
    },
  );
  if (exitCode !== 0) {
    throw new RunnerError(
      `Cannot change the owner of "${workspace}" to ${owner}: ${stderr.trim()}`,
      { code: "workspace" },
    );
  }
  for (const path of [socket && dirname(socket), socket, secretsFile]) {
    if (path) await Deno.chown(path, user.uid, user.gid);
  }
}
