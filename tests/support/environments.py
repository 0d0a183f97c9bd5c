"""The pinned MLflow, installed by the role's own tasks into a cache that test runs share."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from functools import cached_property
from pathlib import Path

from . import cache
from .playbooks import REPOSITORY, run_play

_ROLE = REPOSITORY / "roles" / "mlflow_server"
# One environment of each flavor serves every test: both drivers' owner and user databases, and basic authentication.
_REQUIREMENTS = ["uvloop", "httptools", "psycopg[binary]", "Flask-WTF", "prometheus-flask-exporter", "boto3"]
_REQUIREMENTS += ["psycopg2-binary", "obstore", "pyfastcdc", "zstandard", "opentelemetry-exporter-otlp-proto-http"]


class Environments:
    """Made at their first use. C(slim) and C(full) are folders of environments, C(tools) is supervisor's."""

    def __init__(self) -> None:
        self.home = cache.HOME / _state_of_the_role()

    @property
    def tools(self) -> Path:
        return self.slim.parent.parent / "tools"  # whichever flavor is installed brings them

    @cached_property
    def slim(self) -> Path:
        return self._installed("slim")

    @cached_property
    def full(self) -> Path:
        return self._installed("full")

    def _installed(self, flavor: str) -> Path:
        environment = self.home / "environments" / flavor
        with cache.alone(self.home):
            if not (environment / ".complete").exists():
                role = {"name": "mlops.mlflow.mlflow_server", "tasks_from": "host/install"}
                variables = self.variables(flavor) | {"mlflow_server_dir": str(self.home)}
                (self.home / "plugins").mkdir(parents=True, exist_ok=True)  # as the role's own folders are
                run_play([{"ansible.builtin.include_role": role}], variables=variables).succeeded()
        return environment

    def variables(self, flavor: str) -> dict[str, object]:
        """What makes the role use (or make) the environment of this flavor."""
        index = os.environ.get("PIP_INDEX_URL")
        return {
            "mlflow_server_install": flavor,
            "mlflow_server_database": {"type": "sqlite", "uri": "sqlite:////nowhere/mlflow.db"},
            "mlflow_server_artifact_store": {"type": "local", "uri": "/nowhere"},
            "mlflow_server_install_environment": {"UV_DEFAULT_INDEX": index} if index else {},
            # As an entry point would have computed it.
            "__mlflow_server_plan": "{{ _mlflow_server_planned }}",
            "_mlflow_server_environment": str(self.home / "environments" / flavor),
            "_mlflow_server_requirements": [f"mlflow=={pinned_version()}", *_REQUIREMENTS],
        }


def pinned_version() -> str:
    text = (_ROLE / "vars" / "main" / "version.yml").read_text()
    return next(line.split()[1] for line in text.splitlines() if line.startswith("_mlflow_server_pinned_version:"))


def _state_of_the_role() -> str:
    """Changes with everything that decides what is installed."""
    files = [_ROLE / "tasks" / "host" / "install.yml", *sorted((_ROLE / "files").iterdir())]
    state = [pinned_version(), [file.read_text() for file in files], _REQUIREMENTS, sys.version_info[:3]]
    return hashlib.sha256(json.dumps(state).encode()).hexdigest()[:10]
