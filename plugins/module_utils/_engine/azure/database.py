# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A PostgreSQL of Azure (flexible server) that only the network of the cluster reaches, and what it costs.

Pure, as C(plan.py). Azure refuses whoever does not speak TLS, and its certificate is of a public authority.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..estimate import HOURS, said
from . import kinds
from .kinds import resource

# Whose certificates such a server has, by Azure's documentation: one of both, and either may be the next.
AUTHORITIES = ("DigiCert Global Root G2", "Microsoft RSA Root Certificate Authority 2017")
DOMAIN = "postgres.database.azure.com"
STANDBYS = ("ZoneRedundant", "SameZone", "Disabled")
SIZES = (32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384)
_PROVIDER = "Microsoft.DBforPostgreSQL"
_SERVER = re.compile(r"[a-z0-9]([a-z0-9-]{1,61})[a-z0-9]")
_MACHINE = re.compile(r"Standard_([BDE])[A-Za-z0-9]*(_v\d)?")
_TIERS = {"B": "Burstable", "D": "GeneralPurpose", "E": "MemoryOptimized"}
_SUBNET = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft.Network/virtualNetworks/[^/]+/subnets/[^/]+"
)
_RESERVED = (
    "admin",
    "administrator",
    "azure_pg_admin",
    "azure_superuser",
    "azuresu",
    "guest",
    "postgres",
    "public",
    "root",
)
# US dollars of East US, an hour and a GiB and month, without a standby. Azure changes them.
_LISTED = {"storage": 0.115, "Standard_B2s": 0.068, "Standard_D2ds_v5": 0.178, "Standard_D4ds_v5": 0.356}
_LEAST_PASSWORD = 16


def plan(settings: Mapping[str, Any]) -> dict[str, Any]:
    """
    :param settings: C(name), C(cluster) (the connection of the role aks_cluster), C(server), C(subnet), C(version),
        C(size), C(storage_size), C(standby), C(backup_days), C(geo_backup), C(database), C(user), C(password),
        C(prices), C(tags); as in the role aks_postgresql.
    :returns: C(errors), each a sentence; C(resources), as C(resources.py) takes them; C(id) of the server; C(secrets)
        of it, by its id; C(host); C(uri) without the password; C(costs).
    """
    errors = _errors(settings)
    host = f"{settings['server']}.{DOMAIN}"
    id = "" if errors else _server_id(settings)
    return {
        "errors": errors,
        "resources": [] if errors else [*_zone(settings), _server(settings, id), _database(settings, id)],
        "id": id,
        "secrets": {} if errors else {id: {"properties": {"administratorLoginPassword": settings["password"]}}},
        "host": host,
        "uri": f"postgresql+psycopg://{settings['user']}@{host}:5432/{settings['database']}",
        "costs": [] if errors else _costs(settings),
    }


def _server_id(settings: Mapping[str, Any]) -> str:
    return f"{kinds.group_id(settings['cluster'])}/providers/{_PROVIDER}/flexibleServers/{settings['server']}"


def _zone_id(settings: Mapping[str, Any]) -> str:
    """The zone has a name of its own: Azure takes none that is that of the server."""
    zone = f"{settings['name']}.private.{DOMAIN}"
    return f"{kinds.group_id(settings['cluster'])}/providers/Microsoft.Network/privateDnsZones/{zone}"


