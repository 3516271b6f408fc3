import type { Benchmark } from "./measure.ts";
import { denoRun, measuredByProgram, pipeInto } from "./programs.ts";

const PROBE = import.meta.resolve("./stall_probe.ts");

/**
 * Maximum delay of timers and signals while a log passes through the runner.
 *
 * @param directory Directory to work in.
 * @param log Name of the log in it.
 * @returns The benchmark.
 */
export function stall(directory: string, log: string): Benchmark {
  const readers = {
    "eager reader": "cat >/dev/null",
    "reader that sleeps": "{ sleep 0.5; cat >/dev/null; }",
  };
  return {
    title: "Longest stall of the event loop",
    unit: "ms",
    variants: Object.entries(readers).map(([name, reader]) => ({
      name,
      measure: () => measureStall(reader, log, directory),
    })),
    comparisons: Object.keys(readers)
      .map((subject) => ({ subject, goal: "G4 stall" as const })),
  };
}

function measureStall(
  reader: string,
  log: string,
  cwd: string,
): Promise<number> {
  return measuredByProgram(pipeInto(reader, denoRun(PROBE, log)), cwd);
}
