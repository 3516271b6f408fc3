import { stagePackage } from "../scripts/stage.ts";
import { listLinks, startJsrRegistry } from "../tests/helpers/jsr_registry.ts";
import type { Benchmark } from "./measure.ts";
import { denoRun, measureTime, SPAWN } from "./programs.ts";

/** Response time of the registry, in milliseconds. */
const REQUEST_MS = 40;

/** Options that keep Deno from reading files of the directory. */
const ISOLATED_FLAGS = ["--no-config", "--no-lock"] as const;

/**
 * Time of the first run of the published package. Its npm packages are already
 * cached.
 *
 * @param directory Directory to work in.
 * @returns The benchmark. Dispose it to stop the registry.
 */
export async function firstRun(
  directory: string,
): Promise<Benchmark & AsyncDisposable> {
  const registry = await startJsrRegistry([
    ...await listLinks(),
    await writeSingleFilePackage(directory),
  ], { delayMs: REQUEST_MS });
  const withCache = (cache: string, argv: readonly string[]) => [
    ...["env", `DENO_DIR=${cache}`, `JSR_URL=${registry.url}`],
    ...argv,
  ];
  const [deno] = denoRun("");
  const publish = [deno, "publish", "--allow-dirty", "--no-check"];
  const warm = `${directory}/first-run-warm`;
  await measureTime(
    withCache(warm, [...publish, "--no-provenance", "--token=any"]),
    await stagePackage(`${directory}/staged`),
  );
  const programs = {
    "first run true": denoRun(
      ...ISOLATED_FLAGS,
      ...["jsr:@reactorcide/runnerlib/cli", "run", "--job-command=true"],
    ),
    "a package of one file": denoRun(...ISOLATED_FLAGS, "jsr:@bench/one/cli"),
  };
  for (const argv of Object.values(programs)) {
    await measureTime(withCache(warm, argv), directory);
  }
  const [subject, floor] = Object.keys(programs);
  return {
    title: `First run from a registry that takes ${REQUEST_MS} ms a request`,
    unit: "ms",
    variants: Object.entries(programs).map(([name, argv]) => ({
      name,
      async measure() {
        const cache = await Deno.makeTempDir({ dir: directory });
        await measureTime(["cp", "-Rl", `${warm}/npm`, cache], directory);
        const timeMs = await measureTime(withCache(cache, argv), directory);
        await Deno.remove(cache, { recursive: true });
        return timeMs;
      },
    })),
    comparisons: [{ subject, floor, goal: "G2" }],
    [Symbol.asyncDispose]: () => registry[Symbol.asyncDispose](),
  };
}

/** Creates the smallest package that runs a command. */
async function writeSingleFilePackage(directory: string): Promise<URL> {
  const path = `${directory}/one/`;
  await Deno.mkdir(path);
  await Deno.writeTextFile(`${path}cli.ts`, SPAWN);
  const config = {
    name: "@bench/one",
    version: "1.0.0",
    exports: { "./cli": "./cli.ts" },
  };
  await Deno.writeTextFile(`${path}deno.json`, JSON.stringify(config));
  return new URL(`file://${path}`);
}
