"""Copies of this clone, with what is not committed yet."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from .playbooks import REPOSITORY


def copy_to(folder: Path, leave_out: tuple[str, ...] = ()) -> None:
    """
    :param leave_out: how paths begin that are not copied.
    """
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, names):
        source, goal = REPOSITORY / name, folder / name
        # A file that is removed and not yet committed is still listed.
        if not name.startswith(leave_out) and (source.is_symlink() or source.is_file()):
            goal.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, goal, follow_symlinks=False)
