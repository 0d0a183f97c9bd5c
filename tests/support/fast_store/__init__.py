"""Shows that the fast store and MLflow's own do the same: programs for MLflow's interpreter, and what starts them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._engine.server.plan import host

from ..postgresql import OWNER_PASSWORD

PROGRAMS = Path(__file__).parent / "programs"


def install(folder: Path) -> Path:
    """The plugin as the role installs it below C(folder); returns what goes into PYTHONPATH."""
    for file in host.plugin(*host.FAST_STORE):
        target = folder / file["dest"]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(file.get("content") or (host.STANDALONE / file["src"]).read_text())
    return folder / host.FAST_STORE[1]


def run(interpreter: Path, plugin: Path, program: str, *arguments: str) -> dict[str, Any]:
    """What one of the programs prints, under the owner of the databases."""
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(plugin),
        "PGPASSWORD": OWNER_PASSWORD,
        "HOME": os.environ["HOME"],
    }
    env |= {"MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [str(interpreter), "-W", "ignore", str(PROGRAMS / f"{program}.py"), *arguments]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
