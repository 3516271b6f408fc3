import type { CacheMode } from "../config/step_cache_config.ts";
import { readOptions } from "../config/load_config.ts";
import type { Host } from "../host.ts";
import { checkNamespaces } from "./namespaces.ts";

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
export function cacheSettings(host: Host): CacheSettings {
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
