import { CLI, cliEnv } from "./cli.ts";
import { GIT_ENV } from "./git_repository.ts";
import { denoDirectory, npmDirectory } from "./passed_variables.ts";
import { makeFiles } from "./temporary_directory.ts";

/**
 * Runs a script in bash.
 *
 * @param script Commands that write only to the directory.
 * @param directory Directory to use, the same one in the script.
 * @returns Error output of bash itself.
 */
export type PageShell = (script: string, directory: string) => Promise<string>;

/**
 * Creates a shell with its own home directory and a `runnerlib` program.
 *
 * @param cwd Initial directory; a new one by default.
 */
export function localShell(cwd?: string): PageShell {
  return async (script, directory) => {
    await makeFiles(directory, {
      "bin/deno": `-> ${Deno.execPath()}`,
      "bin/runnerlib": `#!/bin/sh\nexec deno run -A --no-check ${CLI} "$@"\n`,
      "bin/npx": createNpxScript(),
      "home/": "",
      "work/": "",
    });
    for (const name of ["runnerlib", "npx"]) {
      await Deno.chmod(`${directory}/bin/${name}`, 0o755);
    }
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
        // Npm's notices about its own version are not part of the page.
        npm_config_update_notifier: "false",
        npm_config_cache: npmDirectory(`${directory}/home`),
        TMPDIR: `${directory}/work`,
      },
      stdin: "null",
    }).output();
    return new TextDecoder().decode(stderr);
  };
}

/**
 * Creates a script in place of `npx` that calls the real one the first time.
 * Further calls for this version of Deno run Deno directly, since npx takes a
 * second to find out that it is installed.
 */
function createNpxScript(): string {
  return `#!/bin/sh
bin=$(dirname "$0")
if [ "$1 $2" = "-y deno@${Deno.version.deno}" ] && [ -e "$bin/npx-called" ]; then
  shift 2
  exec deno "$@"
fi
: > "$bin/npx-called"
PATH=\${PATH#"$bin:"}
exec npx "$@"
`;
}
