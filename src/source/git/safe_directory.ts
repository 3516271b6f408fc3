import { resolve } from "@std/path/posix/resolve";
import type { ConfigEntry } from "./git_config.ts";
import type { GitUrl } from "./url.ts";

/**
 * Command that serves a local repository regardless of its owner. Git has no
 * other way to pass `safe.directory` to the server process.
 *
 * As git requires for repositories of other users, the server starts no program
 * that the repository configures. If objects are missing, it must not fetch
 * them from the repository's remotes.
 */
const UPLOAD_PACK =
  "GIT_ALLOW_PROTOCOL=none GIT_NO_LAZY_FETCH=1 git -c 'safe.directory=*' upload-pack";

/**
 * Returns the configuration that allows fetching from a local remote regardless
 * of its owner.
 *
 * @returns Settings of git; none if the remote is not local.
 */
export function ownerConfig(
  { isLocal }: GitUrl,
  remote = "origin",
): ConfigEntry[] {
  return isLocal ? [[`remote.${remote}.uploadpack`, UPLOAD_PACK]] : [];
}

/** Variables that are valid until they are disposed. */
export interface OwnerVariables extends AsyncDisposable {
  readonly variables: Readonly<Record<string, string>>;
}

/**
 * Makes git, and every git that it starts, accept repositories of all owners.
 * For submodules, this requires a configuration file.
 *
 * @param directory Absolute path of the directory in which the file is created.
 * @param env Environment that determines the location of the user's
 * configuration.
 * @param cwd Absolute path against which a relative path is resolved.
 * @returns Environment variables of git.
 */
export async function trustOwners(
  directory: string,
  env: Readonly<Record<string, string>>,
  cwd: string,
): Promise<OwnerVariables> {
  const path = await Deno.makeTempFile({ dir: directory, prefix: "global-" });
  const includes = globalFiles(env).map((file) =>
    `[include]\n\tpath = "${resolve(cwd, file).replace(/["\\]/g, "\\$&")}"\n`
  );
  await Deno.writeTextFile(
    path,
    `${includes.join("")}[safe]\n\tdirectory = *\n`,
  );
  return {
    variables: { GIT_CONFIG_GLOBAL: path, GIT_NO_LAZY_FETCH: "1" },
    [Symbol.asyncDispose]: () => Deno.remove(path),
  };
}

/** Lists the configuration files of the user in git's order. */
function globalFiles(env: Readonly<Record<string, string>>): string[] {
  const { GIT_CONFIG_GLOBAL: file, XDG_CONFIG_HOME, HOME } = env;
  if (file !== undefined) return file === "" ? [] : [file];
  const configHome = XDG_CONFIG_HOME || (HOME ? `${HOME}/.config` : "");
  return [
    ...configHome === "" ? [] : [`${configHome}/git/config`],
    ...HOME ? [`${HOME}/.gitconfig`] : [],
  ];
}
