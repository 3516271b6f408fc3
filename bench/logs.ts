import { makeSecrets } from "./log_file.ts";
import type { Benchmark } from "./measure.ts";
import {
  bareLoop,
  imageRunner,
  measureTime,
  pinToProcessor,
  pipeInto,
  runnerlib,
} from "./programs.ts";

/**
 * Speed at which the runner passes on a log, with and without secrets.
 *
 * The runner takes the place of the second `cat` of the baseline. In both cases
 * the log goes through two pipes, or through one if the output is discarded.
 *
 * @param directory Directory to work in.
 * @param log Name of the log in it.
 * @returns The benchmark.
 */
export async function logs(
  directory: string,
  log: string,
): Promise<Benchmark> {
  const inImage = await imageRunner(directory);
  const copy = ["sh", "-c", `cat ${log} | cat`];
  const reader = "cat >/dev/null";
  const programs = {
    "cat | cat": pipeInto(reader, copy),
    "run cat": pipeInto(reader, runnerlib(`cat ${log}`)),
    "run cat, in the image": pipeInto(reader, inImage(`cat ${log}`)),
    "bare loop": pipeInto(reader, bareLoop("cat", log)),
    "100 secrets": pipeInto(reader, masking(100, log)),
    "1000 secrets": pipeInto(reader, masking(1000, log)),
    "cat | cat >/dev/null": copy,
    "run cat >/dev/null": runnerlib(`cat ${log}`),
  };
  return {
    title: "Pass-through",
    unit: "ms",
    variants: Object.entries(programs).map(([name, argv]) => ({
      name,
      measure: () => measureTime(pinToProcessor(argv), directory),
    })),
    comparisons: [
      { subject: "run cat", floor: "bare loop", goal: "G4" },
      { subject: "run cat, in the image", floor: "bare loop", goal: "G4" },
      { subject: "run cat", floor: "cat | cat", goal: "G4 cat" },
      { subject: "run cat, in the image", floor: "cat | cat", goal: "G4 cat" },
      { subject: "bare loop", floor: "cat | cat" },
      { subject: "100 secrets", floor: "run cat", goal: "G5" },
      { subject: "1000 secrets", floor: "run cat", goal: "G6" },
      { subject: "run cat >/dev/null", floor: "cat | cat >/dev/null" },
    ],
  };
}

function masking(secretCount: number, log: string): string[] {
  const secrets = makeSecrets(secretCount).join(",");
  return runnerlib(`cat ${log}`, "--secret-values-list", secrets);
}
