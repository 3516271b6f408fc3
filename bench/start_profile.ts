import { alignColumns, median } from "./measure.ts";
import { bareSpawn, imageRunner, measureTime, runnerlib } from "./programs.ts";

/** Module that is preloaded to record when a program reaches each part. */
const MARKS = new URL("./start_marks.ts", import.meta.url).pathname;

/** Parts of a run, by the mark at their end. */
const PARTS: Readonly<Record<string, string>> = {
  start: "Deno starts",
  querySync: "modules are read, compiled and run",
  toObject: "inherited files and permissions",
  addSignalListener: "command line, context",
  listen: "settings, secrets, validation",
  Command: "socket, program and environment for the command",
  spawned: "first Deno.Command",
  ended: "the command runs",
  exit: "remaining processes, socket, result",
  end: "Deno ends",
};

/**
 * Measures how long each part of a run of `true` takes.
 *
 * @param directory Directory to work in.
 * @param rotationCount Number of runs of each program.
 * @returns A table with medians in milliseconds.
 */
export async function startProfile(
  directory: string,
  rotationCount: number,
): Promise<string> {
  const programs = {
    "in the image": (await imageRunner(directory))("true"),
    "from source": runnerlib("true"),
    "bare spawn": await bareSpawn(directory),
  };
  const runs = Object.fromEntries(
    Object.keys(programs).map((name) => [name, [] as Marks[]]),
  );
  for (let rotation = -1; rotation < rotationCount; rotation++) {
    for (const [name, argv] of Object.entries(programs)) {
      const marks = await recordMarks(argv, directory);
      if (rotation >= 0) runs[name].push(marks);
    }
  }
  const rows = Object.entries(PARTS).map(([mark, part]) => [
    part,
    ...Object.values(runs).map((all) => formatMedian(all, mark)),
  ]);
  const totals = Object.values(runs).map((all) =>
    median(all.map(({ begin, end }) => end - begin)).toFixed(1)
  );
  return [
    `Where the time of a start goes (ms; medians of ${rotationCount} runs)`,
    ...alignColumns([["", ...Object.keys(runs)], ...rows, ["all", ...totals]]),
  ].join("\n");
}

/** Times in milliseconds since 1970. */
type Marks = Readonly<Record<string, number>>;

async function recordMarks(
  [deno, run, ...rest]: readonly string[],
  directory: string,
): Promise<Marks> {
  const file = `${directory}/marks.json`;
  const argv = [deno, run, "--preload", MARKS, ...rest];
  const begin = now();
  await measureTime(["env", `START_MARKS=${file}`, ...argv], directory);
  const end = now();
  return { begin, ...JSON.parse(await Deno.readTextFile(file)), end };
}

function now(): number {
  return performance.timeOrigin + performance.now();
}

/**
 * Formats the median time of the part that ends at a mark. A part without a mark
 * counts towards the next part that has one.
 */
function formatMedian(runs: readonly Marks[], mark: string): string {
  if (!runs.every((marks) => mark in marks)) return "";
  const times = runs.map((marks) => {
    const before = Object.values(marks).filter((time) => time < marks[mark]);
    return marks[mark] - Math.max(...before);
  });
  return median(times).toFixed(1);
}
