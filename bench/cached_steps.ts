import type { Contest } from "./measure.ts";
import { denoRun, isThere, runnerlibJob, timeOf } from "./programs.ts";

/** How many steps are cached. */
const STEP_COUNT = 100;

/** How many files each step reads. */
const FILE_COUNT = 10;

/** The version of the peer, which npm installs for a run of the benchmark. */
const TURBO = "turbo@2.11.11";

/** Time after which a runner may trust that a file did not change, in milliseconds. */
const SETTLE_MS = 2_500;

const CONCURRENCY = 2;

/**
 * What it costs to find out that nothing has to be done: a project of packages,
 * each with a step that reads its sources and creates a file.
 *
 * - "nothing to do": all files are as they have to be
 * - "restored": what the steps create was removed
 *
 * Turborepo does the same with the same files, without its server.
 *
 * @param directory Directory to work in.
 * @returns The contest.
 */
export async function cachedSteps(directory: string): Promise<Contest> {
  const project = `${directory}/cached`;
  await makeProject(project);
  const ours = [
    ...["env", "REACTORCIDE_IN_CONTAINER=false"],
    ...[
      `XDG_CACHE_HOME=${directory}/user`,
      `DENO_DIR=${await denoDirectory()}`,
    ],
    ...runnerlibJob("steps.json", "--concurrency", `${CONCURRENCY}`),
    ...["--inherit-env", "PATH"],
  ];
  await Deno.writeTextFile(`${directory}/empty.ts`, "");
  const turbo = await installTurbo(project);
  const programs: Record<string, readonly string[]> = {
    "100 cached steps": ours,
    ...turbo === undefined ? {} : { "turbo": turbo },
  };
  // The second run remembers what has not changed since the first one.
  for (const argv of Object.values(programs)) {
    await timeOf(argv, project);
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    await timeOf(argv, project);
  }
  const removeOutputs = () =>
    Promise.all(
      packages().map((name) =>
        Deno.remove(`${project}/packages/${name}/dist`, { recursive: true })
      ),
    );
  const entrants = Object.entries(programs).flatMap(([name, argv]) => [
    {
      name: `${name}, nothing to do`,
      measure: () => timeOf(argv, project),
    },
    {
      name: `${name}, restored`,
      async measure() {
        await removeOutputs();
        return await timeOf(argv, project);
      },
    },
    // The next rotation starts with files that were seen before.
    {
      name: `${name}, settling`,
      async measure() {
        await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
        return await timeOf(argv, project);
      },
    },
  ]);
  const [idle, restored] = ["nothing to do", "restored"].map((what) =>
    `100 cached steps, ${what}`
  );
  return {
    title: "Cached steps",
    unit: "ms",
    entrants: [
      ...entrants,
      {
        name: "empty script",
        measure: () => timeOf(denoRun(`${directory}/empty.ts`), project),
      },
    ],
    comparisons: [
      { subject: idle, goal: 150 },
      { subject: idle, floor: "empty script" },
      ...turbo === undefined ? [] : [
        { subject: idle, floor: "turbo, nothing to do" },
        { subject: restored, floor: "turbo, restored" },
      ],
    ],
  };
}

function packages(): string[] {
  return Array.from({ length: STEP_COUNT }, (_, index) => `p${index}`);
}

async function makeProject(project: string): Promise<void> {
  const write = async (path: string, content: unknown) => {
    const place = `${project}/${path}`;
    await Deno.mkdir(place.slice(0, place.lastIndexOf("/")), {
      recursive: true,
    });
    const text = typeof content === "string"
      ? content
      : JSON.stringify(content, null, 2);
    await Deno.writeTextFile(place, text);
  };
  const build = "mkdir -p dist && cat src/* > dist/all";
  for (const name of packages()) {
    const path = `packages/${name}`;
    await write(`${path}/package.json`, {
      name,
      version: "1.0.0",
      scripts: { build },
    });
    for (let file = 0; file < FILE_COUNT; file++) {
      await write(`${path}/src/${file}.txt`, `${name} ${file}\n`.repeat(100));
    }
  }
  await write("package.json", {
    name: "cached",
    private: true,
    packageManager: "npm@10.0.0",
    workspaces: ["packages/*"],
  });
  await write("turbo.json", {
    tasks: { build: { inputs: ["src/**"], outputs: ["dist/**"] } },
  });
  const steps = packages().map((name) => ({
    name,
    run: build,
    working_dir: `packages/${name}`,
    cache: { inputs: "src/**", outputs: "dist/**" },
  }));
  await write("steps.json", { steps });
}

/** Without a registry of packages, there is no peer. */
async function installTurbo(project: string): Promise<string[] | undefined> {
  if (!isThere("npm", "--version")) return undefined;
  const tools = `${project}/../tools`;
  await Deno.mkdir(tools);
  const { success } = await new Deno.Command("npm", {
    args: ["install", "--no-audit", "--no-fund", "--prefix", tools, TURBO],
    stdout: "null",
    stderr: "null",
  }).output();
  if (!success) return undefined;
  return [
    ...["env", "TURBO_TELEMETRY_DISABLED=1", "DO_NOT_TRACK=1"],
    ...[`${tools}/node_modules/.bin/turbo`, "run", "build"],
    ...[`--concurrency=${CONCURRENCY}`, "--cache=local:rw", "--no-daemon"],
  ];
}

async function denoDirectory(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json"],
  }).output();
  return JSON.parse(new TextDecoder().decode(stdout)).denoDir;
}
