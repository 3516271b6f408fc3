import { join } from "@std/path/posix/join";
import { Variable } from "../environment/variables.ts";
import { RunnerError } from "../errors.ts";
import type { CacheStore } from "./cache_store.ts";
import { DirectoryStore } from "./directory_store.ts";

/** Options for {@linkcode openStore}. */
export interface OpenStoreOptions {
  /** Environment of the runner, with the token of an HTTP store. */
  readonly env: Readonly<Record<string, string>>;
  /** Whether the token may be sent over plain HTTP. */
  readonly allowInsecureTransport: boolean;
}

/**
 * Opens the store of a setting: the path or `file:` URL of a directory, or an
 * `https:` URL. Without one, it is `reactorcide/cache` in `$XDG_CACHE_HOME`, or
 * in `~/.cache`.
 *
 * @param setting Text of the setting; empty if there is none.
 * @throws {RunnerError} `invalid-config` if the setting cannot be used.
 * @throws {Error} If the directory cannot be created.
 *
 * @see {@link https://specifications.freedesktop.org/basedir-spec/latest/}
 */
export async function openStore(
  setting: string,
  { env, allowInsecureTransport }: OpenStoreOptions,
): Promise<CacheStore> {
  if (setting === "") return await DirectoryStore.open(userDirectory(env));
  if (setting.startsWith("/")) return await DirectoryStore.open(setting);
  const url = URL.parse(setting);
  if (url?.protocol === "file:" && url.host === "") {
    return await DirectoryStore.open(decodeURIComponent(url.pathname));
  }
  if (url?.protocol === "https:" || url?.protocol === "http:") {
    checkUrl(url, allowInsecureTransport);
    const { HttpStore } = await import("./http_store.ts");
    return new HttpStore(url, env[Variable.cacheToken] ?? "");
  }
  throw unusable("it must be an absolute path, or a file: or https: URL");
}

function userDirectory(env: Readonly<Record<string, string>>): string {
  const { XDG_CACHE_HOME: cache = "", HOME: home = "" } = env;
  // According to the specification, relative paths are ignored.
  if (cache.startsWith("/")) return join(cache, "reactorcide/cache");
  if (home.startsWith("/")) return join(home, ".cache/reactorcide/cache");
  throw new Error("neither XDG_CACHE_HOME nor HOME is an absolute path");
}

function checkUrl(url: URL, allowInsecureTransport: boolean): void {
  // The URL is not quoted, since it may contain a secret.
  if (url.username !== "" || url.password !== "") {
    throw unusable(
      `its URL contains user info; set ${Variable.cacheToken} instead`,
    );
  }
  if (url.search !== "" || url.hash !== "") {
    throw unusable("its URL contains a query or a fragment");
  }
  if (url.protocol === "http:" && !allowInsecureTransport) {
    throw unusable(
      `plain HTTP would send the token unencrypted. Use an https URL, or allow it with ${Variable.allowInsecureTransport}=true or --allow-insecure-transport`,
    );
  }
}

function unusable(reason: string): RunnerError {
  return new RunnerError(`Cannot use the cache store: ${reason}`, {
    code: "invalid-config",
  });
}
