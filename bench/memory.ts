import { makeSecrets } from "./log_file.ts";
import type { Benchmark } from "./measure.ts";
import {
  assertSuccess,
  bareLoop,
  denoRun,
  imageRunner,
  maskFloor,
  runnerlib,
  start,
} from "./programs.ts";

/** Polling interval, in milliseconds; an empty script runs for only 16 ms. */
const POLL_MS = 1;

/**
 * Peak memory of the runner while it passes on and masks a log, with short lines
 * and with a single endless line.
 *
 * @param directory Directory to work in.
 * @param lines Name of a log with short lines, in the directory.
 * @param oneLine Name of a log that is a single line, in the directory.
 * @returns The benchmark.
 */
export async function memory(
  directory: string,
  lines: string,
  oneLine: string,
): Promise<Benchmark> {
  await Deno.writeTextFile(`${directory}/empty.ts`, "");
  const secrets = ["--secret-values-list", makeSecrets(100).join(",")];
  const inImage = await imageRunner(directory);
  const floor = "empty script";
  const programs = {
    [floor]: denoRun("empty.ts"),
    "run true": runnerlib("true"),
    "bare loop": bareLoop("cat", lines),
    "bare search, 100 secrets": maskFloor(100, "cat", lines),
    "in the image, no secrets": inImage(`cat ${lines}`),
    "lines": runnerlib(`cat ${lines}`),
    "lines, 100 secrets": runnerlib(`cat ${lines}`, ...secrets),
    "lines, 100 secrets, in the image": inImage(`cat ${lines}`, ...secrets),
    "one line": runnerlib(`cat ${oneLine}`),
    "one line, 100 secrets": runnerlib(`cat ${oneLine}`, ...secrets),
  };
  return {
    title: "Peak memory",
    unit: "MiB",
    variants: Object.entries(programs).map(([name, argv]) => ({
      name,
      measure: () => measurePeakMemory(argv, directory),
    })),
    comparisons: [
      { subject: "run true", floor },
      { subject: "bare loop", floor },
      { subject: "bare search, 100 secrets", floor: "bare loop" },
      { subject: "in the image, no secrets", floor: "bare loop" },
      ...Object.keys(programs).slice(5).map((subject) => ({
        subject,
        floor: "bare loop",
        goal: subject.endsWith("in the image")
          ? "G9" as const
          : "G9 source" as const,
      })),
    ],
  };
}

/** Returns the peak resident size of a process without its children, in MiB. */
async function measurePeakMemory(
  argv: readonly string[],
  cwd: string,
): Promise<number> {
  const child = start(argv, { cwd });
  let peakKib = 0;
  while (true) {
    const kib = await residentPeakKib(child.pid);
    if (kib === undefined) break;
    peakKib = kib;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  assertSuccess(argv, await child.status);
  if (peakKib === 0) throw new Error("Cannot read the memory of a process");
  return peakKib / 1024;
}

/** Returns the peak so far; `undefined` once the process has exited or freed its memory. */
async function residentPeakKib(pid: number): Promise<number | undefined> {
  try {
    const status = await Deno.readTextFile(`/proc/${pid}/status`);
    const kib = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
    return kib === undefined ? undefined : Number(kib);
  } catch {
    return undefined;
  }
}
