# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a cluster costs a month: an estimate before anything is created, to be checked with AWS's calculator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..estimate import HOURS, Line, said

# US dollars of us-west-2, on demand and without taxes: an hour, and for volumes a GiB and month. AWS changes them.
LISTED = {
    "cluster": 0.10,
    "nat_gateway": 0.045,
    "endpoint": 0.01,
    "public_address": 0.005,
    "volume": 0.08,
    "t3.medium": 0.0416,
    "t3.large": 0.0832,
    "m6i.large": 0.096,
    "m7i.large": 0.1008,
    "m7i.xlarge": 0.2016,
    "r7i.large": 0.1323,
}


# The same of RDS for PostgreSQL; of an instance without a standby, which costs as much again.
DATABASES = {
    "storage": 0.115,
    "db.t4g.medium": 0.065,
    "db.m7g.large": 0.168,
    "db.m7g.xlarge": 0.337,
    "db.r7g.large": 0.239,
}
_CALCULATOR = " by prices of us-west-2 to be checked at https://calculator.aws"


def estimate(settings: Mapping[str, Any], gateways: int, endpoints: int) -> list[str]:
    """A line for each thing that costs whether it is used or not, and one for all of it.

    :param settings: C(node_groups), C(existing), C(region), C(prices): further prices, or those of another region.
    :param gateways: of NAT.
    :param endpoints: interfaces, one a service and zone.
    """
    prices = {**LISTED, **{name: float(price) for name, price in settings["prices"].items()}}
    lines: list[Line] = []
    if not settings["existing"]:
        lines.append(("EKS control plane", prices["cluster"] * HOURS, 0.0))
        if gateways:
            lines.append(
                (
                    f"NAT gateways ({gateways})",
                    gateways * HOURS * (prices["nat_gateway"] + prices["public_address"]),
                    0.0,
                )
            )
        if endpoints:
            lines.append((f"endpoints in zones ({endpoints})", endpoints * HOURS * prices["endpoint"], 0.0))
    unknown = []
    for group in settings["node_groups"]:
        kind, fewest, greatest = group["instance_type"], int(group["min"]), int(group["max"])
        if kind not in prices:
            unknown.append(kind)
            continue
        node = prices[kind] * HOURS + prices["volume"] * int(group["disk_size"])
        lines.append(
            (f"node group {group['name']}: {fewest} to {greatest} {kind}", node * fewest, node * (greatest - fewest))
        )
    return said(lines, "" if settings["prices"] else _CALCULATOR, unknown, "eks_cluster_prices")


def database(settings: Mapping[str, Any]) -> list[str]:
    """As C(estimate), of an instance of RDS.

    :param settings: C(name), C(instance_class), C(storage_size), C(multi_az), C(prices).
    """
    prices = {**DATABASES, **{name: float(price) for name, price in settings["prices"].items()}}
    kind, size, count = settings["instance_class"], int(settings["storage_size"]), 2 if settings["multi_az"] else 1
    each = prices.get(kind, 0.0) * HOURS + prices["storage"] * size
    lines: list[Line] = [(f"RDS {settings['name']}: {count} {kind} with {size} GiB each", each * count, 0.0)]
    where = "" if settings["prices"] else _CALCULATOR
    return said(lines, where, [] if kind in prices else [kind], "rds_postgresql_prices")
