import { join } from "@std/path/posix/join";
import { RunnerError } from "../errors.ts";
import { DirectoryStore } from "./directory_store.ts";

/**
 * Opens the store of a setting: the path or `file:` URL of a directory. Without
 * one, it is `reactorcide/cache` in `$XDG_CACHE_HOME`, or in `~/.cache`.
 *
 * @param setting Text of the setting; empty if there is none.
 * @throws {RunnerError} `invalid-config` if the setting cannot be used.
 * @throws {Error} If the directory cannot be created.
 *
 * @see {@link https://specifications.freedesktop.org/basedir-spec/latest/}
 */
export async function openStore(
  setting: string,
  env: Readonly<Record<string, string>>,
): Promise<DirectoryStore> {
  return await DirectoryStore.open(storeDirectory(setting, env));
}

function storeDirectory(
  setting: string,
  env: Readonly<Record<string, string>>,
): string {
  if (setting === "") return userDirectory(env);
  if (setting.startsWith("/")) return setting;
  const url = URL.parse(setting);
  if (url?.protocol === "file:" && url.host === "") {
    return decodeURIComponent(url.pathname);
  }
  throw new RunnerError(
    "Cannot use the cache store: it must be an absolute path or a file: URL",
    { code: "invalid-config" },
  );
}

function userDirectory(env: Readonly<Record<string, string>>): string {
  const { XDG_CACHE_HOME: cache = "", HOME: home = "" } = env;
  // According to the specification, relative paths are ignored.
  if (cache.startsWith("/")) return join(cache, "reactorcide/cache");
  if (home.startsWith("/")) return join(home, ".cache/reactorcide/cache");
  throw new Error("neither XDG_CACHE_HOME nor HOME is an absolute path");
}
