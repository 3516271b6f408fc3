/**
 * Assembles the text scanner in `scripts/scan/code.ts` to WebAssembly, and writes
 * it into `src/secrets/mask/scanner.ts`: `deno task scan`.
 *
 * Assembling takes longer than a short job, so it is not done at run time.
 *
 * @module
 */
import { assembleScan } from "./scan/code.ts";

/** File that contains the module. */
const SCANNER_FILE = new URL(
  "../src/secrets/mask/scanner.ts",
  import.meta.url,
);

/** Matches the module in that file. */
const MODULE = /(?<=const SCAN_MODULE =\s+")[^"]*/;

/** Returns the current module in the file, in base64. */
export async function currentScanModule(): Promise<string | undefined> {
  return MODULE.exec(await Deno.readTextFile(SCANNER_FILE))?.[0];
}

/** Assembles the module from its code. */
export function assembledScanModule(): string {
  return assembleScan().toBase64();
}

if (import.meta.main) {
  const source = await Deno.readTextFile(SCANNER_FILE);
  await Deno.writeTextFile(
    SCANNER_FILE,
    source.replace(MODULE, assembledScanModule()),
  );
}
