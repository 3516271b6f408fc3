import { sha256Hex } from "../../fs/files.ts";
import { SYSTEM_PREFIX } from "../../environment/variables.ts";
import { bareLog } from "../../output/job_log.ts";
import type { Sink } from "../../output/sink.ts";
import { runStepCommand } from "../attempt.ts";
import { OutputCollector } from "../running_command.ts";
import type { CachedStep, StepActivity } from "./cached_step.ts";

/** Time limit of a command, in milliseconds. */
const TIMEOUT_MS = 60_000;

const DISCARD: Sink = { write: () => Promise.resolve() };

/**
 * Runs the commands on whose output steps depend, in the same way as the steps.
 * Equal commands run only once, as long as no step runs in between.
 */
export class ToolHashes {
  readonly #activity: StepActivity;
  readonly #hashes = new Map<string, Promise<string>>();
  #pauseNumber: number | undefined;

  constructor(activity: StepActivity) {
    this.#activity = activity;
  }

  /**
   * Returns hashes of the output and the exit codes of the commands of a step.
   *
   * @throws {RunnerError} If one cannot be started.
   */
  async of(step: CachedStep): Promise<ReadonlyMap<string, string>> {
    const hashes = new Map<string, string>();
    for (const command of step.context.definition.cache?.commands ?? []) {
      hashes.set(command, await this.#hashOutput(command, step));
    }
    return hashes;
  }

  async #hashOutput(command: string, step: CachedStep): Promise<string> {
    const { pauseNumber } = this.#activity;
    if (pauseNumber === undefined) {
      return await hashCommandOutput(command, step);
    }
    if (pauseNumber !== this.#pauseNumber) this.#hashes.clear();
    this.#pauseNumber = pauseNumber;
    const { definition, cwd, env } = step.context;
    const { shell, untrusted, permissions } = definition;
    const variables = Object.entries(env)
      .filter(([name]) => !name.startsWith(SYSTEM_PREFIX)).sort();
    const id = JSON.stringify(
      [command, shell, cwd, untrusted, permissions, variables],
    );
    const hash = this.#hashes.get(id) ?? hashCommandOutput(command, step);
    this.#hashes.set(id, hash);
    return await hash;
  }
}

async function hashCommandOutput(
  command: string,
  { context, openAttempt }: CachedStep,
): Promise<string> {
  using files = openAttempt();
  const stdout = new OutputCollector();
  const stderr = new OutputCollector();
  const { exitCode } = await runStepCommand(command, {
    ...context,
    ...files,
    env: { ...context.env, ...files.directories },
    definition: { ...context.definition, timeoutMs: TIMEOUT_MS },
    attempt: 1,
    log: bareLog(DISCARD, DISCARD),
  }, { onOutput: { stdout: stdout.add, stderr: stderr.add } });
  context.cancellation.graceful.throwIfAborted();
  return await sha256Hex(
    JSON.stringify([stdout.end(), stderr.end(), exitCode]),
  );
}
