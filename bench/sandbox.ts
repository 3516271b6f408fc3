import floorCode from "./sandbox_floor.pl" with { type: "text" };
import { seccompFilter } from "../src/process/sandbox/seccomp_filter.ts";
import { sandboxLimits } from "../src/steps/step_sandbox.ts";
import type { Workspace } from "../src/workspace/layout.ts";
import type { Benchmark } from "./measure.ts";
import { isAvailable, measureTime, runnerlibJob } from "./programs.ts";

/** Number of steps, which run one after the other. */
const STEP_COUNT = 20;

/**
 * Overhead of the sandbox of an untrusted step. The baseline makes the same
 * system calls, hard-coded for this case.
 *
 * @param directory Directory to work in.
 * @returns The benchmark; its results are the time of one step.
 */
export async function sandbox(directory: string): Promise<Benchmark> {
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
    await measureTime(argv, directory) / STEP_COUNT;
  const loop = (argv: readonly string[]) =>
    time([
      ...["sh", "-c", `for i in $(seq ${STEP_COUNT}); do "$@"; done`, "sh"],
      ...argv,
    ]);
  const job = (file: string) => time(runnerlibJob(file, "--concurrency", "1"));
  const shell = ["/usr/bin/setsid", "/bin/sh", "-c", "true"];
  const bare = [
    "/usr/bin/perl",
    "-e",
    floorCode,
    ...await floorWords(directory),
  ];
  const canIsolate = Deno.build.arch === "x86_64" &&
    isAvailable(bare[0], ...bare.slice(1));
  const added = "added by the sandbox";
  const floor = "added by its system calls";
  return {
    title: "Sandbox of a step (time of one step)",
    unit: "ms",
    variants: [
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
          measure: async () => await loop(bare) - await loop(shell),
        }]
        : [],
    ],
    comparisons: [
      { subject: added, goal: "G3d" },
      ...canIsolate ? [{ subject: added, floor, goal: "G3e" as const }] : [],
      { subject: "sandboxed step", floor: "step" },
    ],
  };
}

/** Paths that the baseline mounts or creates in another way. */
const OWN_PATHS = /^\/(?:proc|dev\/ptmx|dev\/pts\/.*)$/;

/** Links that every sandbox has. */
const OWN_LINKS = [
  ...["/dev/fd", "/proc/self/fd", "/dev/stdin", "/proc/self/fd/0"],
  ...["/dev/stdout", "/proc/self/fd/1", "/dev/stderr", "/proc/self/fd/2"],
  ...["/dev/ptmx", "pts/ptmx"],
];

/** Arguments of the baseline: the filter, links and paths of an untrusted step. */
async function floorWords(directory: string): Promise<string[]> {
  const { read, write, links } = await sandboxLimits({
    name: "floor",
    permissions: {},
    isUntrusted: true,
    env: Deno.env.toObject(),
    cwd: directory,
    jobPath: directory,
    artifactsPath: directory,
    workspace: { base: directory } as Workspace,
    needed: [],
  });
  const filter = seccompFilter({
    architecture: "x86_64",
    refusesSockets: false,
    refusesMemory: true,
  });
  const onlyRead = read.filter((path) => !write.includes(path));
  const paths = [
    ...onlyRead.map((path) => `r${path}`),
    ...write.map((path) => `w${path}`),
  ];
  return [
    filter.toHex(),
    ...links.flatMap(({ path, target }) => [path, target]),
    ...OWN_LINKS,
    "--",
    ...paths.filter((word) => !OWN_PATHS.test(word.slice(1))),
  ];
}
