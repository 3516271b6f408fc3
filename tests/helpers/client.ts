/** Variable that forbids skipping tests of a client. */
const REQUIRED = "REQUIRE_TOOLS";

/**
 * Checks whether a client is missing, so that its tests are skipped, and prints
 * that.
 *
 * On machines that check changes, no client may be missing.
 */
export function isClientMissing(program: string): boolean {
  const paths = (Deno.env.get("PATH") ?? "").split(":");
  const isThere = paths.some((path) => {
    try {
      return Deno.statSync(`${path}/${program}`).isFile;
    } catch {
      // Not there.
      return false;
    }
  });
  if (isThere) return false;
  if (Deno.env.get(REQUIRED) === "1") {
    throw new Error(`"${program}" is not installed, and ${REQUIRED} is set`);
  }
  console.log(`Tests of "${program}" are left out: it is not installed`);
  return true;
}
