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
  const late = "--unstable-lazy-dynamic-imports";
  const modules = await importsOfImage(directory);
  await Deno.writeTextFile(
    `${directory}/source.ts`,
    `import ${JSON.stringify(CLI)};`,
  );
  const programs = {
    "run true": runnerlib("true"),
    "empty script": denoRun("empty.ts"),
    "run true, in the image": inImage("true"),
    "bare spawn": await bareSpawn(directory),
    "modules of the image": denoRun(late, modules.alone),
    "modules of the image, bare spawn": denoRun(late, modules.withSpawn),
    "modules from source": denoRun(CONFIG, "source.ts"),
    "modules from source, late ones late": denoRun(CONFIG, late, "source.ts"),
    "sh -c true": ["sh", "-c", "true"],
    ...isAvailable("node", "-v") ? { "node -e 0": ["node", "-e", "0"] } : {},
  };
  const [source, empty, image, bare, ...others] = Object.keys(programs);
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
      { subject: bare, floor: empty },
      ...others.map((other) => ({
        subject: other,
        floor: other.endsWith(bare) ? bare : empty,
      })),
    ],
  };
}

/**
 * Writes scripts that load the same modules as a run in the image, but do not use
 * them. One exits immediately; the other one runs `true` with minimal code.
 */
async function importsOfImage(
  directory: string,
): Promise<{ alone: string; withSpawn: string }> {
  const files = await Array.fromAsync(Deno.readDir(`${directory}/bundle`));
  const { name } = files.find(({ name }) => /^run-[^.]*\.js$/.test(name))!;
  const imports = `import "./bundle/${name}";\n`;
  await Deno.writeTextFile(`${directory}/modules.ts`, imports);
  await Deno.writeTextFile(`${directory}/modules_spawn.ts`, imports + SPAWN);
  return { alone: "modules.ts", withSpawn: "modules_spawn.ts" };
}
