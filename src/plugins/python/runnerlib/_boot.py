# Starts the host for Python plugins. The first argument contains the package
# as JSON; the second one is the path of the plugin file.
import sys

# The current directory contains the untrusted source of a job, so nothing is
# imported from it. PYTHONPATH, which a job may set, must not replace modules of
# Python; its entries are appended at the end.
sys.path[:] = [path for path in sys.path if path.startswith("/")]

import json
import os

here = os.path.join(os.path.realpath(os.getcwd()), "")
for path in os.environ.get("PYTHONPATH", "").split(os.pathsep):
    is_here = os.path.join(os.path.realpath(path), "").startswith(here)
    if os.path.isabs(path) and not is_here:
        sys.path.append(path)

if sys.version_info < (3, 9):
    version = ".".join(map(str, sys.version_info[:3]))
    message = "plugins in Python need Python 3.9 or newer, and this is " + version
    print(json.dumps({"type": "broken", "name": "", "message": message}))
    sys.stdout.flush()
    sys.exit(1)

import importlib
import importlib.abc
import importlib.util

data = json.loads(sys.argv[1])
modules = data["modules"]


class Package(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Imports the package from source code in memory."""

    def find_spec(self, name, path=None, target=None):
        if name not in modules:
            return None
        spec = importlib.util.spec_from_loader(
            name, self, is_package=self.is_package(name)
        )
        spec.origin = self.path_of(name)
        spec.has_location = True
        return spec

    def path_of(self, name):
        parts = name.split(".")
        leaf = parts[1] if len(parts) > 1 else "__init__"
        return f"<runnerlib>/{leaf}.py"

    def get_source(self, name):
        return modules[name]

    def is_package(self, name):
        return "." not in name

    def get_code(self, name):
        return compile(modules[name], self.path_of(name), "exec")


class OldName(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports the package by its old name ``src``, unless another one exists."""

    def find_spec(self, name, path=None, target=None):
        ours = self.new_name(name)
        if ours is None:
            return None
        return importlib.util.spec_from_loader(
            name, self, is_package="." not in name
        )

    def new_name(self, name):
        if name != "src" and not name.startswith("src."):
            return None
        ours = "runnerlib" + name[len("src"):]
        return ours if ours in modules else None

    def create_module(self, spec):
        return importlib.import_module(self.new_name(spec.name))

    def exec_module(self, module):
        pass


sys.meta_path.insert(0, Package())
sys.meta_path.append(OldName())
sys.argv[:] = [sys.argv[2]]

from runnerlib import _host, _runner

_runner.SETTINGS = frozenset(data["settings"])
_runner.SWITCHES = frozenset(data["switches"])
_host.main(sys.argv[0])
