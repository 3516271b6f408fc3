import { resolve } from "@std/path/posix/resolve";
import type { ConfigEntry } from "./config.ts";
import { isLocalPath } from "./url.ts";

/**
 * Command that serves a repository of this machine, regardless of its owner: git passes
 * `safe.directory` on to the server in no other way.
 *
 * Git's own rule for serving the repository of another user holds as well: the
 * server starts no program that the repository configures. A repository that
 * lacks objects must not fetch them from its own remotes.
 */
export const UPLOAD_PACK =
  "GIT_ALLOW_PROTOCOL=none GIT_NO_LAZY_FETCH=1 git -c 'safe.directory=*' upload-pack";

/**
 * Checks whether git opens a location on this machine, without a connection.
 *
 * @param url Location that was validated.
 * @returns Whether it does.
 */
export function isLocalUrl(url: string): boolean {
  return isLocalPath(url) || /^file:/i.test(url);
}

/**
 * Lets git fetch a remote of this machine, regardless of its owner.
 *
 * @param url Location of the remote.
 * @param remote Name of the remote.
 * @returns Configuration of git; none for other remotes.
 */
export function ownerConfig(url: string, remote = "origin"): ConfigEntry[] {
  return isLocalUrl(url) ? [[`remote.${remote}.uploadpack`, UPLOAD_PACK]] : [];
}

/** Variables that hold until they are disposed of. */
export interface OwnerVariables extends AsyncDisposable {
  /** Variables of git. */
  readonly variables: Readonly<Record<string, string>>;
}

/**
 * Lets git and every git that it starts work on the repositories of all owners.
 * For submodules, this takes a configuration file.
 *
 * @param directory Absolute path of a directory for the file.
 * @param env Environment, which says where the configuration of the user is.
 * @param cwd Absolute path against which a relative one is read.
 * @returns Variables of git.
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

/** Files of the user's configuration, as git finds them. */
function globalFiles(env: Readonly<Record<string, string>>): string[] {
  const { GIT_CONFIG_GLOBAL: file, XDG_CONFIG_HOME, HOME } = env;
  if (file !== undefined) return file === "" ? [] : [file];
  const configHome = XDG_CONFIG_HOME || (HOME ? `${HOME}/.config` : "");
  return [
    ...configHome === "" ? [] : [`${configHome}/git/config`],
    ...HOME ? [`${HOME}/.gitconfig`] : [],
  ];
}
