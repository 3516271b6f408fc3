import type {
  CommandOutputs,
  Step,
  StepCommand,
  StepFunction,
  StepOptions,
} from "./step.ts";

/**
 * What others see of a step: its value, or a list of values when the step
 * runs once for each item or combination.
 */
export type OutputOf<Value, Options> = Options extends
  { forEach: readonly string[] } | { matrix: object } ? readonly Value[]
  : Value;

/**
 * What a step sees of those it depends on; nothing for sure, when it may run
 * although they failed.
 */
export type NeededOutputs<Outputs, Needs extends keyof Outputs, Options> =
  Options extends
    { condition: "any_failed" | "always" | ((...args: never[]) => boolean) }
    ? Readonly<Partial<Pick<Outputs, Needs>>>
    : Readonly<Pick<Outputs, Needs>>;

/**
 * A job made of steps.
 *
 * Steps without dependencies on each other run at the same time. Names of
 * steps are part of the type: `dependsOn` takes those that were added before,
 * and a step that is a function knows the outputs of those it depends on.
 *
 * @example Tests and lint side by side, then a build
 * ```ts
 * import { createRunner, Job } from "@reactorcide/runnerlib";
 * import { assertEquals } from "@std/assert";
 *
 * const job = new Job("test-and-build")
 *   .addStep("version", () => "1.2.3")
 *   .addStep("lint", "true")
 *   .addStep("test", "true", { retry: { attempts: 3 }, timeoutMs: 60_000 })
 *   .addStep("build", ({ outputs }) => `app-${outputs.version}.tar`, {
 *     dependsOn: ["version", "lint", "test"],
 *   });
 *
 * const result = await createRunner().runJob(job);
 * assertEquals(result.steps.map(({ conclusion }) => conclusion), [
 *   "success",
 *   "success",
 *   "success",
 *   "success",
 * ]);
 * ```
 *
 * @typeParam Outputs What the steps give, by their names.
 */
export class Job<Outputs extends object = Record<never, never>> {
  /** Name of the job, for messages. */
  readonly name: string;
  readonly #steps: Step[] = [];

  /**
   * Creates a job without steps.
   *
   * @param name Name of the job.
   */
  constructor(name: string) {
    this.name = name;
  }

  /** The steps, in the order in which they were added. */
  get steps(): readonly Step[] {
    return this.#steps;
  }

  /**
   * Adds a step that is a command.
   *
   * @param name Name of the step, unique in the job.
   * @param run Text for the shell, or a program and its arguments.
   * @param options When and how the step runs.
   * @returns The job, which now knows the step.
   */
  addStep<
    const Name extends string,
    Needs extends keyof Outputs & string = never,
    const Options extends StepOptions<Needs> = StepOptions<Needs>,
  >(
    name: Name,
    run: StepCommand,
    options?: Options & { readonly dependsOn?: readonly Needs[] },
  ): Job<Outputs & Record<Name, OutputOf<CommandOutputs, Options>>>;
  /**
   * Adds a step that is a function.
   *
   * @param name Name of the step, unique in the job.
   * @param run The function; what it returns is what other steps see.
   * @param options When and how the step runs.
   * @returns The job, which now knows the step.
   */
  addStep<
    const Name extends string,
    Value,
    Needs extends keyof Outputs & string = never,
    const Options extends StepOptions<Needs> = StepOptions<Needs>,
  >(
    name: Name,
    run: StepFunction<Value, NeededOutputs<Outputs, Needs, Options>>,
    options?: Options & { readonly dependsOn?: readonly Needs[] },
  ): Job<Outputs & Record<Name, OutputOf<Awaited<Value>, Options>>>;
  addStep(
    name: string,
    run: Step["run"],
    options: StepOptions = {},
  ): unknown {
    this.#steps.push({ ...options, name, run });
    return this;
  }
}
