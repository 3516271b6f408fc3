import { CLI, cliEnv } from "./cli.ts";
import { GIT_ENV } from "./git_repository.ts";
import { denoDirectory, npmDirectory } from "./surroundings.ts";
import { makeFiles } from "./temporary_directory.ts";

/**
 * Runs a script in bash.
 *
 * @param script Commands that write into the directory only.
 * @param directory Directory to use, the same one in the script.
 * @returns What bash itself says.
 */
export type PageShell = (script: string, directory: string) => Promise<string>;

/**
 * Makes a shell of this machine, with a home of its own and a `runnerlib`.
 *
 * @param cwd Directory in which it begins; a new one unless given.
 */
export function shellHere(cwd?: string): PageShell {
  return async (script, directory) => {
    await makeFiles(directory, {
      "bin/deno": `-> ${Deno.execPath()}`,
      "bin/runnerlib": `#!/bin/sh\nexec deno run -A --no-check ${CLI} "$@"\n`,
      "home/": "",
      "work/": "",
    });
    await Deno.chmod(`${directory}/bin/runnerlib`, 0o755);
    const { PATH, HOME: _home, ...git } = GIT_ENV;
    const { stderr } = await new Deno.Command("bash", {
      args: ["--norc", "-c", script],
      cwd: cwd ?? `${directory}/work`,
      clearEnv: true,
      env: {
        ...cliEnv(git),
        PATH: `${directory}/bin:${PATH}`,
        DENO_DIR: await denoDirectory(),
        HOME: `${directory}/home`,
        // What npm thinks of its own version is no part of the page.
        npm_config_update_notifier: "false",
        npm_config_cache: npmDirectory(`${directory}/home`),
        TMPDIR: `${directory}/work`,
      },
      stdin: "null",
    }).output();
    return new TextDecoder().decode(stderr);
  };
}
