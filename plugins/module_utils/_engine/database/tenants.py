# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tenants: deployments that share the server of a database, each with a database and roles of its own in it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# Environment of who makes them: the passwords of the administrator, of the role of the databases, of the servers'.
ADMINISTRATOR, OWNER, USER = "MLFLOW_DATABASE_ADMIN_PASSWORD", "MLFLOW_DATABASE_OWNER_PASSWORD", "PGPASSWORD"
_USERS_ADMINISTRATOR = "MLFLOW_AUTH_ADMIN_PASSWORD"


@dataclass(frozen=True)
class Tenant:
    """What one deployment has in the server.

    :param user: the role of its servers, C(owner) that of its databases, which may be the same.
    :param passwords: of these roles, where they are known.
    :param fleet: whose deployment it is.
    """

    databases: Sequence[str]
    user: str
    owner: str
    fleet: str
    passwords: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def mark(self) -> str:
        return f"mlops.mlflow fleet {self.fleet}"

    @property
    def roles(self) -> list[str]:
        return list(dict.fromkeys([self.owner, self.user]))


class Administrator(ABC):
    """Who may make databases and roles in a server."""

    @abstractmethod
    def ensure(self, tenant: Tenant, *, check: bool = False) -> list[str]:
        """Make what is missing, and leave the rest.

        :returns: what was made or, where C(check), would be, in words.
        :raises BadInput: a database or a role is somebody else's, or a password is missing.
        :raises SchemaError: the server refuses, or cannot be reached.
        """

    @abstractmethod
    def remove(self, tenant: Tenant, *, check: bool = False) -> list[str]:
        """Remove its databases, and those of its roles that nothing else depends on. What others made stays.

        :returns: what was removed or, where C(check), would be, in words.
        :raises BadInput: a database is not the fleet's.
        :raises SchemaError: a database is in use.
        """


def run(options: Mapping[str, Any], env: Mapping[str, str], *, check: bool) -> dict[str, Any]:
    """Have the databases and roles of one tenant, with MLflow's tables in them; or with C(state=absent) not.

    :param options: C(server_uri) of the administrator; C(database_uri) as servers use it, C(owner_uri) as the owner
        does, C(auth_uri) of the users' database where there is one; C(fleet), C(admin_username).
    :returns: C(changed), and C(made) or C(removed): what was, in words.
    :raises EngineError: it could not be done; what was made stays.
    """
    from . import changes, kinds, schema

    uri = kinds.parse(str(options["database_uri"]))
    owner = kinds.parse(str(options.get("owner_uri") or options["database_uri"]))
    users = str(options.get("auth_uri") or "")
    passwords = {str(uri.user): env.get(USER, ""), str(owner.user): env.get(OWNER) or env.get(USER, "")}
    names = [str(one.database) for one in (uri, *([kinds.parse(users)] if users else []))]
    tenant = Tenant(names, str(uri.user), str(owner.user), str(options["fleet"]), passwords)
    administrator = kinds.database(str(options["server_uri"]), env.get(ADMINISTRATOR)).administrator()
    if options.get("state") == "absent":
        removed = administrator.remove(tenant, check=check)
        return {"changed": bool(removed), "removed": removed}
    made = administrator.ensure(tenant, check=check)
    if not check and schema.read(owner.uri, passwords[str(owner.user)]).state == "empty":
        # A server that comes with a request makes no tables. An older schema is migrated when that is asked for.
        admin_password = env.get(_USERS_ADMINISTRATOR)
        changes.ensure(
            owner.uri,
            passwords[str(owner.user)],
            grantee=uri.user if uri.user != owner.user else None,
            auth_uri=users if admin_password else None,
            admin=str(options.get("admin_username") or "admin"),
            admin_password=admin_password,
        )
        made.append(f"tables of {owner.database}")
    return {"changed": bool(made), "made": made}
