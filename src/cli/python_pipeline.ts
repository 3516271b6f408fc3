import { shellWord } from "../command_text.ts";
import { RunnerError } from "../errors.ts";
import { PYTHON_PACKAGE } from "../plugins/python/python_command.ts";
import { findOnPath } from "../plugins/sandbox/find_deno.ts";

/**
 * Checks whether Python runs a pipeline.
 *
 * @param file Path of the pipeline.
 */
export function isPythonPipeline(file: string): boolean {
  return file.endsWith(".py");
}

/**
 * Finds the program that runs pipelines in Python.
 *
 * @param name Pipeline as typed.
 * @param env Environment of the runner.
 * @returns Path of the program.
 * @throws {RunnerError} `invalid-config`, if there is none.
 */
export async function findPython(
  name: string,
  env: Readonly<Record<string, string>>,
): Promise<string> {
  const path = await findOnPath("python3", env);
  if (path !== undefined) return path;
  throw new RunnerError(
    `Cannot run pipeline "${name}": there is no python3 on PATH`,
    { code: "invalid-config" },
  );
}

/**
 * Writes the package `runnerlib` for Python, and the program that it calls if
 * that is not on `PATH`.
 *
 * @param directory Directory for both, which the caller removes.
 * @param env Environment of the runner.
 * @returns Variables by which Python finds them.
 */
export async function writePythonPackage(
  directory: string,
  env: Readonly<Record<string, string>>,
): Promise<Record<string, string>> {
  const { PATH = "", PYTHONPATH } = env;
  const root = `${directory}/python`;
  await Deno.mkdir(`${root}/runnerlib`, { recursive: true });
  await Promise.all(
    Object.entries(PYTHON_PACKAGE).map(([module, text]) => {
      const [, name = "__init__"] = module.split(".");
      return Deno.writeTextFile(`${root}/runnerlib/${name}.py`, text);
    }),
  );
  const variables = {
    PYTHONPATH: PYTHONPATH ? `${root}:${PYTHONPATH}` : root,
  };
  if (await findOnPath("runnerlib", env) !== undefined) return variables;
  const programs = `${directory}/bin`;
  await Deno.mkdir(programs);
  await Deno.writeTextFile(
    `${programs}/runnerlib`,
    `#!/bin/sh\nexec ${ownCommand().map(shellWord).join(" ")} "$@"\n`,
    { mode: 0o755 },
  );
  return { ...variables, PATH: `${PATH}:${programs}` };
}

/** The command that started this program. */
function ownCommand(): string[] {
  const deno = Deno.execPath();
  return Deno.build.standalone
    ? [deno]
    : [deno, "run", "--quiet", "--allow-all", Deno.mainModule];
}
