# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Networks of a deployment, and which of its containers are connected. Containers of others are left alone."""

from __future__ import annotations

from collections.abc import Sequence

from .. import advice
from ..errors import BadInput
from .client import call, inspect_objects
from .inspect import find, labelled, owner, users_of
from .template import labels


def ensure_network(name: str, deployment: str, subnet: str = "", dry_run: bool = False) -> bool:
    """Make a network; tells whether something was changed.

    :raises BadInput: the network is not this deployment's, or has another subnet.
    """
    if not (found := next(iter(inspect_objects("network", [name])), None)):
        if not dry_run:
            marks = [f"--label={key}={value}" for key, value in labels(deployment, "network").items()]
            call("network", "create", *marks, *([f"--subnet={subnet}"] if subnet else []), name)
        return True
    if owner(found) != deployment:
        raise BadInput(
            f"The network {name} was not made by the deployment {deployment}, and is not touched. Choose another "
            f"mlflow_name, or remove it yourself (docker network rm {name}) where nobody needs it."
        )
    existing = [str(config.get("Subnet")) for config in (found.get("IPAM") or {}).get("Config") or []]
    if subnet and subnet not in existing:
        raise BadInput(
            f"The network {name} has the subnet {', '.join(existing)} and not {subnet}, and an existing network cannot "
            f"be changed: set mlflow_zones to what it was, or remove the deployment, which keeps all data, and deploy "
            f"again: {advice.command('destroy', mlflow_destroy=True)}"
        )
    return False


def remove_networks(deployment: str, dry_run: bool = False) -> tuple[list[str], list[str]]:
    """Remove the deployment's networks; returns those that were, and those that stay because others use them."""
    names = labelled("network", deployment)
    left = [name for name in names if users_of("network", name, deployment)]
    removed = [name for name in names if name not in left]
    for name in removed if not dry_run else []:
        call("network", "rm", name)
    return removed, left


def connect(network: str, names: Sequence[str], connected: bool, dry_run: bool = False) -> list[str]:
    """Let containers be connected to a network or not, and leave all others alone; returns those that changed."""
    changed = [name for name in names if (one := find(name)) and (network in one["networks"]) != connected]
    for name in changed if not dry_run else []:
        call("network", "connect" if connected else "disconnect", network, name)
    return changed
