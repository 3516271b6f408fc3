import { CommandGuard } from "./command_guard.ts";
import { HeadingGuard } from "./heading_guard.ts";
import type { Sinks } from "./printer.ts";
import type { Sink } from "./sink.ts";

/** Guards against markers that cannot be masked, by the CI system they are for. */
const GUARDS: Readonly<Record<string, new (sink: Sink) => Sink>> = {
  github: CommandGuard,
  buildkite: HeadingGuard,
};

/**
 * Wraps sinks so that no output of a program is a marker for a CI system.
 *
 * @param system Name of the CI system.
 * @param sinks Where the output goes.
 * @returns The sinks; `undefined` if masking is enough for the system.
 */
export function guardedSinks(
  system: string,
  { stdout, stderr }: Sinks,
): Sinks | undefined {
  if (!Object.hasOwn(GUARDS, system)) return undefined;
  const { [system]: Guard } = GUARDS;
  return { stdout: new Guard(stdout), stderr: new Guard(stderr) };
}
