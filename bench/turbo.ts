import { isAvailable } from "./programs.ts";

/** Package and version of Turborepo that npm installs for the benchmark. */
const TURBO = "turbo@2.11.11";

/**
 * Installs Turborepo next to a project.
 *
 * @param project Absolute path of the project.
 * @returns Command line that runs `build` in each package, with a local cache and
 * without a daemon; `undefined` if Turborepo cannot be installed.
 */
export async function installTurbo(
  project: string,
): Promise<string[] | undefined> {
  if (!isAvailable("npm", "--version")) return undefined;
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

/** Options for {@linkcode writeTurboProject}. */
export interface TurboProject {
  /** Build command of each package, by name. */
  readonly packages: Readonly<Record<string, string>>;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

/** Writes the configuration files that Turborepo needs for a project. */
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
