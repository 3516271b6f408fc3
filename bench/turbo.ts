import { isThere } from "./programs.ts";

/** The version of the peer, which npm installs for a run of the benchmark. */
const TURBO = "turbo@2.11.11";

/**
 * Installs Turborepo beside a project.
 *
 * @param project Absolute path of the project.
 * @returns Command line that runs `build` in each package, without a server and
 * a daemon; `undefined` if there is no registry of packages.
 */
export async function installTurbo(
  project: string,
): Promise<string[] | undefined> {
  if (!isThere("npm", "--version")) return undefined;
  const tools = `${project}-tools`;
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
    ...["--cache=local:rw", "--no-daemon"],
  ];
}

/** What {@linkcode writeTurboProject} writes. */
export interface TurboProject {
  /** Names of the packages, and the command that builds each. */
  readonly packages: Readonly<Record<string, string>>;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

/** Writes what Turborepo needs to know of a project. */
export async function writeTurboProject(
  project: string,
  { packages, inputs, outputs }: TurboProject,
): Promise<void> {
  const write = async (path: string, value: unknown) => {
    const place = `${project}/${path}`;
    await Deno.mkdir(place.slice(0, place.lastIndexOf("/")), {
      recursive: true,
    });
    await Deno.writeTextFile(place, JSON.stringify(value, null, 2));
  };
  for (const [name, build] of Object.entries(packages)) {
    await write(`packages/${name}/package.json`, {
      name,
      version: "1.0.0",
      scripts: { build },
    });
  }
  await write("package.json", {
    name: "project",
    private: true,
    packageManager: "npm@10.0.0",
    workspaces: ["packages/*"],
  });
  await write("turbo.json", { tasks: { build: { inputs, outputs } } });
}
