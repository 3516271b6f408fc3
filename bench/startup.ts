import type { Benchmark } from "./measure.ts";
import {
  bareSpawn,
  CLI,
  denoRun,
  imageRunner,
  isAvailable,
  measureTime,
  runnerlib,
  SPAWN,
} from "./programs.ts";

/** Script with the system calls of a run. */
const FLOOR = import.meta.resolve("./start_floor.ts");

/** Resolves the imports of the package from another directory. */
const CONFIG = `--config=${new URL("../deno.json", import.meta.url).pathname}`;

/**
 * Time to run a command that does nothing, with warm caches.
 *
 * @param directory Directory to work in.
 * @returns The benchmark.
 */
export async function startup(directory: string): Promise<Benchmark> {
  await Deno.writeTextFile(`${directory}/empty.ts`, "");
  const inImage = await imageRunner(directory);
  const calls = "system calls of a run, bare";
  const late = "--unstable-lazy-dynamic-imports";
  const modules = await writeImageImports(directory);
  await Deno.writeTextFile(
    `${directory}/source.ts`,
    `import ${JSON.stringify(CLI)};`,
  );
  const programs = {
    "run true": runnerlib("true"),
    "empty script": denoRun("empty.ts"),
    "run true, in the image": inImage("true"),
    "bare spawn": await bareSpawn(directory),
    [calls]: denoRun(FLOOR),
    "modules of the image": denoRun(late, modules.alone),
    "modules of the image, bare spawn": denoRun(late, modules.withSpawn),
    "modules of the image, system calls of a run, bare": denoRun(
      late,
      modules.withCalls,
    ),
    "modules from source": denoRun(CONFIG, "source.ts"),
    "modules from source, late ones late": denoRun(CONFIG, late, "source.ts"),
    "sh -c true": ["sh", "-c", "true"],
    ...isAvailable("node", "-v") ? { "node -e 0": ["node", "-e", "0"] } : {},
  };
  const [source, empty, image, bare, ...others] = Object.keys(programs);
  const bothCalls = others.find((name) =>
    name !== calls && name.endsWith(calls)
  )!;
  return {
    title: "Start-up",
    unit: "ms",
    variants: Object.entries(programs).map(([name, argv]) => ({
      name,
      measure: () => measureTime(argv, directory),
    })),
    comparisons: [
      { subject: image, floor: bare, goal: "G1" },
      { subject: source, floor: bare, goal: "G1 source" },
      { subject: image, floor: empty, goal: "G1b" },
      { subject: source, floor: empty },
      { subject: image, floor: calls },
      { subject: image, floor: bothCalls },
      { subject: bare, floor: empty },
      ...others.map((other) => ({
        subject: other,
        floor: other.endsWith(bare) || other.endsWith(calls) ? bare : empty,
      })),
    ],
  };
}

/**
 * Writes scripts that load the same modules as a run in the image, but do not use
 * them. One exits immediately; the others run `true` with minimal code.
 */
async function writeImageImports(
  directory: string,
): Promise<{ alone: string; withSpawn: string; withCalls: string }> {
  const files = await Array.fromAsync(Deno.readDir(`${directory}/bundle`));
  const { name } = files.find(({ name }) => /^run-[^.]*\.js$/.test(name))!;
  const imports = `import "./bundle/${name}";\n`;
  await Deno.writeTextFile(`${directory}/modules.ts`, imports);
  await Deno.writeTextFile(`${directory}/modules_spawn.ts`, imports + SPAWN);
  await Deno.writeTextFile(
    `${directory}/modules_calls.ts`,
    imports + await Deno.readTextFile(new URL(FLOOR)),
  );
  return {
    alone: "modules.ts",
    withSpawn: "modules_spawn.ts",
    withCalls: "modules_calls.ts",
  };
}
