"""A compose target, deployed with its playbook under a name of its own."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from support import deployment
from support.kubernetes.kubectl import eventually
from support.playbooks import REPOSITORY

from .engine import docker, inspect, is_healthy


class Deployment(deployment.Deployment):
    """C(host), C(address): as load and real client reach it."""

    small = REPOSITORY / "tests" / "compose" / "small.yml"
    host, address = "localhost", "127.0.0.1"

    def __init__(self, target: str, name: str, folder: Path, **variables: Any) -> None:
        own = {
            "mlflow_name": name,
            "mlflow_data_dir": str(folder),
            "mlflow_docker_host": os.environ["TEST_DOCKER_HOST"],
        }
        super().__init__(target, {**own, **variables})
        self.name, self.folder = name, folder

    @property
    def port(self) -> int:
        return int(self.variables.get("mlflow_server_port", 5000))

    def containers(self, component: str = "") -> list[str]:
        flags = [f"--filter=label=mlops.mlflow.deployment={self.name}"]
        flags += [f"--filter=label=mlops.mlflow.component={component}"] if component else []
        return sorted(docker("ps", "--all", "--format={{.Names}}", *flags).split())

    def servers(self) -> list[str]:
        return [name for name in self.containers("server") if "-server-" in name]

    def database(self) -> str:
        return f"{self.name}-database"

    def wait_until_healthy(self, seconds: float = 120) -> None:
        """Every container, and every server also for the load balancer."""
        eventually(f"all of {self.name} healthy", lambda: all(map(is_healthy, self.containers())), seconds)
        for server in self.servers() if f"{self.name}-load-balancer" in self.containers() else []:
            eventually(f"{server} in rotation", lambda: self.seen_by_load_balancer(server) == "UP", seconds)  # noqa: B023

    def seen_by_load_balancer(self, server: str) -> str:
        ask = 'exec 3<>/dev/tcp/127.0.0.1/9999; echo "show stat servers 4 -1" >&3; cat <&3'
        rows = docker("exec", f"{self.name}-load-balancer", "bash", "-c", ask).splitlines()
        names = rows[0].lstrip("# ").split(",")
        found = [dict(zip(names, row.split(","), strict=False)) for row in rows[1:] if row]
        return next(row["status"] for row in found if row["svname"] == server.removeprefix(f"{self.name}-"))

    def started(self) -> dict[str, str]:
        """Since when each container runs."""
        return {name: str(inspect(name)["State"]["StartedAt"]) for name in self.containers()}

    def sql(self, statement: str, user: str = "postgres") -> str:
        psql = ["psql", "--host=/tmp", f"--username={user}", "--no-align", "--tuples-only", "--set=ON_ERROR_STOP=1"]
        return docker("exec", self.database(), *psql, f"--command={statement}", "mlflow", check=False).strip()

    def remove(self) -> None:
        """Without the playbook, because it must also work after the playbook failed."""
        marks = f"--filter=label=mlops.mlflow.deployment={self.name}"
        if found := docker("ps", "--all", "--quiet", marks).split():
            docker("rm", "--force", "--volumes", *found)
        for kind in ("network", "volume"):
            if names := docker(kind, "ls", "--quiet", marks).split():
                docker(kind, "rm", *names)
        shutil.rmtree(self.folder, ignore_errors=True)
