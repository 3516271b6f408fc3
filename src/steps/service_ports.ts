import { PORT_PREFIX } from "../environment/variables.ts";
import type { JobPlan } from "./job_plan.ts";
import { needsOf } from "./step_graph.ts";

/** Ports that were chosen for the services of a job. */
export class ServicePorts {
  readonly #plan: JobPlan;
  readonly #ports = new Map<number, Readonly<Record<string, number>>>();

  /**
   * @param plan The steps.
   */
  constructor(plan: JobPlan) {
    this.#plan = plan;
  }

  /**
   * Chooses free ports for a service that is about to start.
   *
   * @param step Index of the service.
   * @throws If Deno does not permit it to listen.
   */
  choose(step: number): void {
    const { ports = [] } = this.#plan.steps[step].definition;
    using stack = new DisposableStack();
    // All are open at once, so that they differ.
    const entries = ports.map((name) => {
      const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      stack.defer(() => listener.close());
      return [name, listener.addr.port] as const;
    });
    this.#ports.set(step, Object.fromEntries(entries));
  }

  /** Returns the ports of a service by name. */
  of(step: number): Readonly<Record<string, number>> {
    return this.#ports.get(step) ?? {};
  }

  /**
   * Returns the variables with the ports of a service, and of the services that
   * a step needs.
   *
   * @param step Index of the step.
   */
  variablesFor(step: number): Readonly<Record<string, string>> {
    const variables: Record<string, string> = {};
    for (const one of [step, ...needsOf(this.#plan, step)]) {
      for (const [name, port] of Object.entries(this.of(one))) {
        variables[`${PORT_PREFIX}${name.toUpperCase()}`] = String(port);
      }
    }
    return variables;
  }
}
