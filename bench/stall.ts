import type { Contest } from "./measure.ts";
import { denoRun, mustSucceed, pipedInto, start } from "./programs.ts";

const PROBE = import.meta.resolve("./stall_probe.ts");

/**
 * For how long timers and signals have to wait at worst while a log passes.
 *
 * @param directory Directory to work in.
 * @param log Name of the log in it.
 * @returns The contest.
 */
export function stall(directory: string, log: string): Contest {
  const readers = {
    "eager reader": "cat >/dev/null",
    "reader that sleeps": "{ sleep 0.5; cat >/dev/null; }",
  };
  return {
    title: "Longest stall of the event loop",
    unit: "ms",
    entrants: Object.entries(readers).map(([name, reader]) => ({
      name,
      measure: () => stallOf(reader, log, directory),
    })),
    comparisons: Object.keys(readers)
      .map((subject) => ({ subject, goal: 50 })),
  };
}

async function stallOf(
  reader: string,
  log: string,
  cwd: string,
): Promise<number> {
  const argv = pipedInto(reader, denoRun(PROBE, log));
  const child = start(argv, { cwd, readStderr: true });
  const [said, status] = await Promise.all([
    new Response(child.stderr).text(),
    child.status,
  ]);
  mustSucceed(argv, status);
  return Number(said);
}
