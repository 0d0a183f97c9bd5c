# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who runs a deployment on a host whose inventory names nobody: a system user where root and systemd are there.

What is deployed already stays as it is: the files of a deployment that root runs are root's.
"""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

from . import folders


def choose(home: str, name: str, systemd: bool) -> tuple[str, str]:
    """
    :param home: the folder of the deployment.
    :param name: that of the deployment, which its user then has.
    :returns: the user (empty: who asks), and why, in a sentence.
    """
    if os.geteuid() != 0:
        return "", "Ansible is not root here, so the server runs as the present user."
    if not systemd:
        return "", "There is no systemd here, so supervisor runs the server as the present user."
    try:
        if folders.made_account(pwd.getpwnam(name), home):
            return name, f"The user {name} was made for this deployment."
    except KeyError:
        pass
    if folders.holds_something(home):
        return "", f"{home} holds what root has made, and stays root's."
    if closed := _closed(Path(home)):
        return "", f"{closed} lets nobody but root in: set mlflow_data_dir to a folder such as /var/lib/{name}."
    return name, f"A system user {name} is made for this deployment."


def _closed(home: Path) -> Path | None:
    """The first folder above it that another user cannot enter."""
    for folder in reversed(home.parents):
        try:
            if not folder.stat().st_mode & stat.S_IXOTH:
                return folder
        except OSError:
            return None  # it is made with the home
    return None
