import { isSwitchedOn } from "../boolean.ts";

/**
 * Decides whether to write colors to a stream.
 *
 * The first of these rules that applies decides:
 *
 * 1. `FORCE_COLOR` is set: yes, unless it is `0` or `false`.
 * 2. `NO_COLOR` is set: no (https://no-color.org).
 * 3. The stream is not a terminal, as in most CI systems: no.
 * 4. `TERM` is `dumb`: no.
 *
 * `CI` alone is ignored, since a CI system that gives jobs a terminal shows
 * colors, and others set `FORCE_COLOR`.
 *
 * @param env Environment variables.
 * @param isTerminal Whether the stream is a terminal.
 * @returns Whether to color.
 */
export function shouldUseColor(
  env: Readonly<Record<string, string>>,
  isTerminal: boolean,
): boolean {
  if (env.FORCE_COLOR) return isSwitchedOn(env.FORCE_COLOR);
  if (env.NO_COLOR) return false;
  return isTerminal && env.TERM !== "dumb";
}
