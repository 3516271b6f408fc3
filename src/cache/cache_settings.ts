import { readOptions } from "../config/load_config.ts";
import type { CacheMode } from "../config/step_cache_config.ts";
import { RunnerError } from "../errors.ts";
import type { Host } from "../host.ts";
import { CACHE_NAME } from "./cache_entry.ts";

/** Suffix of the namespaces of untrusted steps, which no other namespace may have. */
const UNTRUSTED = ".untrusted";

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
