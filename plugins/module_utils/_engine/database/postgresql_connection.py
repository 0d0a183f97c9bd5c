# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The connection of a PostgreSQL, from what an inventory says of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import trust
from ..connection import DatabaseUri
from ..errors import BadInput
from ..quantities import whole
from .postgresql_uri import PostgreSQLUri


def postgresql_connection(
    uri: str,
    password_file: str = "",
    secret: str = "",
    owner: str = "",
    owner_password_file: str = "",
    owner_secret: str = "",
    owner_key: str = "owner-password",
    auth_uri: str = "",
    max_connections: str | int = "",
    authority: str = "",
    type: str = "external_postgresql",
    more: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The connection of a PostgreSQL, from what an inventory says of it.

    :param secret: Kubernetes Secret with the key C(password); passwords are in files otherwise.
    :param owner_secret: Secret with the owner's password under C(owner_key), where it is another.
    :param authority: the deployment in a cluster by whose own authority the server is verified; empty for nobody's.
    :param more: what else the connection says.
    """
    database = _checked(uri, "mlflow_database_uri")
    users = (
        _checked(auth_uri, "mlflow_database_auth_uri")
        if auth_uri
        else database.replace(database=f"{database.database}_auth")
    )
    if authority:
        database, users = (one.verified(trust.file("database")) for one in (database, users))
    connection: dict[str, Any] = {
        "type": type,
        "uri": database.uri,
        "host": database.host,
        "port": database.port,
        "auth_uri": users.uri,
        "secrets": {"PGPASSWORD": {"secret": secret, "key": "password"} if secret else {"file": password_file}},
    }
    if authority:
        connection["ca"] = trust.authority_of(authority)
    if max_connections:
        connection["max_connections"] = whole(max_connections, "mlflow_database_max_connections", 1)
    if owner and owner != database.user:
        place = {"secret": owner_secret or secret, "key": owner_key} if secret else {"file": owner_password_file}
        connection["owner"] = {
            "uri": database.replace(user=owner).uri,
            "auth_uri": users.replace(user=owner).uri,
            "secrets": {"PGPASSWORD": place},
        }
    return connection | dict(more or {})


def _checked(uri: str, name: str) -> PostgreSQLUri:
    found = DatabaseUri.read(uri, name)
    if found.dialect not in ("postgresql", "postgres"):
        raise BadInput(f"{name} must be a PostgreSQL URI for the type external_postgresql.")
    return PostgreSQLUri.complete(found, name).limited()
