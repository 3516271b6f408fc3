import type { Contest } from "./measure.ts";
import { denoCommand } from "../src/plugins/sandbox/deno_command.ts";
import { confinementOf } from "../src/plugins/sandbox/start_plugin.ts";
import { denoRun, runnerlib, timeOf } from "./programs.ts";

/** Number of plugins in one process, so that the time of their calls is measurable. */
const CROWD = 100;

/** Number of phases of a successful job. */
const PHASE_COUNT = 7;

/** Number of plugins in separate processes. */
const MANY = 20;

/**
 * Overhead of plugins in separate processes, measured in whole runs of `true`.
 *
 * @param directory Directory to work in.
 * @returns The contest.
 */
export async function plugins(directory: string): Promise<Contest> {
  const crowd = (body: string) =>
    `export default (registry) => {
      for (let at = 0; at < ${CROWD}; at++) {
        registry.add({ name: "p" + at${body} });
      }
    };`;
  await makePlugins(`${directory}/one`, 1, () => ONE);
  await makePlugins(`${directory}/many`, MANY, (at) => named(at));
  await makePlugins(`${directory}/idle`, 1, () => crowd(""));
  await makePlugins(`${directory}/busy`, 1, () => crowd(", execute() {}"));
  const time = (...flags: string[]) =>
    timeOf(runnerlib("true", ...flags), directory);
  await Deno.writeTextFile(`${directory}/empty.ts`, "");
  const starts = ["sh", "-c", `seq ${MANY} | xargs -P2 -I{} "$@"`, "sh"];
  const bare = [...starts, ...denoRun("empty.ts")];
  const alone = [...starts, ...await pluginAlone(`${directory}/one`)];
  const timeWith = (name: string) => time("--plugin-dir", name);
  return {
    title: "Plugins in processes of their own",
    unit: "ms",
    entrants: [
      { name: "no plugin", measure: () => time() },
      { name: "one plugin", measure: () => timeWith("one") },
      { name: `${MANY} plugins`, measure: () => timeWith("many") },
      {
        name: `${MANY} bare starts`,
        measure: () => timeOf(bare, directory),
      },
      {
        name: `added by ${MANY} plugins`,
        measure: async () => await timeWith("many") - await time(),
      },
      {
        name: `${MANY} plugins, no runner`,
        measure: () => timeOf(alone, directory),
      },
      {
        name: "added by one plugin",
        measure: async () =>
          await difference(() => timeWith("one"), () => time()),
      },
      {
        name: "added by one call",
        measure: async () =>
          await difference(() => timeWith("busy"), () => timeWith("idle")) /
          (CROWD * PHASE_COUNT),
      },
    ],
    comparisons: [
      {
        subject: `added by ${MANY} plugins`,
        floor: `${MANY} bare starts`,
        goal: "G12",
      },
      { subject: `${MANY} plugins, no runner`, floor: `${MANY} bare starts` },
      { subject: "added by one plugin" },
      { subject: "added by one call", goal: "G12 call" },
      { subject: "one plugin", floor: "no plugin" },
      { subject: `${MANY} plugins`, floor: "no plugin" },
    ],
  };
}

/**
 * Returns the command line with which the runner starts the process of a plugin.
 * The plugin receives no calls, so the process exits once it is loaded.
 */
async function pluginAlone(directory: string): Promise<string[]> {
  const file = `${directory}/plugin_p0.ts`;
  const permissions = { read: [directory] };
  const deno = Deno.execPath();
  const confinement = await confinementOf({
    permissions,
    workspace: directory,
    needed: [deno, file],
    env: Deno.env.toObject(),
  });
  const url = `file://${file}`;
  const perl = "/usr/bin/perl";
  return [
    "/usr/bin/setsid",
    ...denoCommand({ deno, url, file, permissions, confinement, perl }),
  ];
}

/**
 * Returns how much longer one program takes than another. It compares the
 * minimum of a few runs, because other load on the machine can only add time.
 */
async function difference(
  longer: () => Promise<number>,
  shorter: () => Promise<number>,
): Promise<number> {
  const [longMs, shortMs] = [[Infinity], [Infinity]];
  for (let run = 0; run < 3; run++) {
    shortMs.push(await shorter());
    longMs.push(await longer());
  }
  return Math.min(...longMs) - Math.min(...shortMs);
}

const ONE = named(0);

function named(at: number): string {
  return `export const manifest = { permissions: { read: ["$JOB_DIR"] } };
    export default { name: "p${at}", cleanup() {} };`;
}

async function makePlugins(
  directory: string,
  count: number,
  textOf: (at: number) => string,
): Promise<void> {
  await Deno.mkdir(directory);
  for (let at = 0; at < count; at++) {
    await Deno.writeTextFile(`${directory}/plugin_p${at}.ts`, textOf(at));
  }
}
