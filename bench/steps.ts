import type { Benchmark } from "./measure.ts";
import { denoRun, isAvailable, measureTime, runnerlibJob } from "./programs.ts";

/** Number of steps. */
const STEP_COUNT = 1_000;

/** Starts the same commands two at a time, in a plain loop. */
const BARE_LOOP = `
let left = ${STEP_COUNT};
async function run() {
  while (left-- > 0) {
    const child = new Deno.Command("/bin/sh", {
      args: ["-c", "true"],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      detached: true,
    });
    await child.output();
  }
}
await Promise.all([run(), run()]);
`;

/**
 * The same loop, but each command also gets a session, created by `setsid` as in
 * the runner, and an output file.
 */
const FULLER_LOOP = `
await Deno.mkdir("files", { recursive: true });
let left = ${STEP_COUNT};
async function run() {
  while (left-- > 0) {
    const path = "files/s" + left;
    using file = Deno.openSync(path + ".partial", { write: true, create: true });
    const child = new Deno.Command("/usr/bin/setsid", {
      args: ["/bin/sh", "-c", "true"],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    });
    file.writeSync((await child.output()).stdout);
    Deno.renameSync(path + ".partial", path);
  }
}
await Promise.all([run(), run()]);
`;

/**
 * Overhead of a step, with steps that do nothing. Two run at a time. Each gets its
 * own process group, and its output is captured, masked and stored.
 *
 * @param directory Directory to work in.
 * @returns The benchmark.
 */
export async function steps(directory: string): Promise<Benchmark> {
  const names = Array.from({ length: STEP_COUNT }, (_, index) => `s${index}`);
  await Deno.writeTextFile(
    `${directory}/steps.json`,
    JSON.stringify({ steps: names.map((name) => ({ name, run: "true" })) }),
  );
  await Deno.writeTextFile(
    `${directory}/build.ninja`,
    `rule run\n  command = sh -c true\n${
      names.map((name) => `build ${name}: run\n`).join("")
    }`,
  );
  await Deno.writeTextFile(
    `${directory}/Makefile`,
    `.PHONY: all ${names.join(" ")}\nall: ${names.join(" ")}\n${
      names.join(" ")
    }:\n\t@sh -c true\n`,
  );
  await Deno.writeTextFile(`${directory}/loop.ts`, BARE_LOOP);
  await Deno.writeTextFile(`${directory}/fuller_loop.ts`, FULLER_LOOP);
  const xargs = `seq ${STEP_COUNT} | xargs -P2 -n1 sh -c true`;
  const programs = {
    "1,000 steps": runnerlibJob("steps.json", "--concurrency", "2"),
    ...isAvailable("ninja", "--version")
      ? { "ninja -j2": ["ninja", "-j2"] }
      : {},
    ...isAvailable("make", "-v") ? { "make -j2": ["make", "-j2"] } : {},
    "xargs -P2": ["sh", "-c", xargs],
    "bare loop": denoRun("loop.ts"),
    "with sessions, files": denoRun("fuller_loop.ts"),
  };
  const [subject, ...floors] = Object.keys(programs);
  return {
    title: "Steps",
    unit: "ms",
    variants: Object.entries(programs).map(([name, argv]) => ({
      name,
      measure: () => measureTime(argv, directory),
    })),
    comparisons: [
      ...floors.map((floor) => ({
        subject,
        floor,
        ...floor === "ninja -j2" ? { goal: "G3" as const } : {},
      })),
      ...floors.includes("ninja -j2")
        ? [{ subject: "with sessions, files", floor: "ninja -j2" }]
        : [],
    ],
  };
}
