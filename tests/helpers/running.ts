import {
  type ChildEnvironment,
  fixedEnvironment,
} from "../../src/environment/child_environment.ts";
import { Cancellation } from "../../src/process/cancellation.ts";
import {
  type ByteStream,
  type Command,
  type RunningProcess,
  spawn,
  type SpawnOptions,
} from "../../src/process/spawn.ts";
import {
  supervise,
  type SupervisedExit,
  type SuperviseOptions,
} from "../../src/process/supervise.ts";
import { ByteLog } from "./byte_log.ts";
import { soon } from "./soon.ts";

/** Environment with only the tools of the system. */
export const BARE_ENV: ChildEnvironment = fixedEnvironment({
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
});

/**
 * A program whose output is read from the start, and that is supervised on
 * demand.
 */
export interface Running {
  readonly child: RunningProcess;
  readonly cancellation: Cancellation;
  /** Standard output, and standard error when merged. */
  readonly stdout: ByteLog;
  /** Standard error when not merged. */
  readonly stderr: ByteLog;
  /** Whether reading was stopped. */
  readonly isGivenUp: boolean;
  /** Supervises the program until its end, which must come soon. */
  supervise(options?: Partial<SuperviseOptions>): Promise<SupervisedExit>;
  /** Returns the n-th number in the output, such as a process ID. */
  printedNumber(at?: number): number;
}

/** Starts a program and reads its output. */
export function run(
  command: Command,
  options: Partial<SpawnOptions> = {},
): Running {
  const child = spawn(command, { cwd: "/", env: BARE_ENV, ...options });
  const [stdout, stderr] = [new ByteLog(), new ByteLog()];
  const cancellation = new Cancellation();
  const giveUp = new AbortController();
  const drained = Promise.all([
    read(child.stdout, stdout, giveUp.signal),
    child.stderr && read(child.stderr, stderr, giveUp.signal),
  ]).then(() => {});
  return {
    child,
    cancellation,
    stdout,
    stderr,
    get isGivenUp() {
      return giveUp.signal.aborted;
    },
    async supervise(options = {}) {
      try {
        return await soon(
          supervise(child, {
            graceMs: 100,
            cancellation,
            drained,
            stopDraining: () => giveUp.abort(),
            ...options,
          }),
          "the end of the program",
        );
      } finally {
        // A test with its own sink does not wait for this reader.
        await soon(drained, "the end of the output");
      }
    },
    printedNumber(at = 0) {
      return Number(stdout.text.match(/\d+/g)![at]);
    },
  };
}

/** Runs a program, and returns its standard output. */
export async function readOutput(
  command: Command,
  options: Partial<SpawnOptions> = {},
): Promise<string> {
  const running = run(command, options);
  await running.supervise();
  return running.stdout.text;
}

async function read(
  stream: ByteStream,
  log: ByteLog,
  giveUp: AbortSignal,
): Promise<void> {
  const reader = stream.getReader();
  giveUp.addEventListener("abort", () => void reader.cancel());
  while (true) {
    const { value, done } = await reader.read();
    if (done) return;
    log.add(value);
  }
}
