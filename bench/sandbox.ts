import type { Contest } from "./measure.ts";
import { isThere, runnerlibJob, timeOf } from "./programs.ts";

/** How many steps are run, one after the other. */
const STEP_COUNT = 20;

/** The programs that a sandbox cannot do without, and nothing that restricts. */
const BARE = [
  ...["/usr/bin/unshare", "--pid", "--fork", "--kill-child", "--mount-proc"],
  ...["/usr/bin/perl", "-e"],
  `if (fork) { wait; syscall 231, 0 } exec "/bin/sh", "-c", "true"`,
];

/**
 * What the sandbox of an untrusted step costs. The floor starts the same
 * programs without any rule: namespaces, Perl, which applies the rules, and its
 * first process in them.
 *
 * @param directory Directory to work in.
 * @returns The contest; its numbers are the time of one step.
 */
export async function sandbox(directory: string): Promise<Contest> {
  for (const untrusted of [false, true]) {
    const steps = Array.from({ length: STEP_COUNT }, (_, index) => ({
      name: `s${index}`,
      run: "true",
      ...untrusted ? { untrusted } : {},
    }));
    const file = `${directory}/${untrusted ? "sandboxed" : "trusted"}.json`;
    await Deno.writeTextFile(file, JSON.stringify({ steps }));
  }
  const time = async (argv: readonly string[]) =>
    await timeOf(argv, directory) / STEP_COUNT;
  const loop = (argv: readonly string[]) =>
    time([
      ...["sh", "-c", `for i in $(seq ${STEP_COUNT}); do "$@"; done`, "sh"],
      ...argv,
    ]);
  const job = (file: string) => time(runnerlibJob(file, "--concurrency", "1"));
  const shell = ["/bin/sh", "-c", "true"];
  const canIsolate = isThere(BARE[0], ...BARE.slice(1));
  const added = "added by the sandbox";
  const floor = "added by its programs";
  return {
    title: "Sandbox of a step (time of one step)",
    unit: "ms",
    entrants: [
      { name: "step", measure: () => job("trusted.json") },
      { name: "sandboxed step", measure: () => job("sandboxed.json") },
      {
        name: added,
        measure: async () =>
          await job("sandboxed.json") - await job("trusted.json"),
      },
      ...canIsolate
        ? [{
          name: floor,
          measure: async () => await loop(BARE) - await loop(shell),
        }]
        : [],
    ],
    comparisons: [
      { subject: added, goal: "G3d" },
      ...canIsolate ? [{ subject: added, floor }] : [],
      { subject: "sandboxed step", floor: "step" },
    ],
  };
}
