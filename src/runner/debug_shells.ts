import { shellWord } from "../command_text.ts";
import type { JobConfig } from "../config/job_config.ts";
import { Variable } from "../environment/variables.ts";
import { RunnerError } from "../errors.ts";
import { isInTerminal } from "../host.ts";
import { showTerminal } from "../output/show_terminal.ts";
import { streamSink } from "../output/sink.ts";
import type { Cancellation } from "../process/cancellation.ts";
import { runOnTerminal } from "../process/terminal_shell.ts";
import { tagProcessTree } from "../process/process_tree.ts";
import { outcomeText } from "../report/step_outcome.ts";
import type { PlannedStep } from "../steps/expand_matrix.ts";
import type { JobPlan } from "../steps/job_plan.ts";
import { findLauncher } from "../steps/run_command.ts";
import { CANCELLED_END, type StepEnd } from "../steps/attempt.ts";
import { interactiveCommand } from "../steps/shell.ts";
import { didYouMean, suggest } from "../suggest.ts";
import type { RunState } from "./run_state.ts";
import type { OpenedStep } from "./step_setting.ts";

/** A step around which shells may open. */
export interface ShellStep {
  readonly step: PlannedStep;
  readonly opened: OpenedStep;
  readonly cancellation: Cancellation;
}

/** When a shell opens. */
type ShellPoint = "before" | "after" | "failure";

/** Opens interactive shells before and after steps of a job. */
export class DebugShells {
  readonly #run: RunState;
  readonly #config: JobConfig;
  /** Resolves when the last shell has ended; only one can use the terminal. */
  #last: Promise<unknown> = Promise.resolve();
  #closedMs = 0;
  #openedAtMs: number | undefined;

  /** @param run Run whose host is a terminal. */
  constructor(run: RunState, config: JobConfig) {
    this.#run = run;
    this.#config = config;
  }

  /** Time for which shells have been open, in milliseconds. */
  get openMs(): number {
    return this.#closedMs +
      (this.#openedAtMs === undefined
        ? 0
        : performance.now() - this.#openedAtMs);
  }

  /**
   * Runs a step, and opens the shells that are requested for it.
   *
   * @param target The step.
   * @param runStep Runs all attempts at the step.
   * @returns How the step ended. A shell that ends with an exit code other than
   * 0 fails a step that did not run, or that succeeded.
   */
  async around(
    target: ShellStep,
    runStep: () => Promise<StepEnd>,
  ): Promise<StepEnd> {
    if (this.#breaksAt("before", target.step)) {
      const code = await this.#open("before", target, "has not started");
      if (target.cancellation.signal !== null) return CANCELLED_END;
      if (code !== 0) return createShellFailure(target.step, code);
    }
    const end = await runStep();
    const hasFailed = end.outcome === "failed" || end.outcome === "timeout";
    const point = this.#breaksAt("after", target.step)
      ? "after"
      : hasFailed && this.#config.debug.shellOnFailure
      ? "failure"
      : undefined;
    if (point === undefined || target.cancellation.signal !== null) return end;
    const code = await this.#open(
      point,
      target,
      `ended: ${outcomeText({ ...end, conclusion: end.outcome })}`,
    );
    return hasFailed || code === 0 ? end : {
      ...createShellFailure(target.step, code),
      attemptResults: end.attemptResults,
    };
  }

  #breaksAt(point: ShellPoint, { name, group }: PlannedStep): boolean {
    const { breakpoints = [] } = this.#config.debug;
    return breakpoints.some((breakpoint) =>
      breakpoint === `${point}:${name}` || breakpoint === `${point}:${group}`
    );
  }

  /** Opens a shell when all others have ended, and waits until it ends. */
  async #open(
    point: ShellPoint,
    target: ShellStep,
    state: string,
  ): Promise<number> {
    const opened = this.#last.then(() => this.#show(point, target, state));
    this.#last = opened.catch(() => {});
    return await opened;
  }

  async #show(
    point: ShellPoint,
    { step, opened, cancellation }: ShellStep,
    state: string,
  ): Promise<number> {
    if (cancellation.graceful.aborted) return 0;
    const { runner } = this.#run;
    const { context } = opened;
    const effect = point === "failure"
      ? "the job continues when you leave it"
      : "exit 0 continues, any other exit code fails the step";
    runner.logger.info(
      "shell",
      `Step "${step.name}" ${state}. A shell opens in ${
        shellWord(context.cwd)
      }; ${effect}`,
    );
    // Other output is held back: the terminal is in another mode until the
    // shell ends.
    using _stdout = await runner.stdout.hold();
    using _stderr = await runner.stderr.hold();
    using files = opened.openAttempt();
    const { untrusted: isUntrusted = false, shell } = context.definition;
    const launcher = await findLauncher({
      ...context,
      ...files,
      isUntrusted,
      areLimitsRequired: context.definition.permissions !== undefined,
    });
    const terminal = streamSink(runner.host.stdout);
    this.#openedAtMs = performance.now();
    try {
      return await runOnTerminal(interactiveCommand(shell), {
        cwd: context.cwd,
        // A history file would keep everything typed, including secrets.
        env: {
          ...context.env,
          [Variable.output]: files.outputPath,
          HISTFILE: "/dev/null",
          TERM: context.env.TERM ?? runner.host.env.TERM ?? "dumb",
        },
        tree: tagProcessTree({
          isUntrusted,
          isInContainer: context.isInContainer,
          hasNamespace: launcher?.isolation?.hasNamespace,
        }),
        launcher,
        cancellation,
        graceMs: context.graceMs,
        show: (output, stop) =>
          showTerminal(output, terminal, { masker: runner.masker, stop }),
      });
    } finally {
      this.#closedMs += performance.now() - this.#openedAtMs;
      this.#openedAtMs = undefined;
    }
  }
}

/**
 * Checks that the requested shells can be opened.
 *
 * @param plan Steps of the job; `undefined` if it has only a command.
 * @throws {RunnerError} `usage` if there is no terminal; `invalid-config` if a
 * step does not exist.
 */
export function checkDebugShells(
  { runner: { host } }: RunState,
  { debug: { breakpoints = [] } }: JobConfig,
  plan: JobPlan | undefined,
): void {
  if (!isInTerminal(host)) {
    throw new RunnerError(
      "Cannot open a shell: standard input and output must be a terminal",
      { code: "usage", exitCode: 2 },
    );
  }
  if (plan === undefined) {
    throw new RunnerError("Cannot open a shell: the job has no steps", {
      code: "invalid-config",
    });
  }
  const names = plan.steps.flatMap(({ name, group }) => [name, group]);
  for (const breakpoint of breakpoints) {
    const name = breakpoint.slice(breakpoint.indexOf(":") + 1);
    if (names.includes(name)) continue;
    const meant = suggest(name, names);
    throw new RunnerError(
      `Cannot use "break": the job has no step "${name}"${didYouMean(meant)}`,
      { code: "invalid-config" },
    );
  }
}

function createShellFailure({ name }: PlannedStep, exitCode: number): StepEnd {
  const error = new RunnerError(
    `The shell of step "${name}" ended with exit code ${exitCode}`,
    { code: "step-failed", exitCode },
  );
  const outcome = "failed";
  return { outcome, exitCode, signal: null, error, attemptResults: [] };
}
