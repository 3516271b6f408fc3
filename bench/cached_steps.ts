import type { Benchmark } from "./measure.ts";
import { denoRun, imageJob, measureTime, runnerlibJob } from "./programs.ts";
import { installTurbo, writeTurboProject } from "./turbo.ts";

const FLOOR = import.meta.resolve("./cached_floor.ts");

/** Number of cached steps. */
const STEP_COUNT = 100;

/** Number of files that each step reads. */
const FILE_COUNT = 10;

/** Age from which a runner trusts the timestamps of a file, in milliseconds. */
const SETTLE_MS = 2_500;

const CONCURRENCY = 2;

/**
 * Time of a run in which every step is cached. Each package of the project has a
 * step that reads its sources and creates a file.
 *
 * - "nothing to do": all outputs are up to date
 * - "restored": the outputs were removed before the run
 *
 * The runner runs from source and as in the image. Turborepo does the same, without
 * its server, and a bare script does the least of it. Each has a copy of the project
 * for itself: files that another program has restored would be read again.
 *
 * @param directory Directory to work in.
 * @returns The benchmark.
 */
export async function cachedSteps(directory: string): Promise<Benchmark> {
  const root = `${directory}/cached`;
  const denoDir = await findDenoDirectory();
  const ours = (job: typeof runnerlibJob, user: string) => [
    ...["env", "REACTORCIDE_IN_CONTAINER=false"],
    ...[`XDG_CACHE_HOME=${directory}/${user}`, `DENO_DIR=${denoDir}`],
    ...job("steps.json", "--concurrency", `${CONCURRENCY}`),
    ...["--inherit-env", "PATH"],
  ];
  await Deno.writeTextFile(`${directory}/empty.ts`, "");
  await Deno.mkdir(root);
  const turbo = await installTurbo(`${root}/turbo`);
  // Without a registry, there is no bundler either.
  const image = await imageJob(directory).catch(() => undefined);
  const bare = "listing and comparing, bare";
  const programs: Record<string, readonly string[]> = {
    "100 cached steps": ours(runnerlibJob, "user"),
    ...image === undefined ? {} : { "in the image": ours(image, "image-user") },
    ...turbo === undefined
      ? {}
      : { "turbo": [...turbo, `--concurrency=${CONCURRENCY}`] },
  };
  const project = (name: string) => `${root}/${name}`;
  const settle = async (name: string) => {
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    return await measureTime(programs[name], project(name));
  };
  // The first run fills the cache; the second one remembers file hashes.
  for (const [name, argv] of Object.entries(programs)) {
    await writeProject(project(name));
    await measureTime(argv, project(name));
    await settle(name);
  }
  await writeProject(project(bare));
  await measureTime(programs["100 cached steps"], project(bare));
  const variants = Object.entries(programs).flatMap(([name, argv]) => [
    {
      name: `${name}, nothing to do`,
      measure: () => measureTime(argv, project(name)),
    },
    {
      name: `${name}, restored`,
      async measure() {
        await removeOutputs(project(name));
        return await measureTime(argv, project(name));
      },
    },
    // Lets a run remember the restored files before the next rotation.
    { name: `${name}, settling`, measure: () => settle(name) },
  ]);
  const [idle, restored] = ["nothing to do", "restored"].map((what) =>
    `100 cached steps, ${what}`
  );
  const inImage = "in the image, nothing to do";
  return {
    title: "Cached steps",
    unit: "ms",
    variants: [
      ...variants,
      {
        name: "empty script",
        measure: () => measureTime(denoRun(`${directory}/empty.ts`), directory),
      },
      { name: bare, measure: () => measureTime(denoRun(FLOOR), project(bare)) },
    ],
    comparisons: [
      { subject: idle, goal: "G13" },
      ...image === undefined ? [] : [
        { subject: inImage, goal: "G13" as const },
        { subject: inImage, floor: bare },
      ],
      { subject: idle, floor: "empty script" },
      { subject: bare, floor: "empty script" },
      ...turbo === undefined ? [] : [
        { subject: idle, floor: "turbo, nothing to do" },
        { subject: restored, floor: "turbo, restored" },
      ],
    ],
  };
}

async function removeOutputs(project: string): Promise<void> {
  for (const name of packageNames()) {
    await Deno.remove(`${project}/packages/${name}/dist`, { recursive: true });
  }
}

function packageNames(): string[] {
  return Array.from({ length: STEP_COUNT }, (_, index) => `p${index}`);
}

async function writeProject(project: string): Promise<void> {
  const build = "mkdir -p dist && cat src/* > dist/all";
  await writeTurboProject(project, {
    packages: Object.fromEntries(packageNames().map((name) => [name, build])),
    inputs: ["src/**"],
    outputs: ["dist/**"],
  });
  for (const name of packageNames()) {
    const sources = `${project}/packages/${name}/src`;
    await Deno.mkdir(sources);
    for (let file = 0; file < FILE_COUNT; file++) {
      await Deno.writeTextFile(
        `${sources}/${file}.txt`,
        `${name} ${file}\n`.repeat(100),
      );
    }
  }
  const steps = packageNames().map((name) => ({
    name,
    run: build,
    working_dir: `packages/${name}`,
    cache: { inputs: "src/**", outputs: "dist/**" },
  }));
  await Deno.writeTextFile(`${project}/steps.json`, JSON.stringify({ steps }));
}

async function findDenoDirectory(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json"],
  }).output();
  return JSON.parse(new TextDecoder().decode(stdout)).denoDir;
}
