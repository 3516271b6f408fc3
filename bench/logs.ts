import { makeSecrets } from "./log_file.ts";
import type { Contest } from "./measure.ts";
import { pinned, pipedInto, runnerlib, timeOf } from "./programs.ts";

/**
 * How fast a log passes through the runner, with and without secrets.
 *
 * The runner stands where the second `cat` of the floor stands: on both sides
 * the log goes through two pipes, or through one when nobody reads it.
 *
 * @param directory Directory to work in.
 * @param log Name of the log in it.
 * @returns The contest.
 */
export function logs(directory: string, log: string): Contest {
  const copy = ["sh", "-c", `cat ${log} | cat`];
  const reader = "cat >/dev/null";
  const programs = {
    "cat | cat": pipedInto(reader, copy),
    "run cat": pipedInto(reader, runnerlib(`cat ${log}`)),
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
      { subject: "run cat", floor: "cat | cat", goal: 1.75 },
      { subject: "100 secrets", floor: "run cat", goal: 1.75 },
      { subject: "1000 secrets", floor: "run cat", goal: 2 },
      { subject: "run cat >/dev/null", floor: "cat | cat >/dev/null" },
    ],
  };
}

function masking(secretCount: number, log: string): string[] {
  const secrets = makeSecrets(secretCount).join(",");
  return runnerlib(`cat ${log}`, "--secret-values-list", secrets);
}
