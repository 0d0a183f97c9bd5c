"""The pinned Locust, installed by the role's own tasks into a cache that test runs share."""

from __future__ import annotations

import hashlib
from pathlib import Path

from . import cache
from .playbooks import REPOSITORY, run_play

ROLE = REPOSITORY / "roles" / "locust"
SCENARIO = ROLE / "files" / "mlflow_scenario.py"


def installed() -> Path:
    """Folder (locust_dir) with the environment that the role makes."""
    state = [(ROLE / "files/requirements.txt").read_text(), (ROLE / "defaults/main.yml").read_text()]
    folder = cache.HOME.parent / "test-locust" / hashlib.sha256("".join(state).encode()).hexdigest()[:10]
    with cache.alone(folder):
        if not list(folder.glob("*/.complete")):
            role = {"ansible.builtin.include_role": {"name": "mlops.mlflow.locust"}}
            run_play([role], variables={"locust_dir": str(folder)}).succeeded()
    return folder


def program(folder: Path) -> Path:
    (found,) = folder.glob("*/bin/locust")
    return found
