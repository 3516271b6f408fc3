import type { Benchmark } from "./measure.ts";
import { denoRun, measuredByProgram, pinToProcessor } from "./programs.ts";

const PROBE = import.meta.resolve("./registration_probe.ts");

/**
 * Slowdown of a flood of output while secrets are registered one by one.
 *
 * @param directory Directory to work in.
 * @param log Name of the log in it.
 * @returns The benchmark.
 */
export function registrations(directory: string, log: string): Benchmark {
  const [floor, subject] = ["flood", "flood, 1000 registrations"];
  const counts = { [floor]: 0, [subject]: 1000 };
  return {
    title: "Registration during a flood",
    unit: "ms",
    variants: Object.entries(counts).map(([name, count]) => ({
      name,
      measure: () =>
        measuredByProgram(
          pinToProcessor(denoRun(PROBE, log, String(count))),
          directory,
        ),
    })),
    comparisons: [{ subject, floor, goal: "G6 flood" }],
  };
}