def _zone(settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """By which the network of the cluster finds the server, and nobody else."""
    id, network = _zone_id(settings), settings["subnet"].partition("/subnets/")[0]
    place = {"location": "global", "tags": settings["tags"]}
    link = {"virtualNetwork": {"id": network}, "registrationEnabled": False}
    name = id.rpartition("/")[2]
    return [
        resource(f"private DNS zone {name}", id, kinds.ZONES, place, tagged=True),
        resource(
            f"link of {name} to the network",
            f"{id}/virtualNetworkLinks/{settings['name']}",
            kinds.ZONES,
            {"location": "global", "properties": link},
        ),
    ]


def _server(settings: Mapping[str, Any], id: str) -> dict[str, Any]:
    body = {
        "location": settings["cluster"]["location"],
        "tags": settings["tags"],
        "sku": {"name": settings["size"], "tier": _tier(settings)},
        "properties": {
            "highAvailability": {"mode": settings["standby"]},
            "backup": {"backupRetentionDays": int(settings["backup_days"])},
            "storage": {"autoGrow": "Enabled"},
            "authConfig": {"activeDirectoryAuth": "Disabled", "passwordAuth": "Enabled"},
        },
    }
    # Storage grows by itself and never shrinks; a major version is an upgrade of its own.
    first = {
        "properties": {
            "version": str(settings["version"]),
            "administratorLogin": settings["user"],
            "createMode": "Default",
            "storage": {"storageSizeGB": int(settings["storage_size"])},
            "backup": {"geoRedundantBackup": "Enabled" if settings["geo_backup"] else "Disabled"},
            "network": {
                "delegatedSubnetResourceId": settings["subnet"],
                "privateDnsZoneArmResourceId": _zone_id(settings),
            },
        },
    }
    free = kinds.unique(settings["cluster"], _PROVIDER, "flexibleServers", settings["server"])
    what = f"PostgreSQL {settings['server']}"
    return resource(what, id, kinds.DATABASES, body, tagged=True, first=first, unique=free)


def _database(settings: Mapping[str, Any], id: str) -> dict[str, Any]:
    first = {"properties": {"charset": "UTF8", "collation": "en_US.utf8"}}
    name = settings["database"]
    return resource(f"database {name}", f"{id}/databases/{name}", kinds.DATABASES, {}, first=first)


def _tier(settings: Mapping[str, Any]) -> str:
    found = _MACHINE.fullmatch(settings["size"])
    return _TIERS[found.group(1)] if found else ""


def _costs(settings: Mapping[str, Any]) -> list[str]:
    prices = {**_LISTED, **{name: float(price) for name, price in settings["prices"].items()}}
    size, count = settings["size"], 1 if settings["standby"] == "Disabled" else 2
    unknown = [] if size in prices else [size]
    each = prices.get(size, 0.0) * HOURS + prices["storage"] * int(settings["storage_size"])
    what = f"PostgreSQL {settings['server']}: {count} {size} with {settings['storage_size']} GiB each"
    where = "" if settings["prices"] else " by prices of East US to be checked at https://azure.com/pricing/calculator"
    return said([(what, each * count, 0.0)], where, unknown, "aks_postgresql_prices")


def _errors(settings: Mapping[str, Any]) -> list[str]:
    errors = []
    if not settings["cluster"].get("id"):
        errors.append("aks_postgresql_cluster is empty: run the role aks_cluster first, or its entry point connection.")
    if not _SERVER.fullmatch(settings["server"]):
        errors.append(
            f"aks_postgresql_server is '{settings['server']}': 3 to 63 lower-case letters, digits and dashes, which "
            f"nobody else in Azure has."
        )
    if not _SUBNET.fullmatch(settings["subnet"]):
        errors.append(
            f"aks_postgresql_subnet is '{settings['subnet']}': the database is reached from a network alone. Set "
            f"aks_cluster_network_cidr before the cluster is created, or give the id of a subnet that is delegated to "
            f"{_PROVIDER}/flexibleServers."
        )
    if len(settings["password"]) < _LEAST_PASSWORD or settings["user"] in settings["password"]:
        errors.append(
            f"aks_postgresql_password is too short, or holds the name of the user: give one of {_LEAST_PASSWORD} "
            f"characters or more, from a vault."
        )
    return errors + _value_errors(settings)


def _value_errors(settings: Mapping[str, Any]) -> list[str]:
    errors = []
    if not re.fullmatch(r"1[4-9]", str(settings["version"])):
        errors.append(f"aks_postgresql_version is '{settings['version']}': give a major version from 14 on, as '17'.")
    if not _tier(settings):
        errors.append(f"aks_postgresql_size is '{settings['size']}': give a size, such as Standard_D2ds_v5.")
    if settings["standby"] not in STANDBYS:
        errors.append(f"aks_postgresql_standby is '{settings['standby']}'; offered are {', '.join(STANDBYS)}.")
    elif settings["standby"] != "Disabled" and _tier(settings) == "Burstable":
        errors.append(
            f"aks_postgresql_size is {settings['size']}, which has no standby: take another one, or set "
            f"aks_postgresql_standby to Disabled."
        )
    if int(settings["storage_size"]) not in SIZES:
        errors.append(
            f"aks_postgresql_storage_size is {settings['storage_size']}; offered are {', '.join(map(str, SIZES))} GiB."
        )
    if not 7 <= int(settings["backup_days"]) <= 35:
        errors.append(f"aks_postgresql_backup_days is {settings['backup_days']}: 7 to 35.")
    user = settings["user"]
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", user) or user in _RESERVED or user.startswith("pg_"):
        errors.append(
            f"aks_postgresql_user is '{user}': small letters, digits and underscores, and none of Azure's own."
        )
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", settings["database"]):
        errors.append(f"aks_postgresql_database is '{settings['database']}': small letters, digits and underscores.")
    return errors
