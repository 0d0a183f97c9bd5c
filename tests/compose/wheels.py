#!/usr/bin/env python
"""All that the walk installs with pip and uv, downloaded into a folder: nothing leaves the engine's namespace."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROLES = ROOT / "roles"
_LISTS = ("mlflow_server/files/tools.txt", "mlflow_server/files/constraints.txt", "locust/files/requirements.txt")
# What some sources need to be built.
_BUILD = ("setuptools", "wheel")


def folder() -> Path:
    """Downloaded once for each state of the pins."""
    lists = [ROLES / name for name in _LISTS]
    state = hashlib.sha256(json.dumps([[one.read_text() for one in lists], sys.version_info[:2]]).encode())
    home = Path(os.environ.get("MLOPS_TEST_CACHE") or ROOT / ".cache" / "test-mlflow").parent / "test-wheels"
    cache = home / state.hexdigest()[:10]
    if not (cache / ".complete").exists():
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        for one in lists:
            flags = ["--dest", str(cache), "--require-hashes", "--requirement", str(one)]
            subprocess.run([*command, *flags], check=True)
        subprocess.run([*command, "--dest", str(cache), *_BUILD], check=True)
        (cache / ".complete").touch()
    return cache


def variables() -> dict[str, dict[str, str]]:
    """What makes the roles install from the folder, as behind a wall: the same steps as from an index."""
    pip = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder())}
    uv = {"UV_OFFLINE": "1", "UV_FIND_LINKS": str(folder())}
    return {
        "benchmark_install_environment": pip | uv,
        "locust_install_environment": pip,
        "mlflow_server_install_environment": pip | uv,
    }


if __name__ == "__main__":
    print(json.dumps(variables()))
