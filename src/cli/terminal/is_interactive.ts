import type { Host } from "../../host.ts";
import { isSwitchedOn } from "../../boolean.ts";

/**
 * Decides whether a view may be drawn and drawn again on the terminal.
 *
 * That needs a person who watches: both streams are terminals that can move
 * their cursor, and `CI` is not set, for a terminal in CI is a recording.
 *
 * @param host The process.
 * @returns Whether somebody watches.
 */
export function isInteractive(
  host: Pick<Host, "env" | "stdout" | "stderr">,
): boolean {
  const { env, stdout, stderr } = host;
  if (isSwitchedOn(env.CI) || env.TERM === "dumb") return false;
  return stdout.isTerminal() && stderr.isTerminal();
}
