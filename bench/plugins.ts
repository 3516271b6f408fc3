import type { Benchmark } from "./measure.ts";
import { denoCommand } from "../src/plugins/sandbox/deno_command.ts";
import { findConfinement } from "../src/plugins/sandbox/start_plugin.ts";
import { denoRun, measureTime, runnerlib } from "./programs.ts";

/** Number of plugins in one process, so that the time of their calls is measurable. */
const CALLED_PLUGINS = 100;

/** Number of phases of a successful job. */
const PHASE_COUNT = 7;

/** Number of plugins in separate processes. */
const PLUGIN_COUNT = 20;

/**
 * Overhead of plugins in separate processes, measured in whole runs of `true`.
 *
 * @param directory Directory to work in.
 * @returns The benchmark.
 */
export async function plugins(directory: string): Promise<Benchmark> {
  // Other benchmarks use the directory, too.
  directory += "/plugins";
  await Deno.mkdir(directory);
  const manyPlugins = (body: string) =>
    `export default (registry) => {
      for (let at = 0; at < ${CALLED_PLUGINS}; at++) {
        registry.add({ name: "p" + at${body} });
      }
    };`;
  await makePlugins(`${directory}/one`, 1, () => PLUGIN_SOURCE);
  await makePlugins(
    `${directory}/many`,
    PLUGIN_COUNT,
    (index) => pluginSource(index),
  );
  await makePlugins(`${directory}/idle`, 1, () => manyPlugins(""));
  await makePlugins(
    `${directory}/busy`,
    1,
    () => manyPlugins(", execute() {}"),
  );
  const measureRun = (...flags: string[]) =>
    measureTime(runnerlib("true", ...flags), directory);
  await Deno.writeTextFile(`${directory}/empty.ts`, "");
  const parallel = [
    "sh",
    "-c",
    `seq ${PLUGIN_COUNT} | xargs -P2 -I{} "$@"`,
    "sh",
  ];
  const bare = [...parallel, ...denoRun("empty.ts")];
  const withoutRunner = [
    ...parallel,
    ...await pluginCommand(`${directory}/one`),
  ];
  const measureRunWith = (name: string) => measureRun("--plugin-dir", name);
  return {
    title: "Plugins in processes of their own",
    unit: "ms",
    variants: [
      { name: "no plugin", measure: () => measureRun() },
      { name: "one plugin", measure: () => measureRunWith("one") },
      {
        name: `${PLUGIN_COUNT} plugins`,
        measure: () => measureRunWith("many"),
      },
      {
        name: `${PLUGIN_COUNT} bare starts`,
        measure: () => measureTime(bare, directory),
      },
      {
        name: `added by ${PLUGIN_COUNT} plugins`,
        measure: async () => await measureRunWith("many") - await measureRun(),
      },
      {
        name: `${PLUGIN_COUNT} plugins, no runner`,
        measure: () => measureTime(withoutRunner, directory),
      },
      {
        name: "added by one plugin",
        measure: async () =>
          await measureOverhead(
            () => measureRunWith("one"),
            () => measureRun(),
          ),
      },
      {
        name: "added by one call",
        measure: async () =>
          await measureOverhead(
            () => measureRunWith("busy"),
            () => measureRunWith("idle"),
          ) /
          (CALLED_PLUGINS * PHASE_COUNT),
      },
    ],
    comparisons: [
      {
        subject: `added by ${PLUGIN_COUNT} plugins`,
        floor: `${PLUGIN_COUNT} bare starts`,
        goal: "G12",
      },
      {
        subject: `${PLUGIN_COUNT} plugins, no runner`,
        floor: `${PLUGIN_COUNT} bare starts`,
      },
      { subject: "added by one plugin" },
      { subject: "added by one call", goal: "G12 call" },
      { subject: "one plugin", floor: "no plugin" },
      { subject: `${PLUGIN_COUNT} plugins`, floor: "no plugin" },
    ],
  };
}

/**
 * Returns the command line with which the runner starts the process of a plugin.
 * The plugin receives no calls, so the process exits once it is loaded.
 */
async function pluginCommand(directory: string): Promise<string[]> {
  const file = `${directory}/plugin_p0.ts`;
  const permissions = { read: [directory] };
  const deno = Deno.execPath();
  const confinement = await findConfinement({
    permissions,
    workspace: directory,
    needed: [deno, file],
    env: Deno.env.toObject(),
  });
  const url = `file://${file}`;
  const perl = "/usr/bin/perl";
  return [
    "/usr/bin/setsid",
    ...denoCommand({
      deno,
      url,
      file,
      rights: permissions,
      confinement,
      perl,
    }),
  ];
}

/**
 * Returns how much longer one program takes than another. It compares the
 * minimum of a few runs, because other load on the machine can only add time.
 */
async function measureOverhead(
  subject: () => Promise<number>,
  baseline: () => Promise<number>,
): Promise<number> {
  const [subjectMs, baselineMs] = [[Infinity], [Infinity]];
  for (let run = 0; run < 3; run++) {
    baselineMs.push(await baseline());
    subjectMs.push(await subject());
  }
  return Math.min(...subjectMs) - Math.min(...baselineMs);
}

const PLUGIN_SOURCE = pluginSource(0);

function pluginSource(index: number): string {
  return `export const manifest = { permissions: { read: ["$JOB_DIR"] } };
    export default { name: "p${index}", cleanup() {} };`;
}

async function makePlugins(
  directory: string,
  count: number,
  source: (index: number) => string,
): Promise<void> {
  await Deno.mkdir(directory);
  for (let index = 0; index < count; index++) {
    await Deno.writeTextFile(`${directory}/plugin_p${index}.ts`, source(index));
  }
}
