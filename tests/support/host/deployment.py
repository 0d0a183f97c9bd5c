"""The target local, deployed with its playbook into a folder of its own on a free port."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._engine.http import Client, Server
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.server import health

from support import deployment
from support.environments import Environments
from support.ports import free_port
from support.servers import PATIENCE

# What a test says of the environment that all of them use: none marks it as another's, beside one that looks at it.
_SHARED = ("_mlflow_server_environment", "_mlflow_server_requirements")


class Deployment(deployment.Deployment):
    """Only the installation is not the role's own: its folder comes from the cache."""

    def __init__(self, environments: Environments, profile: str, **variables: Any) -> None:
        flavor = "full" if profile == "full" else "slim"
        # Not pytest's folder: supervisor's socket needs a short path.
        self.data = Path(tempfile.mkdtemp(prefix="mlops-"))
        self.home = self.data / "server"
        self.home.mkdir()
        (self.home / "tools").symlink_to(environments.tools)
        # As the role would have noted it.
        made = {str(self.data): "made", str(self.home): "made"}
        (self.data / ".mlops-mlflow.json").write_text(json.dumps({"folders": made}))
        self.interpreter = getattr(environments, flavor) / "bin" / "python"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        wanted = environments.variables(flavor)
        own = {
            "mlflow_data_dir": str(self.data),
            "mlflow_server_port": str(self.port),
            "mlflow_server_profile": profile,
            "mlflow_server_supervision": "supervisor",
            **{name: wanted[name] for name in _SHARED},
        }
        super().__init__("local", own | variables)

    def install_itself(self) -> None:
        """The role's own environment of each version, instead of the one that tests share."""
        for name in _SHARED:
            del self.variables[name]

    def password(self) -> str:
        """The administrator's password, where the role generated it."""
        return (self.data / "secrets" / "admin-password").read_text().rstrip("\n")

    @property
    def group(self) -> int:
        """Process group of the running server, which is the process that supervisor watches."""
        return int((self.home / "run" / "launch.group").read_text())

    def server(self, **credentials: Any) -> Server:
        return Server(self.url, timeout=20.0, **credentials)

    def client(self, **credentials: Any) -> Client:
        return Client(self.server(**credentials))

    def wait_until_healthy(self, **credentials: Any) -> float:
        """Seconds until every check of the level deep held."""
        start = time.monotonic()
        report = health.wait(self.server(**credentials), health.Wanted("deep"), PATIENCE, 0.1)
        log = self.home / "server.log"
        assert report.healthy, f"{report.verdict}\n{log.read_text()[-3000:] if log.exists() else ''}"
        return time.monotonic() - start

    def supervisorctl(self, *words: str) -> str:
        command = [str(self.home / "tools" / "bin" / "supervisorctl"), "-c", str(self.home / "supervisord.conf")]
        return subprocess.run([*command, *words], capture_output=True, text=True, check=False).stdout

    def remove(self) -> None:
        """Without the playbook, because it must also work after the playbook failed."""
        for file, send in (("supervisord.pid", os.kill), ("run/launch.group", os.killpg)):
            try:
                number = int((self.home / file).read_text())
                send(number, signal.SIGKILL)
            except (OSError, ValueError):
                continue
        shutil.rmtree(self.data, ignore_errors=True)
