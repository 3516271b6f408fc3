import { makeSecrets } from "./log_file.ts";
import type { Contest } from "./measure.ts";
import {
  bareLoop,
  imageRunner,
  pinned,
  pipedInto,
  runnerlib,
  timeOf,
} from "./programs.ts";

/**
 * Speed at which the runner passes on a log, with and without secrets.
 *
 * The runner takes the place of the second `cat` of the baseline. In both cases
 * the log goes through two pipes, or through one if the output is discarded.
 *
 * @param directory Directory to work in.
 * @param log Name of the log in it.
 * @returns The contest.
 */
export async function logs(
  directory: string,
  log: string,
): Promise<Contest> {
  const inImage = await imageRunner(directory);
  const copy = ["sh", "-c", `cat ${log} | cat`];
  const reader = "cat >/dev/null";
  const programs = {
    "cat | cat": pipedInto(reader, copy),
    "run cat": pipedInto(reader, runnerlib(`cat ${log}`)),
    "run cat, in the image": pipedInto(reader, inImage(`cat ${log}`)),
    "bare loop": pipedInto(reader, bareLoop("cat", log)),
    "100 secrets": pipedInto(reader, masking(100, log)),
    "1000 secrets": pipedInto(reader, masking(1000, log)),
    "cat | cat >/dev/null": copy,
    "run cat >/dev/null": runnerlib(`cat ${log}`),
  };
  return {
    title: "Pass-through",
    unit: "ms",
    entrants: Object.entries(programs).map(([name, argv]) => ({
      name,
      measure: () => timeOf(pinned(argv), directory),
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
