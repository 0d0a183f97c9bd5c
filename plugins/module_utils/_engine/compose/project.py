# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The containers of one compose project: started, stopped and removed, and only those that carry our labels.

C(docker compose down) and C(--remove-orphans) go by the name of the project, which others may have as well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ..errors import BadInput
from ..secrets import IN_CONTAINERS
from .client import DockerError, call, call_compose
from .inspect import PROJECT, containers, find, foreign_containers, labelled
from .template import SCRATCH
from .volumes import remove_volume

# Longer than any time in which a container may end in good order.
_STOP_SECONDS = 3600.0
_EVENT = re.compile(r"Container\s+(\S+)\s+(Creat|Recreat|Start)\w*\s*$", re.MULTILINE)
_ACTIONS = {"Creat": "create", "Recreat": "recreate", "Start": "start"}


@dataclass(frozen=True)
class Project:
    """The compose project of a component (C(server), C(database), ..) of a deployment."""

    deployment: str
    component: str

    @property
    def name(self) -> str:
        return f"{self.deployment}-{self.component}"

    def containers(self) -> list[dict[str, Any]]:
        return containers(self.deployment, self.component)

    def up(
        self,
        file: str,
        services: Sequence[str] = (),
        *,
        recreate: bool = False,
        dependencies: bool = True,
        orphans: bool = False,
        wait: int = 0,
        dry_run: bool = False,
    ) -> list[dict[str, str]]:
        """Let the containers be what a compose file says, and know the secrets that lie there.

        :param orphans: whether ours that the file does not name any more are removed. :param wait: seconds until they
            must be healthy; 0 does not wait.
        :returns: what changed, or with C(dry_run) what would: C(container), and as C(action) C(create), C(recreate),
            C(start) or C(remove).
        :raises BadInput: others have a container in this project, or with such a name.
        """
        document = self._read(file)
        named = [str(service["container_name"]) for service in document["services"].values()]
        if foreign := foreign_containers(self.deployment, [self.name], named):
            raise BadInput(
                f"Containers of the compose project {self.name} were not made by the deployment {self.deployment}, and "
                f"are not touched: {', '.join(foreign)}. Choose another mlflow_name, or remove them yourself "
                f"(docker rm) where nobody needs them."
            )
        before = {one["name"]: one for one in self.containers()}
        gone = [one["name"] for one in before.values() if orphans and one["service"] not in document["services"]]
        if gone and not dry_run:
            _remove(gone)  # first, because one of them may hold a port that another gets
        asked = {name: one for name, one in document["services"].items() if not services or name in services}
        stale = [] if recreate else _stale(asked, before)
        argv = ["--ansi=never", "--progress=plain", "up", "--detach", "--no-color", "--quiet-pull", "--pull=never"]
        renew = [*argv, "--force-recreate", "--no-deps"]
        argv += ["--force-recreate"] if recreate else []
        argv += [] if dependencies else ["--no-deps"]
        if dry_run:
            said = call_compose(file, *argv, "--dry-run", *services, timeout=_STOP_SECONDS, merge=True).stdout
            actions = {name: _ACTIONS[verb] for name, verb in reversed(_EVENT.findall(said))}
            actions |= {asked[name]["container_name"]: "recreate" for name in stale}
        else:
            if stale:
                call_compose(file, *renew, *stale, timeout=_STOP_SECONDS)
            argv += ["--wait", f"--wait-timeout={wait}"] if wait else []
            call_compose(file, *argv, *services, timeout=_STOP_SECONDS)
            actions = _difference(before, {one["name"]: one for one in self.containers()})
        return [
            {"container": name, "action": action}
            for name, action in sorted({**actions, **dict.fromkeys(gone, "remove")}.items())
        ]

    def stop(self, services: Sequence[str], dry_run: bool = False) -> list[dict[str, str]]:
        """Stop services in good order; returns what changed, as up() does."""
        names = [one["name"] for one in self.containers() if one["service"] in services and _lives(one)]
        if names and not dry_run:
            call("stop", *names, timeout=_STOP_SECONDS)
        return [{"container": name, "action": "stop"} for name in names]

    def remove(self, data: bool = False, dry_run: bool = False) -> dict[str, list[str]]:
        """Remove what carries the labels of this component, wherever its files are.

        :param data: whether the volumes with data go too.
        :returns: names of the C(containers) and C(volumes) that were removed, and C(left): volumes that others use.
        """
        names = [one["name"] for one in self.containers()]
        scratch = labelled("volume", self.deployment, SCRATCH, f"{PROJECT}={self.name}")
        volumes = scratch + (labelled("volume", self.deployment, self.component) if data else [])
        if names and not dry_run:
            _remove(names)
        removed = [name for name in volumes if remove_volume(name, self.deployment, dry_run)]
        return {"containers": names, "volumes": removed, "left": [name for name in volumes if name not in removed]}

    def _read(self, file: str) -> dict[str, Any]:
        """The compose file as the engine's plugin understands it, with the services that only run when called."""
        done = call_compose(file, "--profile=ops", "config", "--format=json")
        document: dict[str, Any] = json.loads(done.stdout)
        if document["name"] != self.name:
            raise BadInput(
                f"The compose file {file} is that of the project {document['name']}, and not of {self.name}."
            )
        return document


def _stale(services: Mapping[str, Any], before: Mapping[str, dict[str, Any]]) -> list[str]:
    """Services that run since before a secret of theirs was written, whoever wrote it and whatever became of that run.

    A process reads its secrets when it starts.
    """
    stale = []
    for name, service in services.items():
        one = before.get(str(service["container_name"]))
        if not one or not _lives(one):
            continue
        mounts = service.get("volumes") or []
        folders = [Path(str(mount["source"])) for mount in mounts if str(mount["target"]).startswith(IN_CONTAINERS)]
        written = [path.stat().st_mtime for folder in folders for path in folder.rglob("*") if path.is_file()]
        if max(written, default=0.0) > datetime.fromisoformat(one["started"]).timestamp():
            stale.append(name)
    return stale


def _difference(before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]) -> dict[str, str]:
    actions = {}
    for name, one in after.items():
        if name not in before:
            actions[name] = "create"
        elif one["id"] != before[name]["id"]:
            actions[name] = "recreate"
        elif one["started"] != before[name]["started"]:
            actions[name] = "start"
    return actions


def _lives(one: dict[str, Any]) -> bool:
    return one["state"] in ("running", "restarting", "paused")


def _remove(names: Sequence[str]) -> None:
    call("stop", *names, timeout=_STOP_SECONDS)
    # Volumes without a name go along; data is in volumes that have one.
    call("rm", "--force", "--volumes", *names)


def crash(name: str) -> None:
    """Kill a container's first process as when memory runs out.

    Not C(docker kill): the engine would take that for a stop by hand, and not start it again. In a container that sees
    the host's processes, because whoever may use the engine need not be root.
    """
    if not (found := find(name)) or found["state"] != "running":
        raise DockerError(f"The container {name} is not running.")
    call(
        "run", "--rm", "--pull=never", "--network=none", "--pid=host", "--user=0:0", "--cap-drop=ALL",
        "--cap-add=KILL", "--security-opt=no-new-privileges", "--entrypoint=sh", found["image"], "-c",
        f"kill -KILL {found['pid']}",
    )  # fmt: skip
