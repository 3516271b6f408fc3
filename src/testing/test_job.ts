import { readJobFile } from "../config/job_file.ts";
import type { JobOptions } from "../config/job_options.ts";
import { optionsLayer } from "../config/options_layer.ts";
import { processHost } from "../host.ts";
import { absolutePath } from "../job_path.ts";
import type { JobResult } from "../runner/job_result.ts";
import { runJob } from "../runner/run_job.ts";
import { createRunnerContext } from "../runner/runner_context.ts";
import { durationText } from "../schema/duration.ts";
import type { Job } from "../steps/job.ts";
import type { Step, StepEvent } from "../steps/step.ts";
import {
  type CommandReply,
  READY_COMMAND,
  RecordedSystem,
  recordingHost,
  type TestedCommand,
} from "./recorded_system.ts";

/** Real time after which a test is aborted, in milliseconds. */
const STUCK_MS = 20_000;

/** Options for {@linkcode testJob}. */
export interface TestJobOptions {
  /**
   * Recorded commands by the name of their step. A name that the steps of a
   * matrix share applies to all of them; the step of a single-command job is
   * named `command`.
   *
   * @default {{}}
   */
  commands?: Readonly<Record<string, CommandReply>>;
  /**
   * Behavior of all other commands.
   *
   * @default {they succeed immediately and print nothing}
   */
  otherwise?: CommandReply;
  /**
   * Complete environment of the runner: variables that the job inherits, and
   * configuration in `REACTORCIDE_*` variables.
   *
   * @default {{}}
   */
  env?: Readonly<Record<string, string>>;
  /** Configuration of the job, such as its time limit. */
  config?: JobOptions;
  /**
   * Directory of the job.
   *
   * @default {a temporary directory, which is empty}
   */
  cwd?: string;
}

/** The start or the end of an attempt at a step. */
export interface StepMoment {
  /** Type of the event. */
  readonly type: "started" | "ended";
  /** Name of the step. */
  readonly step: string;
  /** Number of the attempt, from 1. */
  readonly attempt: number;
  /** Virtual time, in milliseconds since the start of the job. */
  readonly atMs: number;
}

/** Result of a test of a job. */
export interface TestedJob extends JobResult {
  /** Commands in the order of their starts. */
  readonly commands: readonly TestedCommand[];
  /** Starts and ends of attempts at steps, in their order. */
  readonly timeline: readonly StepMoment[];
  /** Standard output of the job, with secrets masked. */
  readonly stdout: string;
  /** Standard error, with the messages of the runner. */
  readonly stderr: string;
}

/**
 * Runs a job with recorded commands instead of programs, in virtual time.
 *
 * Conditions, retries, time limits, outputs, masking and the failure policy
 * work as in a real run. Functions of the pipeline run for real, but the
 * commands that they start do not. Waiting an hour for a retry or a command
 * takes no time.
 *
 * @param job The job, or the path of a job file.
 * @param options Recorded commands, environment and configuration.
 * @returns The result, and what happened.
 * @throws {RunnerError} If the job cannot be run at all.
 * @throws {Error} If a function of the pipeline does not end within 20 seconds
 * of real time.
 *
 * @example A deployment that is retried
 * ```ts
 * import { Job } from "@reactorcide/runnerlib";
 * import { assertRan, testJob } from "@reactorcide/runnerlib/testing";
 * import { assertEquals } from "@std/assert";
 *
 * const job = new Job("release")
 *   .addStep("build", "make")
 *   .addStep("deploy", "make deploy", {
 *     dependsOn: ["build"],
 *     retry: { attempts: 3, delayMs: 60_000 },
 *   });
 *
 * const test = await testJob(job, {
 *   commands: { deploy: [{ exitCode: 1 }, { exitCode: 0 }] },
 * });
 * assertRan(test, ["build", "deploy"]);
 * assertEquals(test.status, "success");
 * assertEquals(test.commands.map(({ startMs }) => startMs), [0, 0, 60_000]);
 * ```
 */
export async function testJob(
  job: Pick<Job, "steps"> | string,
  options: TestJobOptions = {},
): Promise<TestedJob> {
  const { commands = {}, otherwise = {}, env = {}, config = {} } = options;
  await using directory = await openJobDirectory(options.cwd);
  const jobFile = typeof job === "string"
    ? absolutePath(job, processHost().cwd)
    : undefined;
  const steps = jobFile === undefined
    ? (job as Pick<Job, "steps">).steps
    : (await readJobFile(jobFile, String(job))).steps;
  const groups = new Map<string, string>();
  const endless = new Set(
    (steps ?? []).filter(({ service, background }) => service || background)
      .map(({ name }) => name),
  );
  using system = new RecordedSystem({
    replyOf: (step) =>
      commands[step] ?? commands[groups.get(step) ?? step] ?? otherwise,
    isEndless: (step) => endless.has(groups.get(step) ?? step),
  });
  const host = recordingHost({ env, cwd: directory.path });
  const timeline: StepMoment[] = [];
  const runner = createRunnerContext(
    host,
    { system },
  );
  const running = new Set<string>();

  function recordMoment(
    type: StepMoment["type"],
    step: string,
    attempt: number,
  ): void {
    timeline.push({ type, step, attempt, atMs: system.clock.now() });
  }

  function onStepEvent(event: StepEvent): void {
    switch (event.type) {
      case "planned":
        for (const { name, group } of event.steps) groups.set(name, group);
        return;
      case "started":
        running.add(event.step);
        return recordMoment("started", event.step, event.attempt);
      case "retrying":
        return recordMoment("ended", event.step, event.attempt - 1);
      case "ended": {
        const { name, attempts } = event.result;
        if (running.delete(name)) recordMoment("ended", name, attempts);
      }
    }
  }

  const layer = optionsLayer({
    ...config,
    output: { record: "off", ...config.output },
  });
  const result = await failIfStuck(
    runJob(runner, layer, {
      jobFile,
      ...steps === undefined ? {} : { job: { steps: steps.map(makeReady) } },
      handleSignals: false,
      onStepEvent,
    }),
    () => [...running],
  );
  return { ...result, ...host.printed, timeline, commands: system.commands };
}

/** Makes a service ready as soon as it runs: nothing listens on its port. */
function makeReady(step: Step): Step {
  return step.service ? { ...step, ready: { command: READY_COMMAND } } : step;
}

async function openJobDirectory(
  cwd: string | undefined,
): Promise<AsyncDisposable & { readonly path: string }> {
  if (cwd !== undefined) {
    return {
      path: absolutePath(cwd, processHost().cwd),
      async [Symbol.asyncDispose]() {},
    };
  }
  const path = await Deno.realPath(await Deno.makeTempDir());
  return {
    path,
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}

async function failIfStuck<T>(
  run: Promise<T>,
  runningSteps: () => readonly string[],
): Promise<T> {
  const stuck = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    const names = runningSteps().map((name) => `"${name}"`).join(", ");
    stuck.reject(
      new Error(
        `The job did not end within ${
          durationText(STUCK_MS)
        } of real time; running steps: ${names}; virtual time stands still while a function runs`,
      ),
    );
  }, STUCK_MS);
  try {
    return await Promise.race([run, stuck.promise]);
  } finally {
    clearTimeout(timer);
  }
}
