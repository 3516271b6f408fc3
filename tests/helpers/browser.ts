// deno-lint-ignore no-import-prefix
import type { Browser } from "npm:playwright-core@1.54.1";

/**
 * Starts Chromium without a window.
 *
 * @param home Directory for its files.
 * @param args More arguments.
 */
export async function launchBrowser(
  home: string,
  args: readonly string[] = [],
): Promise<Browser> {
  // Without HOME, the driver does not start and the browser leaves its files
  // in the directory for temporary ones. No other program reads this variable.
  Deno.env.set("PLAYWRIGHT_BROWSERS_PATH", home);
  const { chromium } = await import(
    // deno-lint-ignore no-import-prefix
    "npm:playwright-core@1.54.1"
  );
  return await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: ["--no-sandbox", ...args],
    env: { ...Deno.env.toObject(), HOME: home },
  });
}
