import { CONFIG_KEYS } from "../../config/keys.ts";
import { RunnerError } from "../../errors.ts";
import { findOnPath } from "../sandbox/find_deno.ts";
import boot from "./runnerlib/_boot.py" with { type: "text" };
import { PYTHON_PACKAGE } from "./python_package.ts";

/** Options of Python: text is UTF-8, and variables of a job do not change Python. */
const OPTIONS = ["-E", "-X", "utf8"];

/**
 * Puts together the command that runs the plugins of a file in Python.
 *
 * The host that loads the file is passed as text: a compiled runner has no
 * files, and a package from JSR has none that Python could read.
 *
 * @param file Path of the file.
 * @param env Environment of the runner.
 * @returns Program and arguments.
 * @throws {RunnerError} `plugin-failed`, if there is no Python.
 */
export async function pythonCommand(
  file: string,
  env: Readonly<Record<string, string>>,
): Promise<string[]> {
  const python = await findOnPath("python3", env);
  if (python === undefined) {
    throw new RunnerError(
      "there is no python3 on PATH, which runs plugins in Python",
      { code: "plugin-failed" },
    );
  }
  return [python, ...OPTIONS, "-c", boot, hostData(), file];
}

let data: string | undefined;

function hostData(): string {
  return data ??= JSON.stringify({
    modules: PYTHON_PACKAGE,
    settings: CONFIG_KEYS.map(({ name }) => name),
    switches: CONFIG_KEYS
      .filter((key) => "kind" in key && key.kind === "switch")
      .map(({ name }) => name),
  });
}
