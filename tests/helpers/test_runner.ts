import type { Host, TerminationSignal } from "../../src/host.ts";
import {
  createRunner,
  type CreateRunnerOptions,
  type Runner,
} from "../../src/runner/runner.ts";
import { recordingHost } from "../../src/testing/recorded_system.ts";
import { BARE_ENV } from "./running.ts";
import { temporaryDirectory } from "./temporary_directory.ts";

/** A runner in its own directory whose output is kept. */
export interface TestRunner extends AsyncDisposable {
  readonly runner: Runner;
  /** The process around it. */
  readonly host: Host;
  /** Current directory of the runner. */
  readonly path: string;
  /** Output so far. */
  stdout(): string;
  /** Messages of the runner so far. */
  stderr(): string;
  /** Simulates a signal to the process. */
  signal(name: TerminationSignal): void;
}

/** Creates a runner that shares nothing with the process of the tests. */
export async function testRunner(
  env: Readonly<Record<string, string>> = {},
  options: Omit<CreateRunnerOptions, "host"> = {},
): Promise<TestRunner> {
  const directory = await temporaryDirectory();
  const host = recordingHost({
    env: { ...BARE_ENV, ...env },
    cwd: directory.path,
  });
  return {
    runner: createRunner({ ...options, host }),
    host,
    path: directory.path,
    stdout: () => host.printed.stdout,
    stderr: () => host.printed.stderr,
    signal: host.signal,
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}
