# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What load tests and benchmarks are pointed at: the servers to watch, and the files that name targets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def watched(connection: Mapping[str, Any], folders: Mapping[str, str], database_port: int) -> list[dict[str, Any]]:
    """The servers whose CPU, memory and database connections are measured during a load test.

    :param connection: of the server. Servers in containers are named below its C(workload).
    :param folders: others by name, each with the folder that its starter writes to.
    :param database_port: of the database on the same machine; 0 where there is none to count connections of.
    """
    port = database_port or None
    if containers := (connection.get("workload") or {}).get("containers"):
        return [{"name": name, "container": name, "database_port": port} for name in containers]
    return [
        {"name": name, "group_file": f"{folder}/run/launch.group", "database_port": port}
        for name, folder in folders.items()
    ]


def files(targets: Iterable[Mapping[str, Any]], playbooks: str) -> list[str]:
    """Inventory and playbook of each target, each file once; a playbook is called as its target where none is named."""
    found = [
        path
        for target in targets
        for path in (target["inventory"], f"{playbooks}/{target.get('playbook') or target['name'] + '.yml'}")
    ]
    return list(dict.fromkeys(found))
