import { childEnvironment } from "../src/environment/child_environment.ts";
import { Cancellation } from "../src/process/cancellation.ts";
import { gitSource } from "../src/source/git/git_source.ts";
import { openWorkspace } from "../src/workspace/layout.ts";
import type { GeneratedRepository } from "./generated_repository.ts";
import type { Benchmark } from "./measure.ts";
import { denoRun, measureTime } from "./programs.ts";

const MIB = 1024 * 1024;

const CLI = import.meta.resolve("../cli.ts");

/**
 * Time to check out one commit of a repository.
 *
 * @param directory Directory to work in.
 * @param repository Repository.
 * @param commitCount Number of commits in it.
 * @returns The benchmark.
 */
export function checkoutTime(
  directory: string,
  repository: GeneratedRepository,
  commitCount: number,
): Benchmark {
  const methods = checkoutMethods(directory, repository);
  const variants = Object.entries(methods).map(([name, checkOut]) => ({
    name,
    async measure() {
      await cleanUp(directory);
      return await checkOut();
    },
  }));
  const floor = "by hand";
  // With a short history, a full clone fetches little that is not needed.
  const goal = commitCount >= 10_000 ? { goal: "G10" as const } : {};
  return {
    title: `Checkout of one of ${commitCount} commits`,
    unit: "ms",
    variants,
    comparisons: [
      { subject: "in a run", floor, goal: "G10 hand" },
      { subject: "runnerlib checkout", floor },
      { subject: "in a run", floor: "full clone", ...goal },
      { subject: "runnerlib checkout", floor: "full clone", ...goal },
    ],
  };
}

/**
 * Size of the objects that are fetched to check out one commit.
 *
 * @param directory Directory to work in.
 * @param repository Repository.
 * @param commitCount Number of commits in it.
 * @returns The benchmark.
 */
export function checkoutSize(
  directory: string,
  repository: GeneratedRepository,
  commitCount: number,
): Benchmark {
  const goal = commitCount >= 10_000 ? { goal: "G10 size" as const } : {};
  const { "in a run": ours, "full clone": clone } = checkoutMethods(
    directory,
    repository,
  );
  return {
    title: "Size of the objects that are fetched for it",
    unit: "MiB",
    variants: Object.entries({ ours, clone }).map(([name, checkOut]) => ({
      name,
      async measure() {
        await cleanUp(directory);
        await checkOut();
        return await packSize(`${directory}/target/.git/objects/pack`) / MIB;
      },
    })),
    comparisons: [{ subject: "ours", floor: "clone", ...goal }],
  };
}

/** Returns functions that check out to `target` and return the time, in milliseconds. */
function checkoutMethods(
  directory: string,
  { path, commit }: GeneratedRepository,
) {
  const url = `file://${path}`;
  const target = `${directory}/target`;
  const script = `git init -q target && cd target &&
    git fetch -q --depth 1 ${url} ${commit} &&
    git -c advice.detachedHead=false checkout -q --detach ${commit}`;
  const args = [
    ...["checkout", url, "--ref", commit, "--work-dir", directory],
  ];
  return {
    "by hand": () => measureTime(["sh", "-c", script], directory),
    "in a run": () => checkOutInRun(directory, url, commit, target),
    "runnerlib checkout": () => measureTime(denoRun(CLI, ...args), directory),
    "full clone": () =>
      measureTime(["git", "clone", "-q", url, target], directory),
  };
}

/** Returns how long a job waits for the checkout, without the start of the runner. */
async function checkOutInRun(
  directory: string,
  url: string,
  commit: string,
  target: string,
): Promise<number> {
  const ignore = () => {};
  const env = childEnvironment(Deno.env.toObject(), { kind: "source-client" });
  const start = performance.now();
  await Deno.mkdir(target);
  const checkOut = gitSource(url, commit, {
    workspace: openWorkspace({ cwd: directory, env }),
    env,
    cwd: directory,
    log: {
      debug: ignore,
      info: ignore,
      warn: ignore,
      error: ignore,
      flush: () => Promise.resolve(),
    },
    cancellation: new Cancellation(),
  });
  await checkOut(target);
  return performance.now() - start;
}

async function cleanUp(directory: string): Promise<void> {
  for (const name of ["target", "job"]) {
    await Deno.remove(`${directory}/${name}`, { recursive: true })
      .catch(() => {});
  }
}

async function packSize(directory: string): Promise<number> {
  let bytes = 0;
  for await (const { name } of Deno.readDir(directory)) {
    if (!name.endsWith(".pack")) continue;
    bytes += (await Deno.stat(`${directory}/${name}`)).size;
  }
  return bytes;
}
