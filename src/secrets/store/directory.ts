import { join } from "@std/path/posix/join";
import { RunnerError } from "../../errors.ts";

/**
 * Tells where the store of a user is: `reactorcide/secrets` in
 * `$XDG_CONFIG_HOME`, or else in `~/.config`.
 *
 * @param env Environment of the runner.
 * @returns Absolute path of the directory.
 * @throws {RunnerError} `invalid-config` if the environment does not tell.
 *
 * @see {@link https://specifications.freedesktop.org/basedir-spec/latest/}
 */
export function secretsDirectory(
  env: Readonly<Record<string, string>>,
): string {
  const { XDG_CONFIG_HOME: config = "", HOME: home = "" } = env;
  // The specification has a relative path ignored.
  if (config.startsWith("/")) return join(config, "reactorcide/secrets");
  if (home.startsWith("/")) return join(home, ".config/reactorcide/secrets");
  throw new RunnerError(
    `Cannot find the store of secrets: neither XDG_CONFIG_HOME nor HOME is an absolute path`,
    { code: "invalid-config" },
  );
}
