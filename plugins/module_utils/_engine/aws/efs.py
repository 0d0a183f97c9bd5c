# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""File systems for the volumes of a cluster: how many, by which storage classes, and where nodes mount them.

Pure: nothing is asked or changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def plan(settings: Mapping[str, Any]) -> dict[str, Any]:
    """
    :param settings: C(name), C(file_systems), C(volumes_each), C(storage_class), C(uid), C(gid), C(tags),
        C(subnets) (one a zone, because a file system takes no more), C(security_group); as in the role efs_csi.
    :returns: C(errors), each a sentence; C(file_systems) (C(name), C(storage_class), C(tags)); C(targets): the subnet
        of each zone in which nodes mount them, with C(security_groups).
    """
    errors = [
        f"efs_csi_{name} is {settings[name]}; it must be 1 or more."
        for name in ("file_systems", "volumes_each", "uid", "gid")
        if int(settings[name]) < 1
    ]
    numbers = [] if errors else range(1, int(settings["file_systems"]) + 1)
    names = [(_numbered(settings["name"], number), _numbered(settings["storage_class"], number)) for number in numbers]
    return {
        "errors": errors,
        "file_systems": [
            {"name": name, "storage_class": storage_class, "tags": {"Name": name, **settings["tags"]}}
            for name, storage_class in names
        ],
        "targets": [
            {"subnet_id": subnet, "security_groups": [settings["security_group"]]} for subnet in settings["subnets"]
        ],
    }


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}-{number}"
