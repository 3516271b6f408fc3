/**
 * Writes `src/secrets/mask/scan_module.ts`, the WebAssembly that scans texts,
 * from its code in `scripts/scan/code.ts`: `deno task scan`.
 *
 * Assembling takes longer than a short job, so it is not done when a job runs.
 *
 * @module
 */
import { assembleScan } from "./scan/code.ts";

/** Where the module is. */
export const SCAN_MODULE_FILE: URL = new URL(
  "../src/secrets/mask/scan_module.ts",
  import.meta.url,
);

/** Gives the source that holds the module. */
export function scanModuleSource(): string {
  return `/** The WebAssembly of the scanner, in base64: \`deno task scan\` writes it from \`scripts/scan/code.ts\`. */
export const SCAN_MODULE =
  "${assembleScan().toBase64()}";
`;
}

if (import.meta.main) {
  await Deno.writeTextFile(SCAN_MODULE_FILE, scanModuleSource());
}
