import { type Environment, Variable } from "../environment/variables.ts";
import type { Host, TerminationSignal } from "../host.ts";

/** Options for {@linkcode recordingHost}. */
export interface RecordingHostOptions {
  /** Environment of the runner. */
  env: Environment;
  /** Absolute path of the current directory. */
  cwd: string;
}

/** A host that records what is printed. */
export interface RecordingHost extends Host {
  /** The output so far. */
  readonly printed: { readonly stdout: string; readonly stderr: string };
  /** Acts as if the process got a signal. */
  signal(name: TerminationSignal): void;
}

/** Creates a host without a process, which starts outside a container. */
export function recordingHost(
  { env, cwd }: RecordingHostOptions,
): RecordingHost {
  const listeners = new Set<(signal: TerminationSignal) => void>();
  const printed = { stdout: "", stderr: "" };
  const stream = (name: keyof typeof printed) => {
    const decoder = new TextDecoder();
    return {
      write(bytes: Uint8Array) {
        printed[name] += decoder.decode(bytes, { stream: true });
        return Promise.resolve(bytes.length);
      },
      isTerminal: () => false,
    };
  };
  return {
    env: { [Variable.inContainer]: "false", ...env },
    cwd,
    stdout: stream("stdout"),
    stderr: stream("stderr"),
    printed,
    onSignal(listener) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
    signal(name) {
      for (const listener of [...listeners]) listener(name);
    },
  };
}
