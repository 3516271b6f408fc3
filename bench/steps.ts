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
 * The loop with sessions and files, and everything else that the runner promises
 * for each step of a job:
 *
 * - an environment of its own, with the variables of the job;
 * - both streams in one, in their order, which only a shell can do, and the limit
 *   that tags its processes;
 * - a line in the log and one in the record when it starts, before its output, and
 *   when it ends, so that they are there even if the runner is killed;
 * - a look at the last process ID, which shows whether it left a process, and one
 *   at its outputs;
 * - a log that is still the file of the runner when it is renamed.
 *
 * There is no graph, no masking, no cancellation, no time limit, no result and no
 * check of anything that could go wrong.
 */
const PROMISED_LOOP = `
await Deno.mkdir("promised", { recursive: true });
await Deno.mkdir("outputs", { recursive: true });
const encoder = new TextEncoder();
const variables = { ...Deno.env.toObject(), CI: "true" };
const cwd = Deno.cwd();
const TAG = "ulimit -w 4611686018427387903 2>/dev/null||" +
  "ulimit -x 4611686018427387903 2>/dev/null;";
using record = Deno.openSync("record.jsonl", { write: true, create: true });
async function report(event, step) {
  const line = JSON.stringify({ event, time: new Date().toISOString(), step });
  record.writeSync(encoder.encode(line + "\\n"));
  await Deno.stderr.write(encoder.encode(step + ": " + event + "\\n"));
}
async function read(stream, parts) {
  const reader = stream.getReader({ mode: "byob" });
  while (true) {
    const { value, done } = await reader.read(new Uint8Array(8192));
    if (done) return;
    parts.push(value);
  }
}
let left = ${STEP_COUNT};
async function run() {
  while (left-- > 0) {
    const name = "s" + left;
    const [path, output] = ["promised/" + name, "output-" + name];
    const partial = path + ".partial";
    using file = Deno.openSync(partial, { write: true, create: true });
    await report("started", name);
    const child = new Deno.Command("/usr/bin/setsid", {
      args: ["/bin/sh", "-c", TAG + "exec 2>&1; set -e; true"],
      cwd,
      env: { ...variables, STEP: name, OUTPUT: output },
      clearEnv: true,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const parts = [];
    await Promise.all([
      read(child.stdout, parts),
      read(child.stderr, parts),
      child.status,
    ]);
    Deno.readTextFileSync("/proc/loadavg");
    [...Deno.readDirSync("outputs")].some(({ name }) => name === output);
    for (const part of parts) file.writeSync(part);
    const [there, ours] = [Deno.lstatSync(partial), file.statSync()];
    if (there.ino !== ours.ino) throw new Error("it was replaced");
    Deno.renameSync(partial, path);
    await report("ended", name);
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
  await Deno.writeTextFile(`${directory}/promised_loop.ts`, PROMISED_LOOP);
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
    "with all that a step needs": denoRun("promised_loop.ts"),
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
        ? ["with sessions, files", "with all that a step needs"]
          .map((subject) => ({ subject, floor: "ninja -j2" }))
        : [],
    ],
  };
}
