import host from "./runnerlib/_host.py" with { type: "text" };
import runner from "./runnerlib/_runner.py" with { type: "text" };
import entry from "./runnerlib/__main__.py" with { type: "text" };
import cli from "./runnerlib/cli.py" with { type: "text" };
import pipeline from "./runnerlib/_pipeline.py" with { type: "text" };
import program from "./runnerlib/_program.py" with { type: "text" };
import secrets from "./runnerlib/_secrets.py" with { type: "text" };
import job from "./runnerlib/job.py" with { type: "text" };
import state from "./runnerlib/state.py" with { type: "text" };
import root from "./runnerlib/__init__.py" with { type: "text" };
import gitOps from "./runnerlib/git_ops.py" with { type: "text" };
import logging from "./runnerlib/logging.py" with { type: "text" };
import plugins from "./runnerlib/plugins.py" with { type: "text" };
import registerSecret from "./runnerlib/register_secret.py" with {
  type: "text",
};
import workflow from "./runnerlib/workflow.py" with { type: "text" };

/** The package `runnerlib` for Python: texts of modules by their names. */
export const PYTHON_PACKAGE: Readonly<Record<string, string>> = {
  "runnerlib": root,
  "runnerlib.__main__": entry,
  "runnerlib._host": host,
  "runnerlib._pipeline": pipeline,
  "runnerlib._program": program,
  "runnerlib._runner": runner,
  "runnerlib._secrets": secrets,
  "runnerlib.cli": cli,
  "runnerlib.git_ops": gitOps,
  "runnerlib.job": job,
  "runnerlib.logging": logging,
  "runnerlib.plugins": plugins,
  "runnerlib.register_secret": registerSecret,
  "runnerlib.state": state,
  "runnerlib.workflow": workflow,
};
