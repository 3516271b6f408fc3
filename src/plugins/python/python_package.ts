import host from "./runnerlib/_host.py" with { type: "text" };
import runner from "./runnerlib/_runner.py" with { type: "text" };
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
  "runnerlib._host": host,
  "runnerlib._runner": runner,
  "runnerlib.git_ops": gitOps,
  "runnerlib.logging": logging,
  "runnerlib.plugins": plugins,
  "runnerlib.register_secret": registerSecret,
  "runnerlib.workflow": workflow,
};
