import type { Contest } from "./measure.ts";
import {
  bareSpawn,
  denoRun,
  imageRunner,
  isThere,
  runnerlib,
  timeOf,
} from "./programs.ts";

/**
 * What it costs to run a command that does nothing, in a warm process cache.
 *
 * @param directory Directory to work in.
 * @returns The contest.
 */
export async function startup(directory: string): Promise<Contest> {
  await Deno.writeTextFile(`${directory}/empty.ts`, "");
  const inImage = await imageRunner(directory);
  const programs = {
    "run true": runnerlib("true"),
    "empty script": denoRun("empty.ts"),
    "run true, in the image": inImage("true"),
    "bare spawn": await bareSpawn(directory),
    "modules of the image": denoRun(
      "--unstable-lazy-dynamic-imports",
      await importOfImage(directory),
    ),
    "sh -c true": ["sh", "-c", "true"],
    ...isThere("node", "-v") ? { "node -e 0": ["node", "-e", "0"] } : {},
  };
  const [source, empty, image, bare, ...others] = Object.keys(programs);
  return {
    title: "Start-up",
    unit: "ms",
    entrants: Object.entries(programs).map(([name, argv]) => ({
      name,
      measure: () => timeOf(argv, directory),
    })),
    comparisons: [
      { subject: image, floor: bare, goal: "G1" },
      { subject: source, floor: bare, goal: "G1 source" },
      { subject: image, floor: empty, goal: "G1b" },
      { subject: source, floor: empty },
      { subject: bare, floor: empty },
      ...others.map((other) => ({ subject: other, floor: empty })),
    ],
  };
}

/** Writes a script that loads what a run in the image loads, and ends. */
async function importOfImage(directory: string): Promise<string> {
  const files = await Array.fromAsync(Deno.readDir(`${directory}/bundle`));
  const { name } = files.find(({ name }) => /^run-[^.]*\.js$/.test(name))!;
  await Deno.writeTextFile(
    `${directory}/modules.ts`,
    `import "./bundle/${name}";`,
  );
  return "modules.ts";
}
