import {
  type ChildEnvironment,
  childEnvironment,
} from "../environment/child_environment.ts";
import { type Environment, Variable } from "../environment/variables.ts";
import { RunnerError } from "../errors.ts";
import { Cancellation } from "../process/cancellation.ts";
import { capture } from "../process/capture.ts";
import { spawn } from "../process/spawn.ts";
import { settlesWithin } from "../process/time_limit.ts";

/** Engines that are tried when none is named. */
const ENGINES = ["docker", "podman"];

/** Time that an engine has to remove a container, in milliseconds. */
const REMOVE_MS = 20_000;

/** Messages of engines about a container that is gone or about to go. */
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
   * Calls the program and captures its output.
   *
   * @param args Arguments.
   * @param cancellation Ends the call.
   * @param variables Variables to add to its environment.
   */
  call(
    args: readonly string[],
    cancellation: Cancellation,
    variables?: Readonly<Record<string, string>>,
  ): ReturnType<typeof capture>;
}

/** Where an engine is called. */
export interface EngineHost {
  /** Environment of the runner. */
  readonly env: Environment;
  /** Absolute path of the working directory. */
  readonly cwd: string;
}

/**
 * Finds the engine: the one that is named, else the one in `DOCKER`, else
 * `docker` or `podman`.
 *
 * @param host Where it is called.
 * @param cancellation Ends the search.
 * @param named Name or path that the caller gave.
 * @returns The engine.
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
    const version = await versionOf(engine, cancellation);
    if (version === undefined) continue;
    return { ...engine, isPodman: /podman/i.test(version) };
  }
  throw new RunnerError(
    `Cannot find "${wanted ?? ENGINES.join('" or "')}": command not found`,
    { code: "container-failed" },
  );
}

/**
 * Returns an engine without checking that it can be called.
 *
 * @param program Name or path of the program.
 * @param host Where it is called.
 * @returns The engine; its name alone decides whether it is Podman.
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
 * An engine that does not answer within 20 s is given up. A container that is
 * already gone is no problem: `--rm` removes it when it ends.
 *
 * @param engine Engine that runs it.
 * @param name Name of the container.
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

/** Starts a container; disposing of it waits for the signals that it sends. */
export interface AttachedStart extends AsyncDisposable {
  /** Starts the container in place of a command. */
  readonly start: typeof spawn;
}

/**
 * Returns a function that starts a container as if it were a program of this
 * machine.
 *
 * Signals reach the container through the engine. Whether the engine's own
 * `start --attach` forwards them depends on its version.
 *
 * @param engine Engine that created it.
 * @param name Name of the container.
 * @param cwd Directory in which the engine is called.
 * @returns The start function.
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
          // Removing the container kills all that is left in it.
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

/** A program that is not installed is no error while another one may be. */
async function versionOf(
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
 * Sends a signal to every process of the container and returns whether the
 * container got it; it may not run yet, or no longer.
 *
 * The init process of Docker forwards it to the whole group when
 * `TINI_KILL_PROCESS_GROUP` is set; that of Podman forwards it to one process.
 */
async function sendSignal(
  engine: Engine,
  name: string,
  signal: Deno.Signal,
): Promise<boolean> {
  const toAll = `kill -${signal.slice("SIG".length)} -1`;
  const ways = [
    ...engine.isPodman ? [["exec", name, "/bin/sh", "-c", toAll]] : [],
    ["kill", `--signal=${signal}`, name],
  ];
  try {
    for (const way of ways) {
      const { exitCode } = await engine.call(way, new Cancellation());
      if (exitCode === 0) return true;
    }
  } catch {
    // The caller signals the engine's own process instead.
  }
  return false;
}
