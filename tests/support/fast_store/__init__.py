"""Shows that the fast store and MLflow's own do the same: programs for MLflow's interpreter, and what starts them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._engine.server.plan import host

from ..databases import ADMIN, ADMIN_PASSWORD
from ..postgresql import OWNER_PASSWORD

PROGRAMS = Path(__file__).parent / "programs"


def install(folder: Path) -> Path:
    """The plugin as the role installs it below C(folder); returns what goes into PYTHONPATH."""
    for file in host.plugin(*host.FAST_STORE):
        target = folder / file["dest"]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(file.get("content") or (host.STANDALONE / file["src"]).read_text())
    return folder / host.FAST_STORE[1]


def run(interpreter: Path, plugin: Path | None, program: str, *arguments: str, **more: str) -> dict[str, Any]:
    """What one of the programs prints, under the owner of the databases; without the plugin, of MLflow alone.

    :param more: what it has in its environment besides.
    """
    env = {"PATH": os.environ["PATH"], "PGPASSWORD": OWNER_PASSWORD, "HOME": os.environ["HOME"], **more}
    env |= {"PYTHONPATH": str(plugin)} if plugin else {}
    env |= {"MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [str(interpreter), "-W", "ignore", str(PROGRAMS / f"{program}.py"), *arguments]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def with_a_login(folder: Path, tracking: str, users: str) -> dict[str, str]:
    """The environment of a program that is a server with basic authentication, of these databases."""
    configuration = {
        "default_permission": "READ",
        "database_uri": users,
        "admin_username": ADMIN,
        "authorization_function": "mlflow.server.auth:authenticate_request_basic_auth",
        "grant_default_workspace_access": "false",
        "auth_cache_ttl_seconds": "600",
    }
    file = folder / "auth.ini"
    file.write_text("[mlflow]\n" + "".join(f"{name} = {value}\n" for name, value in configuration.items()))
    return {
        "TEST_ADMIN_PASSWORD": ADMIN_PASSWORD,
        "MLFLOW_AUTH_CONFIG_PATH": str(file),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "a key of tests",
        "_MLFLOW_AUTH_ADMIN_BOOTSTRAPPED": "true",
        "_MLFLOW_SERVER_FILE_STORE": tracking,
        "_MLFLOW_SERVER_REGISTRY_STORE": tracking,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(folder / "artifacts"),
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
    }
