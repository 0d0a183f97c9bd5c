"""A compose target, deployed with its playbook under a name of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from support.kubernetes.kubectl import eventually
from support.playbooks import REPOSITORY, PlayResult, run_playbook, screen_of

from .engine import docker, inspect, is_healthy

SMALL = REPOSITORY / "tests" / "compose" / "small.yml"
ANSIBLE_PLAYBOOK = str(Path(sys.executable).parent / "ansible-playbook")


class Deployment:
    """C(variables) are those of every playbook run on it. C(host), C(address): as load and real client reach it."""

    host, address = "localhost", "127.0.0.1"

    def __init__(self, target: str, name: str, folder: Path, **variables: Any) -> None:
        self.target, self.name, self.folder = target, name, folder
        own = {
            "mlflow_name": name,
            "mlflow_data_dir": str(folder),
            "mlflow_docker_host": os.environ["TEST_DOCKER_HOST"],
        }
        self.variables: dict[str, Any] = {**own, **variables}
        self.first: PlayResult | None = None

    @property
    def inventory(self) -> Path:
        return REPOSITORY / "inventories" / self.target

    @property
    def port(self) -> int:
        return int(self.variables.get("mlflow_server_port", 5000))

    def deploy(self, *options: str, **variables: Any) -> PlayResult:
        result = self.play(self.target, *options, **variables)
        self.first = self.first or result
        return result

    def destroy(self, **variables: Any) -> PlayResult:
        return self.play("destroy", mlflow_destroy=True, **variables)

    def play(self, playbook: str, *options: str, **variables: Any) -> PlayResult:
        path = REPOSITORY / "playbooks" / f"{playbook}.yml"
        return run_playbook(path, self.inventory, {**self.variables, **variables}, f"-e@{SMALL}", *options)

    def begin(self, playbook: str, **variables: Any) -> subprocess.Popen[bytes]:
        """A playbook that goes on meanwhile, in a process group of its own."""
        command = [ANSIBLE_PLAYBOOK, "-i", str(self.inventory), f"-e@{SMALL}"]
        return subprocess.Popen(
            [*command, "-e", json.dumps(self.variables | variables), f"playbooks/{playbook}.yml"],
            cwd=REPOSITORY,
            env={**os.environ, "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg")},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def screen(self, folder: Path, *options: str, **variables: Any) -> str:
        """All that a user sees of a deployment."""
        playbook = REPOSITORY / "playbooks" / f"{self.target}.yml"
        return screen_of(playbook, self.inventory, self.variables | variables, folder, f"-e@{SMALL}", *options)

    def containers(self, component: str = "") -> list[str]:
        flags = [f"--filter=label=mlops.mlflow.deployment={self.name}"]
        flags += [f"--filter=label=mlops.mlflow.component={component}"] if component else []
        return sorted(docker("ps", "--all", "--format={{.Names}}", *flags).split())

    def servers(self) -> list[str]:
        return [name for name in self.containers("server") if "-server-" in name]

    def database(self) -> str:
        return f"{self.name}-database"

    def wait_until_healthy(self, seconds: float = 120) -> None:
        """Every container, and every server also for the front."""
        eventually(f"all of {self.name} healthy", lambda: all(map(is_healthy, self.containers())), seconds)
        for server in self.servers() if f"{self.name}-front" in self.containers() else []:
            eventually(f"{server} in rotation", lambda: self.seen_by_front(server) == "UP", seconds)  # noqa: B023

    def seen_by_front(self, server: str) -> str:
        ask = 'exec 3<>/dev/tcp/127.0.0.1/9999; echo "show stat servers 4 -1" >&3; cat <&3'
        rows = docker("exec", f"{self.name}-front", "bash", "-c", ask).splitlines()
        names = rows[0].lstrip("# ").split(",")
        found = [dict(zip(names, row.split(","), strict=False)) for row in rows[1:] if row]
        return next(row["status"] for row in found if row["svname"] == server.removeprefix(f"{self.name}-"))

    def started(self) -> dict[str, str]:
        """Since when each container runs."""
        return {name: str(inspect(name)["State"]["StartedAt"]) for name in self.containers()}

    def sql(self, statement: str, user: str = "postgres") -> str:
        """What the superuser gets, within the database's container."""
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
