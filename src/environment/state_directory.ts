import type { Environment } from "./variables.ts";

/**
 * Returns the directory for state of the user that outlives a run. Untrusted
 * steps in a sandbox can neither see nor change it.
 *
 * @param env Environment of the runner.
 * @returns Absolute path, which need not exist; `undefined` if no variable
 * contains one.
 */
export function stateDirectory(env: Environment): string | undefined {
  const { XDG_STATE_HOME: state = "", HOME: home = "" } = env;
  if (state.startsWith("/")) return `${state}/reactorcide`;
  return home.startsWith("/") ? `${home}/.local/state/reactorcide` : undefined;
}
