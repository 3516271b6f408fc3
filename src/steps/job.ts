import type {
  CommandOutputs,
  ServiceOptions,
  Step,
  StepCommand,
  StepFunction,
  StepOptions,
} from "./step.ts";

/**
 * Output of a step as dependent steps see it: a value, or a list of values if
 * the step runs once per item or combination.
 */
export type OutputOf<Value, Options> = Options extends
  { forEach: readonly string[] } | { matrix: object } ? readonly Value[]
  : Value;

/**
 * Outputs of the dependencies of a step. All are optional if the step can run
 * after its dependencies failed.
 */
export type NeededOutputs<Outputs, Needs extends keyof Outputs, Options> =
  Options extends
    { condition: "any_failed" | "always" | ((...args: never[]) => boolean) }
    ? Readonly<Partial<Pick<Outputs, Needs>>>
    : Readonly<Pick<Outputs, Needs>>;

/**
 * A job that consists of steps.
 *
 * Steps that do not depend on each other run in parallel. Names of steps are
 * part of the type: `dependsOn` accepts the names of steps added before, and
 * the outputs that a function step receives are typed.
 *
 * @example Run tests and lint in parallel, then build
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
 * @typeParam Outputs Outputs of the steps by name.
 */
export class Job<Outputs extends object = Record<never, never>> {
  /** Name of the job, used in messages. */
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

  /** Steps in the order in which they were added. */
  get steps(): readonly Step[] {
    return this.#steps;
  }

  /**
   * Adds a step that runs a command.
   *
   * @param name Name of the step, unique in the job.
   * @param run Shell command, or a program and its arguments.
   * @param options When and how the step runs.
   * @returns The same job, whose type includes the new step.
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
   * Adds a step that calls a function.
   *
   * @param name Name of the step, unique in the job.
   * @param run The function; its return value is the output of the step.
   * @param options When and how the step runs.
   * @returns The same job, whose type includes the new step.
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

  /**
   * Adds a service, such as a database. Steps that depend on it start when it
   * is ready, and it is ended after the last of them.
   *
   * @example Test with a server on a free port
   * ```ts
   * import { createRunner, Job } from "@reactorcide/runnerlib";
   * import { assertEquals } from "@std/assert";
   *
   * const job = new Job("test-with-server")
   *   .addService("server", [
   *     "sh",
   *     "-c",
   *     "echo listening on $REACTORCIDE_PORT_WEB; exec sleep 60",
   *   ], { ports: ["web"], ready: { log: ["listening on *"] } })
   *   .addStep("test", 'test -n "$REACTORCIDE_PORT_WEB"', {
   *     dependsOn: ["server"],
   *   });
   *
   * const { status } = await createRunner().runJob(job);
   * assertEquals(status, "success");
   * ```
   *
   * @param name Name of the service, unique in the job.
   * @param run Shell command, or a program and its arguments.
   * @param options When the service is ready, and how it runs.
   * @returns The same job, whose type includes the service.
   */
  addService<
    const Name extends string,
    Needs extends keyof Outputs & string = never,
  >(
    name: Name,
    run: StepCommand,
    options: ServiceOptions<Needs>,
  ): Job<Outputs & Record<Name, CommandOutputs>>;
  addService(
    name: string,
    run: StepCommand,
    options: ServiceOptions,
  ): unknown {
    this.#steps.push({ ...options, name, run, service: true });
    return this;
  }
}
