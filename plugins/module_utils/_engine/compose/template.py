# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Compose files: completes what templates render with what every container of a deployment must have.

Restrictions, limits, labels and networks are set here alone, so that no container can forget them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

from .. import image_names
from ..errors import BadInput
from ..quantities import quantity

LABEL = "mlops.mlflow"
DEPLOYMENT = f"{LABEL}.deployment"
COMPONENT = f"{LABEL}.component"
ZONE = f"{LABEL}.zone"
VERSION = f"{LABEL}.version"
SCRATCH = "scratch"
# What docker accepts as a name of containers, networks and volumes, and compose as that of a project.
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")

_DEFAULTS: dict[str, Any] = {
    # The role has pulled what was missing, and said which image could not be had.
    "pull_policy": "never",
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"],
    "pids_limit": 512,
    "restart": "unless-stopped",
    "logging": {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}},
}


def complete(document: Mapping[str, Any], common: Mapping[str, Any]) -> dict[str, Any]:
    """Give each service its restrictions, limits, labels and networks.

    :param document: what a template renders. A service's C(limits) (C(cpu), C(memory), as Kubernetes writes them)
        become those of the container; its C(networks) are a part of C(common)'s, all of them where it names none.
        Volumes with a name and networks are made before and outlive the project; a volume without one is scratch.
    :param common: C(name) (of the deployment), C(component), C(networks) (names), and optionally C(labels).
    :raises BadInput: a name that Docker would refuse, a service without limits, user or a way to tell its health.
    """
    check_name(str(common["name"]), "mlflow_name")
    result = _escaped(deepcopy(dict(document)))
    networks = [str(network) for network in common["networks"]]
    result["name"] = f"{common['name']}-{common['component']}"
    result["services"] = {
        name: _service(name, service, common, networks) for name, service in result["services"].items()
    }
    result["networks"] = {network: {"name": network, "external": True} for network in networks}
    scratch = {volume for service in result["services"].values() for volume in _scratch(service, common)}
    volumes: dict[str, Any] = {
        volume: {"name": volume, "labels": labels(str(common["name"]), SCRATCH)} for volume in sorted(scratch)
    }
    for volume in sorted(_volumes(result["services"].values()) - scratch):
        volumes[volume] = {"name": volume, "external": True}
    return {**result, "volumes": volumes} if volumes else result


def check_name(name: str, variable: str) -> None:
    """Refuse what Docker would refuse, before anything is created."""
    if not _NAME.fullmatch(name):
        raise BadInput(
            f"{variable} is '{name}', which is no name for containers and projects: small letters, digits, '-' and "
            f"'_', beginning with a letter or digit, at most 40 characters."
        )


def labels(deployment: str, component: str) -> dict[str, str]:
    return {DEPLOYMENT: deployment, COMPONENT: component}


def _service(name: str, service: dict[str, Any], common: Mapping[str, Any], networks: list[str]) -> dict[str, Any]:
    passing = service.get("restart") == "no"
    if missing := [key for key in ("image", "user", "limits") if not service.get(key)]:
        raise BadInput(f"The service {name} has no {' and no '.join(missing)}.")
    image_names.checked(str(service["image"]), f"The image of the service {name}")
    if not passing and not service.get("healthcheck"):
        raise BadInput(f"The service {name} has no healthcheck.")
    limits = service.pop("limits")
    own = service.pop("labels", {})
    return {
        "container_name": f"{common['name']}-{name}",
        **_DEFAULTS,
        **service,
        "user": str(service["user"]),
        "cpus": float(quantity(limits["cpu"])),
        "mem_limit": int(quantity(limits["memory"])),
        # No swap beyond it: a server that swaps is slower than one that is restarted.
        "memswap_limit": int(quantity(limits["memory"])),
        "networks": [network for network in networks if network in service.get("networks", networks)],
        "labels": {
            **{str(key): str(value) for key, value in (common.get("labels") or {}).items()},
            **{key: str(value) for key, value in own.items()},
            **labels(str(common["name"]), str(common["component"])),
        },
    }


def _scratch(service: Mapping[str, Any], common: Mapping[str, Any]) -> list[str]:
    """Name the volumes without a name: Docker would leave those behind at each replacement of the container."""
    found = []
    for mount in service.get("volumes", []):
        if mount["type"] == "volume" and not mount.get("source"):
            mount["source"] = f"{service['container_name']}-{SCRATCH}"
            found.append(mount["source"])
    return found


def _volumes(services: Iterable[Mapping[str, Any]]) -> set[str]:
    return {
        mount["source"]
        for service in services
        for mount in service.get("volumes", [])
        if mount["type"] == "volume" and mount.get("source")
    }


def _escaped(value: Any) -> Any:
    """Compose would take every $ for a variable of its own."""
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, dict):
        return {key: _escaped(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_escaped(inner) for inner in value]
    return value
