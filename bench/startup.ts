import type { Contest } from "./measure.ts";
import { denoRun, isThere, runnerlib, timeOf } from "./programs.ts";

/**
 * What it costs to run a command that does nothing, in a warm process cache.
 *
 * @param directory Directory to work in.
 * @returns The contest.
 */
export async function startup(directory: string): Promise<Contest> {
  await Deno.writeTextFile(`${directory}/empty.ts`, "");
  const programs = {
    "run true": runnerlib("true"),
    "empty script": denoRun("empty.ts"),
    "sh -c true": ["sh", "-c", "true"],
    ...isThere("node", "-v") ? { "node -e 0": ["node", "-e", "0"] } : {},
  };
  const [subject, floor, ...others] = Object.keys(programs);
  return {
    title: "Start-up",
    unit: "ms",
    entrants: Object.entries(programs).map(([name, argv]) => ({
      name,
      measure: () => timeOf(argv, directory),
    })),
    comparisons: [
      { subject, floor, goal: 1.5 },
      ...others.map((other) => ({ subject: other, floor })),
    ],
  };
}
