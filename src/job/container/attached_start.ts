import { Cancellation } from "../../process/cancellation.ts";
import { spawn } from "../../process/spawn.ts";
import type { Engine } from "./engine.ts";

/** What starts a container; disposing of it waits for the signals that it sends. */
export interface AttachedStart extends AsyncDisposable {
  /** Starts the container in the place of a command. */
  readonly start: typeof spawn;
}

/**
 * Gives what starts a container as if it were a program of this machine.
 *
 * Signals go to the container by the engine. Its command line might pass them
 * on, or end and leave the container alone: versions differ.
 *
 * @param engine What runs it.
 * @param name Name of the container.
 * @param cwd Directory in which the engine is called.
 * @returns The way to start it.
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
          // The container itself is removed, which leaves nobody in it.
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

/**
 * Sends a signal to the whole job, and tells whether the container, which may
 * not run yet, or no more, got it.
 *
 * The first process of Docker passes it on to all others when its environment
 * says so; that of Podman passes it on to one of them.
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
    // An engine that cannot be called any more is told itself, by its signal.
  }
  return false;
}
