import { booleanVariable } from "../boolean.ts";
import { Variable } from "../environment/variables.ts";
import type { CommandContext } from "./command.ts";

/**
 * Tells whether a command that has no other configuration waits for the
 * workspace.
 *
 * @param context What the command got to work with.
 * @returns Whether it does.
 * @throws {RunnerError} `invalid-config`, if the variable is not a boolean.
 */
export function waits({ switches, parts: { host } }: CommandContext): boolean {
  return switches.get("wait") ?? booleanVariable(host.env, Variable.wait) ??
    false;
}
