import { join } from "@std/path/posix/join";
import { readOptions } from "../config/load_config.ts";
import type { CacheMode } from "../config/step_cache_config.ts";
import { Variable } from "../environment/variables.ts";
import { RunnerError } from "../errors.ts";
import type { Host } from "../host.ts";
import { CACHE_NAME } from "./cache_entry.ts";
import {
  type CacheStore,
  checkServerUrl,
  invalidStore,
  type StoreSetting,
} from "./cache_store.ts";
import { DirectoryStore } from "./directory_store.ts";

/** Suffix of the namespaces of untrusted steps, which no other namespace may have. */
const UNTRUSTED = ".untrusted";

/** Variables with the credentials of an S3 server. */
const S3_VARIABLES = [
  "AWS_ACCESS_KEY_ID",
  "AWS_SECRET_ACCESS_KEY",
  "AWS_SESSION_TOKEN",
];

/**
 * Opens the store of a setting: the path or `file:` URL of a directory, an
 * `https:` URL, or an `s3:` URL, see `s3_client.ts`. Without one, it is
 * `reactorcide/cache` in `$XDG_CACHE_HOME`, or in `~/.cache`.
 *
 * @param setting Text of the setting; empty if there is none.
 * @throws {RunnerError} `invalid-config` if the setting cannot be used.
 * @throws {Error} If the directory cannot be created.
 *
 * @see {@link https://specifications.freedesktop.org/basedir-spec/latest/}
 */
export async function openStore(
  setting: string,
  { env, allowInsecureTransport, isRequired = false }: StoreSetting,
): Promise<CacheStore> {
  const options = isRequired ? { pauseMs: 0 } : {};
  if (setting === "") return await DirectoryStore.open(findUserDirectory(env));
  if (setting.startsWith("/")) return await DirectoryStore.open(setting);
  const url = URL.parse(setting);
  if (url?.protocol === "file:" && url.host === "") {
    return await DirectoryStore.open(decodeURIComponent(url.pathname));
  }
  if (url?.protocol === "https:" || url?.protocol === "http:") {
    checkServerUrl(url, {
      label: "its URL",
      hint: Variable.cacheToken,
      allowInsecureTransport,
    });
    const { HttpStore } = await import("./http_store.ts");
    return new HttpStore(url, env[Variable.cacheToken] ?? "", options);
  }
  if (url?.protocol === "s3:") {
    const { parseS3Location } = await import("./s3_client.ts");
    const { S3Store } = await import("./s3_store.ts");
    return new S3Store(
      parseS3Location(url, { env, allowInsecureTransport }),
      readS3Credentials(env),
      options,
    );
  }
  throw invalidStore(
    "it must be an absolute path, or a file:, https: or s3: URL",
  );
}

/**
 * Returns the names of the variables with the location and credentials of a store.
 *
 * @param setting Text of the setting; empty if there is none.
 */
export function storeVariables(setting: string): readonly string[] {
  const common = [Variable.cacheStore, Variable.cacheToken];
  return /^s3:/i.test(setting) ? [...common, ...S3_VARIABLES] : common;
}

function findUserDirectory(env: Readonly<Record<string, string>>): string {
  const { XDG_CACHE_HOME: cache = "", HOME: home = "" } = env;
  // According to the specification, relative paths are ignored.
  if (cache.startsWith("/")) return join(cache, "reactorcide/cache");
  if (home.startsWith("/")) return join(home, ".cache/reactorcide/cache");
  throw new Error("neither XDG_CACHE_HOME nor HOME is an absolute path");
}

function readS3Credentials(env: Readonly<Record<string, string>>) {
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN } = env;
  if (AWS_ACCESS_KEY_ID && AWS_SECRET_ACCESS_KEY) {
    return {
      accessKeyId: AWS_ACCESS_KEY_ID,
      secretAccessKey: AWS_SECRET_ACCESS_KEY,
      sessionToken: AWS_SESSION_TOKEN || undefined,
    };
  }
  // Untrusted steps have no credentials: for them, the cache is empty.
  throw new Error("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set");
}

/** Settings of the cache. */
export interface CacheSettings {
  /** Whether entries are restored and saved. */
  readonly mode: CacheMode;
  /** Setting of the store; empty for the default one. */
  readonly store: string;
  /** Maximum size of the store, and of one unpacked entry, in bytes. */
  readonly maxBytes: number;
  /** Namespace that is read and written. */
  readonly namespace: string;
  /** Other namespaces that are read. */
  readonly readFrom: readonly string[];
}

/**
 * Reads the settings of the cache from the environment.
 *
 * @throws {RunnerError} `invalid-config` if a namespace is not valid.
 */
export function readCacheSettings(host: Host): CacheSettings {
  const values = readOptions(host, [
    "cache",
    "cache_store",
    "cache_max_bytes",
    "cache_namespace",
    "cache_read_from",
  ]);
  const namespace = values.cache_namespace;
  checkNamespaces([namespace, ...values.cache_read_from ?? []]);
  return {
    mode: values.cache,
    store: values.cache_store ?? "",
    maxBytes: values.cache_max_bytes,
    namespace,
    readFrom: values.cache_read_from ?? [],
  };
}

/**
 * Checks the namespaces of a job.
 *
 * @throws {RunnerError} `invalid-config` if one is not valid, or for untrusted
 * steps.
 */
export function checkNamespaces(namespaces: readonly string[]): void {
  for (const namespace of namespaces) {
    const problem = !CACHE_NAME.test(namespace)
      ? `it must match ${CACHE_NAME}`
      : namespace.endsWith(UNTRUSTED)
      ? `names that end with "${UNTRUSTED}" are for untrusted steps`
      : undefined;
    if (problem === undefined) continue;
    throw new RunnerError(
      `Cannot use cache namespace ${JSON.stringify(namespace)}: ${problem}`,
      { code: "invalid-config" },
    );
  }
}

/**
 * Returns the namespace in which untrusted steps write. No trusted step reads
 * it.
 *
 * @returns `undefined` if its name would be too long.
 */
export function untrustedNamespace(namespace: string): string | undefined {
  const untrusted = `${namespace}${UNTRUSTED}`;
  return CACHE_NAME.test(untrusted) ? untrusted : undefined;
}
