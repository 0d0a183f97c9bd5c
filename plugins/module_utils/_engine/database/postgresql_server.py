# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The server of a PostgreSQL database: makes, renames, comments and removes whole databases."""

from __future__ import annotations

from ..errors import BadInput, SnapshotError, one_line
from .postgresql_session import identifiers, session
from .postgresql_uri import PostgreSQLUri

_NAME_LIMIT = 63


class Server:
    """The server of a database, entered by the database C(postgres), so that others can be made and renamed."""

    def __init__(self, database: PostgreSQLUri, password: str | None, maintenance: str = "postgres") -> None:
        self.database = database
        self.password = password
        self._maintenance = database.replace(database=maintenance)

    def major(self) -> int:
        with session(self._maintenance, self.password) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT current_setting('server_version_num')::int / 10000")
            return int(cursor.fetchone()[0])

    def may_create(self) -> bool:
        with session(self._maintenance, self.password) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user")
            return bool(cursor.fetchone()[0])

    def exists(self, name: str | None) -> bool:
        with session(self._maintenance, self.password) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
            return cursor.fetchone() is not None

    def names(self) -> list[str]:
        """All databases of the server."""
        with session(self._maintenance, self.password) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT datname FROM pg_database")
            return [row[0] for row in cursor.fetchall()]

    def comments(self) -> dict[str, str]:
        """The comments of databases."""
        with session(self._maintenance, self.password) as connection:
            cursor = connection.cursor()
            cursor.execute(
                "SELECT datname, shobj_description(oid, 'pg_database') FROM pg_database "
                "WHERE shobj_description(oid, 'pg_database') IS NOT NULL"
            )
            return dict(cursor.fetchall())

    def comment(self, name: str, text: str | None) -> None:
        """Comment a database. The comment stays with it when it is renamed, and goes with it when it is removed."""
        names = identifiers(self.database)
        with session(self._maintenance, self.password) as connection:
            connection.autocommit = True
            statement = names.SQL("COMMENT ON DATABASE {} IS {}")
            try:
                connection.cursor().execute(statement.format(names.Identifier(name), names.Literal(text)))
            except Exception as error:
                said = one_line(error)
                raise SnapshotError(f"The database {name} cannot be commented: {said[:300]}") from error

    def owned(self, name: str | None) -> bool:
        with session(self._maintenance, self.password) as connection:
            cursor = connection.cursor()
            cursor.execute(
                "SELECT pg_has_role(current_user, datdba, 'USAGE') FROM pg_database WHERE datname = %s", (name,)
            )
            found = cursor.fetchone()
            return bool(found and found[0])

    def connections(self, name: str | None) -> list[str]:
        """Who is connected to a database: user and program of each."""
        with session(self._maintenance, self.password) as connection:
            cursor = connection.cursor()
            cursor.execute(
                "SELECT usename || coalesce(' (' || nullif(application_name, '') || ')', '') FROM pg_stat_activity "
                # Not by backend_type, which a role may not see of others; the server's own workers have no user.
                "WHERE datname = %s AND pid <> pg_backend_pid() AND usesysid IS NOT NULL",
                (name,),
            )
            return [row[0] or "another role" for row in cursor.fetchall()]

    def create(self, name: str) -> None:
        """An empty database with the live one's encoding and collation, where there is a live one."""
        names = identifiers(self.database)
        with session(self._maintenance, self.password) as connection:
            connection.autocommit = True
            cursor = connection.cursor()
            cursor.execute(
                "SELECT pg_encoding_to_char(encoding), datcollate, datctype FROM pg_database WHERE datname = %s",
                (self.database.database,),
            )
            like = cursor.fetchone()
            statement = names.SQL("CREATE DATABASE {} TEMPLATE template0").format(names.Identifier(name))
            if like:
                statement += names.SQL(" ENCODING {} LC_COLLATE {} LC_CTYPE {}").format(*map(names.Literal, like))
            cursor.execute(statement)

    def drop(self, name: str) -> None:
        names = identifiers(self.database)
        with session(self._maintenance, self.password) as connection:
            connection.autocommit = True
            connection.cursor().execute(names.SQL("DROP DATABASE IF EXISTS {}").format(names.Identifier(name)))

    def rename(self, pairs: list[tuple[str, str]]) -> None:
        """Rename databases, all or none of them."""
        names = identifiers(self.database)
        with session(self._maintenance, self.password) as connection:
            cursor = connection.cursor()
            try:
                for old, new in pairs:
                    statement = names.SQL("ALTER DATABASE {} RENAME TO {}")
                    cursor.execute(statement.format(names.Identifier(old), names.Identifier(new)))
                connection.commit()
            except Exception as error:
                text = one_line(error)
                raise SnapshotError(f"The databases could not be exchanged, and are as before: {text[:300]}") from error


def alongside(name: str, suffix: str) -> str:
    """The name of another database, cut where PostgreSQL would cut it."""
    return f"{name[: _NAME_LIMIT - len(suffix) - 1]}_{suffix}"


def require_rights(server: Server) -> None:
    """
    :raises BadInput: the role may not make or exchange databases.
    """
    user, name = server.database.user, server.database.database
    if not server.may_create():
        raise BadInput(
            f"The role {user} may not create databases, which a restore needs to prove the data before it replaces "
            f'any. Let an administrator allow it: ALTER ROLE "{user}" CREATEDB;'
        )
    if server.exists(name) and not server.owned(name):
        raise BadInput(
            f"The role {user} does not own the database {name}, so it may not replace it. Give the owner's role and "
            f"password (mlflow_database_owner, mlflow_database_owner_password_file)."
        )
