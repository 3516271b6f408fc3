import { isInstalled } from "./is_installed.ts";

/** Variable that forbids skipping tests of a client. */
const REQUIRED = "REQUIRE_TOOLS";

/**
 * Checks whether a client is missing and its tests must be skipped, and prints
 * that.
 *
 * On machines that check changes, no client may be missing.
 */
export function isClientMissing(program: string): boolean {
  if (isInstalled(program)) return false;
  if (Deno.env.get(REQUIRED) === "1") {
    throw new Error(`"${program}" is not installed, and ${REQUIRED} is set`);
  }
  console.log(`Tests of "${program}" are skipped: it is not installed`);
  return true;
}
