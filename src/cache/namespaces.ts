import { RunnerError } from "../errors.ts";
import { CACHE_NAME } from "./cache_entry.ts";

/** Suffix of the namespaces of untrusted steps, which no other namespace may have. */
const UNTRUSTED = ".untrusted";

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
