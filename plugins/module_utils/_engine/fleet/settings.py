# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an operation on a fleet is told, from the connections of the sample and the variables of the role.

Secrets are never here, only where they lie.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..database import kinds, tenants
from ..errors import BadInput
from ..quantities import number
from ..secrets import in_pods
from ..server.plan import common
from . import each

Connection = Mapping[str, Any]


@dataclass(frozen=True)
class Settings:
    """C(options) of the operation on the sample, C(env) of who makes databases, and C(secrets): keys of the Secrets
    that each instance gets for its database, by Secret. Their values are made when they are created."""

    options: dict[str, Any] = field(default_factory=dict)
    env: list[dict[str, Any]] = field(default_factory=list)
    secrets: dict[str, dict[str, str]] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return dict(vars(self))


def compute(
    variables: Mapping[str, Any], operation: str, database: Connection, server: Connection, backup: Connection
) -> Settings:
    """
    :param variables: of the role without its prefix; numbers and booleans may be strings.
    :param database: connection of the sample's database, C(server) of its server, C(backup) of its snapshots; {} where
        the operation needs none.
    :raises BadInput: it could not be carried out so.
    """
    if operation not in each.OPERATIONS:
        raise BadInput(f"mlflow_fleet_operation is '{operation}'; it must be one of {', '.join(each.OPERATIONS)}.")
    options: dict[str, Callable[[], dict[str, Any]]] = {
        "backup": lambda: _backup(variables, backup),
        "databases": lambda: _databases(variables, database, server),
        "health": lambda: _health(variables, server),
        "schema": lambda: _schema(variables, database, server),
    }
    found = {name: value for name, value in options[operation]().items() if value not in ("", None)}
    if operation != "databases":
        return Settings(found)
    places = _places(database)
    own: dict[str, dict[str, str]] = {}
    for place in places.values():
        if variables["sample"] in place["secret"]:
            own.setdefault(place["secret"], {})[place["key"]] = ""
    admin = {tenants.ADMINISTRATOR: {"secret": variables["database_admin_secret"], "key": "password"}}
    return Settings(found, in_pods(places | admin), own)


def _backup(variables: Mapping[str, Any], backup: Connection) -> dict[str, Any]:
    if not backup:
        raise BadInput("Where snapshots are kept is not known: set mlflow_backup_destination.")
    uri = str(backup.get("uri") or "")
    if "://" in uri and variables["sample"] not in uri:
        raise BadInput(
            f"All instances would have their snapshots at {uri}, and each would read those of all: let the name be "
            f"part of mlflow_backup_destination, such as {uri.rstrip('/')}/{{{{ mlflow_name }}}}."
        )
    hours = number(variables["backup_min_age_hours"], "mlflow_fleet_backup_min_age_hours", 0)
    return {**backup["runner"]["options"], "min_age_hours": hours, "prune": True}


def _health(variables: Mapping[str, Any], server: Connection) -> dict[str, Any]:
    runner = server["runner"]
    asked = {name: runner["options"].get(name) for name in ("url", "database_uri")}
    return {**asked, "username": (runner.get("login") or {}).get("username"), "level": variables["health_level"]}


def _schema(variables: Mapping[str, Any], database: Connection, server: Connection) -> dict[str, Any]:
    owner = database.get("owner") or database
    return {
        "database_uri": owner["uri"],
        "grantee": kinds.parse(str(database["uri"]), "mlflow_database_uri").user if database.get("owner") else "",
        "migrate": common.flag(variables, "migrate"),
        **_users(owner, server),
    }


def _databases(variables: Mapping[str, Any], database: Connection, server: Connection) -> dict[str, Any]:
    uri, secret = str(variables["database_admin_uri"]), variables["database_admin_secret"]
    if not uri or not secret:
        raise BadInput(
            "Who makes the databases is not known: set mlflow_fleet_database_admin_uri, and "
            "mlflow_fleet_database_admin_secret to a Secret with the key password."
        )
    owner = database.get("owner") or database
    return {
        "server_uri": kinds.parse(uri, "mlflow_fleet_database_admin_uri").uri,
        "database_uri": database["uri"],
        "owner_uri": owner["uri"],
        "fleet": variables["name"],
        "state": variables["databases_state"],
        **_users(owner, server),
    }


def _users(owner: Connection, server: Connection) -> dict[str, Any]:
    """Of the users' database, where people log in."""
    login = (server.get("runner") or {}).get("login") or {}
    return {"auth_uri": owner.get("auth_uri"), "admin_username": login["username"]} if login else {}


def _places(database: Connection) -> dict[str, dict[str, str]]:
    """Of the passwords of its roles, by the variable that whoever makes them reads."""
    owner = (database.get("owner") or {}).get("secrets") or {}
    found = {tenants.USER: database["secrets"]["PGPASSWORD"], tenants.OWNER: owner.get("PGPASSWORD")}
    return {name: place for name, place in found.items() if place}
