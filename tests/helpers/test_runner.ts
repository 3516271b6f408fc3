import type { EndingSignal, Host } from "../../src/host.ts";
import {
  createRunner,
  type CreateRunnerOptions,
  type Runner,
} from "../../src/runner/runner.ts";
import { BARE_ENV } from "./running.ts";
import { temporaryDirectory } from "./temporary_directory.ts";

/** A runner in a directory of its own whose streams are remembered. */
export interface TestRunner extends AsyncDisposable {
  readonly runner: Runner;
  /** The process around it. */
  readonly host: Host;
  /** Current directory of the runner. */
  readonly path: string;
  /** What was printed so far. */
  stdout(): string;
  /** Messages of the runner so far. */
  stderr(): string;
  /** Acts as if the process got a signal. */
  signal(name: EndingSignal): void;
}

/** Creates a runner that shares nothing with the process of the tests. */
export async function testRunner(
  env: Readonly<Record<string, string>> = {},
  options: Omit<CreateRunnerOptions, "host"> = {},
): Promise<TestRunner> {
  const directory = await temporaryDirectory();
  const listeners = new Set<(signal: EndingSignal) => void>();
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
  const host: Host = {
    env: { ...BARE_ENV, REACTORCIDE_IN_CONTAINER: "false", ...env },
    cwd: directory.path,
    stdout: stream("stdout"),
    stderr: stream("stderr"),
    onSignal(listener) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
  };
  return {
    runner: createRunner({ ...options, host }),
    host,
    path: directory.path,
    stdout: () => printed.stdout,
    stderr: () => printed.stderr,
    signal(name) {
      for (const listener of [...listeners]) listener(name);
    },
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}
