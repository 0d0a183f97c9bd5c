# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Waiting for EKS: a cluster takes one update at a time, and each takes minutes."""

from __future__ import annotations

from typing import Any

from ..errors import BadInput
from ..patience import Patience as Waiting
from .client import AwsError, Service

_PASSING = ("CREATING", "UPDATING", "PENDING")


class Patience(Waiting):
    """That of AWS."""

    service, error = "AWS", AwsError


def cluster(eks: Service, name: str) -> dict[str, Any] | None:
    """What EKS says of a cluster; None where there is none."""
    found = eks.find("describe_cluster", name=name)
    return dict(found["cluster"]) if found else None


def no_cluster(name: str) -> BadInput:
    return BadInput(
        f"There is no cluster {name} in this region and account: create it first, or correct name and region."
    )


def active_cluster(eks: Service, name: str, patience: Patience) -> dict[str, Any]:
    """A cluster that takes an update: what changes it now has ended.

    :raises AwsError: it is being removed, or never came to be.
    """
    while True:
        found = cluster(eks, name)
        if found is None:
            raise no_cluster(name)
        if found["status"] == "ACTIVE":
            return found
        if found["status"] not in _PASSING:
            raise AwsError(
                f"The cluster {name} is {found['status']} and takes no change: remove it and create it anew."
            )
        patience.wait(found["status"], f"the cluster {name}")


def finish(
    eks: Service,
    name: str,
    update: str,
    what: str,
    patience: Patience,
    addon: str | None = None,
    node_group: str | None = None,
) -> None:
    """Wait until an update has ended: of the cluster, or of an add-on or a node group of it.

    :raises AwsError: it failed, with what EKS says about it.
    """
    while True:
        found = eks.call("describe_update", name=name, updateId=update, addonName=addon, nodegroupName=node_group)[
            "update"
        ]
        if found["status"] == "Successful":
            return
        if found["status"] != "InProgress":
            reasons = [f"{one.get('errorCode')}: {one.get('errorMessage')}" for one in found.get("errors", [])]
            raise AwsError(f"{what} is {found['status']}: {'; '.join(reasons) or 'EKS gives no reason'}")
        patience.wait("in progress", what)
