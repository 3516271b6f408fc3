import { isSwitchedOn } from "../boolean.ts";

/**
 * Decides whether what is written to a stream may have colors.
 *
 * The first of these that says something decides:
 *
 * 1. `FORCE_COLOR`: `0` and `false` say no, any other text says yes.
 * 2. `NO_COLOR`: any text says no (https://no-color.org).
 * 3. A stream that is no terminal, as those of most CI systems, has none.
 * 4. `TERM=dumb` says no.
 *
 * `CI` alone says nothing: a CI system that gives jobs a terminal shows
 * colors, and others set `FORCE_COLOR`.
 *
 * @param env Variables of the environment.
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
