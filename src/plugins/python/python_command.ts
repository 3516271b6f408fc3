import type { Environment } from "../../environment/variables.ts";
import { RunnerError } from "../../errors.ts";
import { OPTIONS } from "../../options/options.ts";
import { findOnPath } from "../sandbox/find_deno.ts";
import root from "./runnerlib/__init__.py" with { type: "text" };
import entry from "./runnerlib/__main__.py" with { type: "text" };
import boot from "./runnerlib/_boot.py" with { type: "text" };
import host from "./runnerlib/_host.py" with { type: "text" };
import manager from "./runnerlib/_manager.py" with { type: "text" };
import pipeline from "./runnerlib/_pipeline.py" with { type: "text" };
import program from "./runnerlib/_program.py" with { type: "text" };
import runner from "./runnerlib/_runner.py" with { type: "text" };
import secrets from "./runnerlib/_secrets.py" with { type: "text" };
import cli from "./runnerlib/cli.py" with { type: "text" };
import config from "./runnerlib/config.py" with { type: "text" };
import gitOps from "./runnerlib/git_ops.py" with { type: "text" };
import job from "./runnerlib/job.py" with { type: "text" };
import logging from "./runnerlib/logging.py" with { type: "text" };
import plugins from "./runnerlib/plugins.py" with { type: "text" };
import registerSecret from "./runnerlib/register_secret.py" with {
  type: "text",
};
import state from "./runnerlib/state.py" with { type: "text" };
import workflow from "./runnerlib/workflow.py" with { type: "text" };

/** Options of Python: ignore `PYTHON*` variables of the job; text is UTF-8. */
const PYTHON_FLAGS = ["-E", "-X", "utf8"];

/**
 * Builds the command that runs the plugins of a Python file.
 *
 * The host that loads the file is passed as text, because neither a compiled
 * runner nor a package from JSR has files that Python can read.
 *
 * @param file Path of the file.
 * @returns Program and arguments.
 * @throws {RunnerError} `plugin-failed` if Python is not found.
 */
export async function pythonCommand(
  file: string,
  env: Environment,
): Promise<string[]> {
  const python = await findOnPath("python3", env);
  if (python === undefined) {
    throw new RunnerError(
      "python3, which runs plugins in Python, is not on PATH",
      { code: "plugin-failed" },
    );
  }
  return [python, ...PYTHON_FLAGS, "-c", boot, formatHostData(), file];
}

let data: string | undefined;

function formatHostData(): string {
  return data ??= JSON.stringify({
    modules: PYTHON_PACKAGE,
    settings: OPTIONS.map(({ name }) => name),
    switches: OPTIONS.filter(({ type }) => type === "boolean")
      .map(({ name }) => name),
  });
}

/** The Python package `runnerlib`: source code by module name. */
export const PYTHON_PACKAGE: Readonly<Record<string, string>> = {
  "runnerlib": root,
  "runnerlib.__main__": entry,
  "runnerlib._host": host,
  "runnerlib._manager": manager,
  "runnerlib._pipeline": pipeline,
  "runnerlib._program": program,
  "runnerlib._runner": runner,
  "runnerlib._secrets": secrets,
  "runnerlib.cli": cli,
  "runnerlib.config": config,
  "runnerlib.git_ops": gitOps,
  "runnerlib.job": job,
  "runnerlib.logging": logging,
  "runnerlib.plugins": plugins,
  "runnerlib.register_secret": registerSecret,
  "runnerlib.state": state,
  "runnerlib.workflow": workflow,
};
