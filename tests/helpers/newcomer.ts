import { REPOSITORY } from "./cli.ts";
import { engine, type EngineResult, IMAGE } from "./image.ts";
import type { PageShell } from "./page_shell.ts";
import { CERTIFICATE_FILES, REGISTRY_ACCESS } from "./passed_variables.ts";
import { openToAll } from "./temporary_directory.ts";

/** Runs a command on a machine that has only what the README requires. */
export function asNewcomer(
  argv: string[],
  options: string[] = [],
): Promise<EngineResult> {
  return engine(
    ...["run", "--rm", "--network=host", ...networkOptions(), ...options],
    ...[`${IMAGE}-newcomer`, ...argv],
  );
}

/** A shell on this machine, in a clone of this repository. */
export function newcomerShell(): PageShell {
  return async (script, directory) => {
    await clone(`${directory}/clone`);
    await Deno.writeTextFile(`${directory}/script`, script);
    await openToAll(directory);
    const { stdout, stderr } = await asNewcomer(
      [
        ...["bash", "--norc", "-c"],
        'cp -R "$1/clone" ~/runnerlib && cd ~/runnerlib && . "$1/script"',
        ...["bash", directory],
      ],
      [
        `--volume=${directory}:${directory}`,
        // Npm's notices about its own version are not part of a page.
        "--env=npm_config_update_notifier=false",
      ],
    );
    return stdout + stderr;
  };
}

/** Options with which a container reaches a registry. */
function networkOptions(): string[] {
  const options = REGISTRY_ACCESS.map((name) => `--env=${name}`);
  for (const name of CERTIFICATE_FILES) {
    const path = Deno.env.get(name);
    if (!path) continue;
    options.push(`--env=${name}`, `--volume=${path}:${path}:ro`);
  }
  return options;
}

/** Clones the repository, and copies uncommitted changes. */
async function clone(target: string): Promise<void> {
  const script = `git clone --quiet "$1" "$2" && cd "$1" &&
    git diff --binary HEAD | git -C "$2" apply --allow-empty`;
  const { success, stderr } = await new Deno.Command("bash", {
    args: ["-c", script, "bash", REPOSITORY, target],
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}
