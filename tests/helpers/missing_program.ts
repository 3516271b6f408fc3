/** Variable that forbids skipping tests whose program is missing. */
const REQUIRED = "REQUIRE_TOOLS";

/**
 * Checks whether a program is missing, so that its tests must be skipped, and
 * prints that.
 *
 * On machines that check changes, no program may be missing.
 */
export function isProgramMissing(program: string): boolean {
  const isInstalled = (Deno.env.get("PATH") ?? "").split(":").some((path) => {
    try {
      return Deno.statSync(`${path}/${program}`).isFile;
    } catch {
      // It is in another directory, or nowhere.
      return false;
    }
  });
  if (isInstalled) return false;
  if (Deno.env.get(REQUIRED) === "1") {
    throw new Error(`"${program}" is not installed, and ${REQUIRED} is set`);
  }
  console.log(`Tests of "${program}" are skipped: it is not installed`);
  return true;
}
