# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Databases and roles that an administrator of a PostgreSQL makes for one of many tenants.

A role that was made here carries the name of its fleet as its comment. Nothing else is ever changed or removed: an
instance may be called as somebody else's role is, such as that of the administrator.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..errors import BadInput, DatabaseMissing
from .postgresql_session import identifiers, session, verifier
from .postgresql_uri import PostgreSQLUri
from .tenants import Administrator, Tenant

# Of who makes roles: several may need the same one at once.
_LOCK = 0x6D6C666C6F7774


@dataclass(frozen=True)
class _Role:
    oid: int
    comment: str


class PostgreSQLAdministrator(Administrator):
    """Who may make roles and databases, as a superuser or by C(CREATEROLE) and C(CREATEDB)."""

    def __init__(self, uri: PostgreSQLUri, password: str | None) -> None:
        self._uri, self._password = uri, password
        self._sql = identifiers(uri)

    def ensure(self, tenant: Tenant, *, check: bool = False) -> list[str]:
        with session(self._uri, self._password) as connection:
            made = self._make_roles(connection, tenant, check)
            owners = self._owners(connection, tenant)
            for name, owner in owners.items():
                if owner != tenant.owner:
                    raise BadInput(
                        f"The database {name} belongs to {owner}, not to {tenant.owner}: it was left as it is."
                    )
            missing = [name for name in tenant.databases if name not in owners]
            ours = _is_ours(self._roles(connection, tenant), tenant.owner, tenant)
            to_close = [*missing, *(self._open(connection, owners) if ours else [])]
            connection.rollback()
            if to_close and not check:
                connection.autocommit = True
                with self._as_owner(connection, tenant.owner):
                    self._make(connection, tenant, missing, to_close)
        there = [*owners] if check else tenant.databases
        roles = tenant.roles if there else []
        fixed = [name for name in roles if self._fix_password(tenant, name, there[0], check)]
        return [*made, *(f"database {name}" for name in missing), *(f"password of {name}" for name in fixed)]

    def remove(self, tenant: Tenant, *, check: bool = False) -> list[str]:
        with session(self._uri, self._password) as connection:
            roles, owners = self._roles(connection, tenant), self._owners(connection, tenant)
            for name, owner in owners.items():
                if not _is_ours(roles, owner, tenant):
                    raise BadInput(
                        f"The database {name} belongs to {owner}, which the fleet {tenant.fleet} did not make: it was "
                        f"not removed."
                    )
            ours = [name for name in roles if _is_ours(roles, name, tenant)]
            free = [name for name in ours if not self._is_needed(connection, roles[name], list(owners))]
            connection.rollback()
            connection.autocommit = True
            if owners and not check:
                with self._as_owner(connection, tenant.owner):
                    for name in owners:
                        self._do(connection, "DROP DATABASE {}", name)
            for name in [] if check else free:
                self._do(connection, "DROP ROLE {}", name)
        return [*(f"database {name}" for name in owners), *(f"role {name}" for name in free)]

    def _make_roles(self, connection: Any, tenant: Tenant, check: bool) -> list[str]:
        cursor = connection.cursor()
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        there = self._roles(connection, tenant)
        missing = [name for name in tenant.roles if name not in there]
        without = [name for name in missing if not tenant.passwords.get(name)]
        # Of a deployment that is only looked at, the Secret may not be there yet.
        if without and not check:
            raise BadInput(f"There is no password for the role {without[0]}: its Secret is not there, or lacks it.")
        for name in [] if check else missing:
            secret = verifier(self._uri, connection, name, tenant.passwords[name])
            statement = self._sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}")
            cursor.execute(statement.format(self._sql.Identifier(name), self._sql.Literal(secret)))
            statement = self._sql.SQL("COMMENT ON ROLE {} IS {}")
            cursor.execute(statement.format(self._sql.Identifier(name), self._sql.Literal(tenant.mark)))
        connection.commit()
        return [f"role {name}" for name in missing]

    def _make(self, connection: Any, tenant: Tenant, missing: Sequence[str], to_close: Sequence[str]) -> None:
        for name in missing:
            statement = "CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING 'UTF8'"
            self._do(connection, statement, name, tenant.owner)
        for name in to_close:
            self._do(connection, "REVOKE ALL ON DATABASE {} FROM PUBLIC", name)
            self._do(connection, "GRANT CONNECT, TEMPORARY ON DATABASE {} TO {}", name, tenant.user)

    def _open(self, connection: Any, names: Iterable[str]) -> list[str]:
        """Databases that every role of the server may enter: PostgreSQL makes them so."""
        cursor = connection.cursor()
        cursor.execute(
            "SELECT datname FROM pg_database WHERE datname = ANY(%s) AND (datacl IS NULL OR EXISTS "
            "(SELECT FROM aclexplode(datacl) WHERE grantee = 0 AND privilege_type = 'CONNECT'))",
            (list(names),),
        )
        return [name for (name,) in cursor.fetchall()]

    def _fix_password(self, tenant: Tenant, role: str, database: str, check: bool) -> bool:
        """Prove that a role comes in with the password of its Secret, which may be a new one after the old was lost."""
        if not (password := tenant.passwords.get(role)):
            return False
        try:
            with session(self._uri.replace(user=role, database=database), password):
                return False
        except DatabaseMissing as error:
            if "authentication failed" not in str(error):
                raise
        with session(self._uri, self._password) as connection:
            if not _is_ours(self._roles(connection, tenant), role, tenant):
                raise BadInput(
                    f"The role {role} has another password than its Secret, and the fleet {tenant.fleet} did not make "
                    f"it: give the Secret that password, or call the role otherwise."
                )
            if not check:
                secret = self._sql.Literal(verifier(self._uri, connection, role, password))
                statement = self._sql.SQL("ALTER ROLE {} PASSWORD {}").format(self._sql.Identifier(role), secret)
                connection.cursor().execute(statement)
                connection.commit()
        return True

    def _roles(self, connection: Any, tenant: Tenant) -> dict[str, _Role]:
        cursor = connection.cursor()
        cursor.execute(
            "SELECT rolname, oid, coalesce(shobj_description(oid, 'pg_authid'), '') FROM pg_roles "
            "WHERE rolname = ANY(%s)",
            (tenant.roles,),
        )
        return {name: _Role(oid, comment) for name, oid, comment in cursor.fetchall()}

    def _owners(self, connection: Any, tenant: Tenant) -> dict[str, str]:
        """The owner of each of its databases that is there."""
        cursor = connection.cursor()
        cursor.execute(
            "SELECT datname, pg_get_userbyid(datdba) FROM pg_database WHERE datname = ANY(%s) ORDER BY datname",
            (list(tenant.databases),),
        )
        return dict(cursor.fetchall())

    def _is_needed(self, connection: Any, role: _Role, besides: Sequence[str]) -> bool:
        """Whether anything depends on a role besides these databases, and what is in them."""
        cursor = connection.cursor()
        cursor.execute(
            "WITH going AS (SELECT oid FROM pg_database WHERE datname = ANY(%s)) "
            "SELECT EXISTS (SELECT FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass AND refobjid = %s AND "
            "dbid NOT IN (SELECT oid FROM going) AND NOT "
            "(classid = 'pg_database'::regclass AND objid IN (SELECT oid FROM going)))",
            (list(besides), role.oid),
        )
        return bool(cursor.fetchone()[0])

    @contextmanager
    def _as_owner(self, connection: Any, owner: str) -> Iterator[None]:
        """Who is no superuser makes databases of a role, and removes them, as its member: while it lasts."""
        cursor = connection.cursor()
        cursor.execute("SELECT rolsuper OR rolname = %s FROM pg_roles WHERE rolname = current_user", (owner,))
        if cursor.fetchone()[0]:
            yield
            return
        self._do(connection, "GRANT {} TO CURRENT_USER", owner)
        try:
            yield
        finally:
            self._do(connection, "REVOKE {} FROM CURRENT_USER", owner)

    def _do(self, connection: Any, statement: str, *names: str) -> None:
        connection.cursor().execute(self._sql.SQL(statement).format(*map(self._sql.Identifier, names)))


def _is_ours(roles: Mapping[str, _Role], name: str, tenant: Tenant) -> bool:
    return name in roles and roles[name].comment == tenant.mark
