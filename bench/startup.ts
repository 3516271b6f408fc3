import type { Contest } from "./measure.ts";
import {
  denoRun,
  imageRunner,
  isThere,
  runnerlib,
  timeOf,
} from "./programs.ts";

/** The least that a script can do to run a command and pass on what it prints. */
export const SPAWN = `
const child = new Deno.Command("sh", { args: ["-c", "true"], stdout: "piped" })
  .spawn();
for await (const bytes of child.stdout) await Deno.stdout.write(bytes);
Deno.exit((await child.status).code);
`;

/**
 * What it costs to run a command that does nothing, in a warm process cache.
 *
 * @param directory Directory to work in.
 * @returns The contest.
 */
export async function startup(directory: string): Promise<Contest> {
  await Deno.writeTextFile(`${directory}/empty.ts`, "");
  await Deno.writeTextFile(`${directory}/spawn.ts`, SPAWN);
  const inImage = await imageRunner(directory);
  const programs = {
    "run true": runnerlib("true"),
    "empty script": denoRun("empty.ts"),
    "run true, in the image": inImage("true"),
    "spawn true": denoRun("spawn.ts"),
    "sh -c true": ["sh", "-c", "true"],
    ...isThere("node", "-v") ? { "node -e 0": ["node", "-e", "0"] } : {},
  };
  const [subject, floor, inTheImage, ...others] = Object.keys(programs);
  return {
    title: "Start-up",
    unit: "ms",
    entrants: Object.entries(programs).map(([name, argv]) => ({
      name,
      measure: () => timeOf(argv, directory),
    })),
    comparisons: [
      { subject, floor, goal: 1.5 },
      { subject: inTheImage, floor, goal: 1.5 },
      ...others.map((other) => ({ subject: other, floor })),
    ],
  };
}
