import type { Contest } from "./measure.ts";
import { isThere, timeOf, timeToLine } from "./programs.ts";

/** The image to measure; the tests of the image build it. */
const IMAGE = Deno.env.get("RUNNERLIB_TEST_IMAGE") ?? "runnerlib:test";

/** As a worker starts a job whose root file system is read-only. */
const RUN = [
  ...["docker", "run", "--rm", "--network=none", "--read-only"],
  ...["--tmpfs=/tmp:mode=1777", "--tmpfs=/job:mode=1777", IMAGE],
];

/** Writes the page cache of the machine back, and empties it. */
const DROP_CACHES = ["sh", "-c", "sync; echo 3 > /proc/sys/vm/drop_caches"];

/**
 * How long it takes from `docker run` to the first line of a job, with a warm
 * page cache and with a cold one.
 *
 * @param directory Directory to work in.
 * @returns The contest; `undefined` without an engine or without the image.
 */
export async function container(
  directory: string,
): Promise<Contest | undefined> {
  if (!isThere("docker", "image", "inspect", IMAGE)) return undefined;
  const programs = {
    "a job": [...RUN, "runnerlib", "run", "--job-command", "echo first"],
    "a shell": [...RUN, "sh", "-c", "echo first"],
  };
  const canDrop = await timeOf(DROP_CACHES, directory).then(
    () => true,
    () => false,
  );
  const caches = canDrop ? ["warm", "cold"] : ["warm"];
  return {
    title: "First line of a container that has a read-only file system",
    unit: "ms",
    entrants: caches.flatMap((cache) =>
      Object.entries(programs).map(([name, argv]) => ({
        name: `${name}, ${cache} cache`,
        async measure() {
          if (cache === "cold") await timeOf(DROP_CACHES, directory);
          return await timeToLine(argv, directory);
        },
      }))
    ),
    comparisons: caches.map((cache) => ({
      subject: `a job, ${cache} cache`,
      floor: `a shell, ${cache} cache`,
    })),
  };
}

/** Lists the layers of the image that have a size, as text. */
export async function layers(): Promise<string> {
  const { stdout } = await new Deno.Command("docker", {
    args: [
      ...["history", "--human", "--no-trunc"],
      ...["--format", "{{.Size}}\t{{.CreatedBy}}", IMAGE],
    ],
  }).output();
  const rows = new TextDecoder().decode(stdout).trimEnd().split("\n")
    .map((row) => row.split("\t")).filter(([size]) => size !== "0B");
  return [
    `Layers of the image ${IMAGE}`,
    ...rows.map(([size, by]) => `  ${size.padStart(7)}  ${by.slice(0, 70)}`),
  ].join("\n");
}
