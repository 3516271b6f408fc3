import type { Benchmark } from "./measure.ts";
import {
  isAvailable,
  measureTime,
  measureTimeToFirstLine,
} from "./programs.ts";

/** Image to measure, which the image tests build. */
const IMAGE = Deno.env.get("RUNNERLIB_TEST_IMAGE") ?? "runnerlib:test";

/** Command line with which a worker starts a job with a read-only root file system. */
const RUN = [
  ...["docker", "run", "--rm", "--network=none", "--read-only"],
  ...["--tmpfs=/tmp:mode=1777", "--tmpfs=/job:mode=1777", IMAGE],
];

/** Flushes and drops the page cache of the machine. */
const DROP_CACHES = ["sh", "-c", "sync; echo 3 > /proc/sys/vm/drop_caches"];

/**
 * Time from `docker run` to the first line of a job, with a warm and with a cold
 * page cache.
 *
 * @param directory Directory to work in.
 * @returns The benchmark; `undefined` if there is no engine or no image.
 */
export async function container(
  directory: string,
): Promise<Benchmark | undefined> {
  if (!isAvailable("docker", "image", "inspect", IMAGE)) return undefined;
  const programs = {
    "a job": [...RUN, "runnerlib", "run", "--job-command", "echo first"],
    "a shell": [...RUN, "sh", "-c", "echo first"],
  };
  const canDropCaches = await measureTime(DROP_CACHES, directory).then(
    () => true,
    () => false,
  );
  const caches = canDropCaches ? ["warm", "cold"] : ["warm"];
  return {
    title: "First line of a container that has a read-only file system",
    unit: "ms",
    variants: caches.flatMap((cache) =>
      Object.entries(programs).map(([name, argv]) => ({
        name: `${name}, ${cache} cache`,
        async measure() {
          // A variant before this one may have dropped the cache.
          const prepare = cache === "cold" ? DROP_CACHES : argv;
          await measureTime(prepare, directory);
          return await measureTimeToFirstLine(argv, directory);
        },
      }))
    ),
    comparisons: caches.map((cache) => ({
      subject: `a job, ${cache} cache`,
      floor: `a shell, ${cache} cache`,
    })),
  };
}

/** Lists the layers of the image that are not empty, as text. */
export async function listLayers(): Promise<string> {
  const { stdout } = await new Deno.Command("docker", {
    args: [
      ...["history", "--human", "--no-trunc"],
      ...["--format", "{{json .}}", IMAGE],
    ],
  }).output();
  // Commands of several lines are one JSON text.
  const rows = new TextDecoder().decode(stdout).trimEnd().split("\n")
    .map((line) => JSON.parse(line) as { Size: string; CreatedBy: string })
    .filter(({ Size }) => Size !== "0B");
  return [
    `Layers of the image ${IMAGE}`,
    ...rows.map(({ Size, CreatedBy }) =>
      `  ${Size.padStart(7)}  ${CreatedBy.replace(/\s+/g, " ").slice(0, 70)}`
    ),
  ].join("\n");
}
