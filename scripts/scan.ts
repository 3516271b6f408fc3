/**
 * Writes the WebAssembly that scans texts into `src/secrets/mask/scanner.ts`,
 * from its code in `scripts/scan/code.ts`: `deno task scan`.
 *
 * Assembling takes longer than a short job, so it is not done when a job runs.
 *
 * @module
 */
import { assembleScan } from "./scan/code.ts";

/** The file with the module. */
const SCANNER_FILE = new URL(
  "../src/secrets/mask/scanner.ts",
  import.meta.url,
);

/** The module in the source of the scanner. */
const MODULE = /(?<=const SCAN_MODULE =\s+")[^"]*/;

/** Returns the module, in base64, that the scanner has. */
export async function currentScanModule(): Promise<string | undefined> {
  return MODULE.exec(await Deno.readTextFile(SCANNER_FILE))?.[0];
}

/** Assembles the module that it should have. */
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
