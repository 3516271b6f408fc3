"""Queries of the job's git repository."""

from __future__ import annotations

import os
import subprocess
from typing import Dict, List, Optional

# Source directory of a job, unless ``REACTORCIDE_CODE_DIR`` is set.
SOURCE_DIRECTORY = "/job/src"


def changed_files(
    from_ref: str = "HEAD^", to_ref: str = "HEAD", code_dir: Optional[str] = None
) -> List[str]:
    """Lists the files that differ between two revisions; empty if git fails."""
    output = _git(
        ["diff", "--name-only", "-z", "--end-of-options", from_ref, to_ref, "--"],
        code_dir,
    )
    return [name for name in (output or "").split("\0") if name]


get_changed_files = changed_files
git_changed_files = changed_files


def git_info(code_dir: Optional[str] = None) -> Dict[str, Optional[str]]:
    """Describes the checked out commit; unknown values are ``None``."""
    branch = _line(["symbolic-ref", "--short", "--quiet", "HEAD"], code_dir)
    return {
        "branch": branch or os.environ.get("REACTORCIDE_BRANCH") or None,
        "commit": _line(["rev-parse", "HEAD"], code_dir),
        "short_commit": _line(["rev-parse", "--short=7", "HEAD"], code_dir),
        "tag": _line(["describe", "--tags", "--exact-match", "HEAD"], code_dir),
        "remote_url": _line(["remote", "get-url", "origin"], code_dir),
    }


def _line(arguments: List[str], code_dir: Optional[str]) -> Optional[str]:
    return (_git(arguments, code_dir) or "").strip() or None


def _git(arguments: List[str], code_dir: Optional[str]) -> Optional[str]:
    directory = code_dir or os.environ.get("REACTORCIDE_CODE_DIR") or SOURCE_DIRECTORY
    if not os.path.isdir(directory):
        directory = os.getcwd()
    try:
        result = subprocess.run(
            ["git", *arguments],
            cwd=directory,
            capture_output=True,
            check=False,
        )
    except OSError:
        return None
    if result.returncode != 0:
        return None
    return result.stdout.decode("utf-8", "surrogateescape")
