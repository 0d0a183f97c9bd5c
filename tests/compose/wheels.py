#!/usr/bin/env python
"""All that the benchmark installs with pip and uv, downloaded into a folder: nothing leaves the engine's namespace."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
ROLES = ROOT / "roles"
# What the role adds to MLflow itself, and what some sources need to be built.
_BESIDE = ("scikit-learn", "uvloop", "httptools", "obstore", "pyfastcdc", "zstandard", "setuptools")


def folder() -> Path:
    """Downloaded once for each state of the pins."""
    server, locust = ROLES / "mlflow_server", ROLES / "locust"
    wanted = [
        (server, [f"mlflow=={_read(server, 'vars/main/version.yml')['_mlflow_server_pinned_version']}",
                  *_read(server, "vars/main/host.yml")["_mlflow_server_tools"], *_BESIDE]),
        (locust, [f"locust=={_read(locust, 'defaults/main.yml')['locust_version']}"]),
    ]  # fmt: skip
    pins = [(packages, (role / "files/constraints.txt").read_text()) for role, packages in wanted]
    state = hashlib.sha256(json.dumps([pins, sys.version_info[:2]]).encode()).hexdigest()[:10]
    cache = Path(os.environ.get("MLOPS_TEST_CACHE") or ROOT / ".cache" / "test-mlflow").parent / "test-wheels" / state
    if not (cache / ".complete").exists():
        for role, packages in wanted:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
            command += ["--dest", str(cache), "--constraint", str(role / "files/constraints.txt"), *packages]
            subprocess.run(command, check=True)
        (cache / ".complete").touch()
    return cache


def variables() -> dict[str, dict[str, str]]:
    """What makes the roles install from the folder, as behind a wall: the same steps as from an index."""
    pip = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder())}
    uv = {"UV_OFFLINE": "1", "UV_FIND_LINKS": str(folder())}
    return {
        "benchmark_install_environment": pip,
        "locust_install_environment": pip,
        "mlflow_server_install_environment": pip | uv,
    }


def _read(role: Path, file: str) -> dict[str, Any]:
    return dict(yaml.safe_load((role / file).read_text()))


if __name__ == "__main__":
    print(json.dumps(variables()))
