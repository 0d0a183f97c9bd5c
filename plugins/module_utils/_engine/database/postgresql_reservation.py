# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The reservation of a deployment in PostgreSQL: the comment of its database, which only the database's owner writes.

What was the comment before is kept in it, and comes back. A restore renames the database, and the comment goes with it,
so that one of a database that was moved aside counts as well.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ..errors import BadInput
from .postgresql_lock import entered
from .postgresql_session import identifiers
from .postgresql_uri import PostgreSQLUri

_HEAD = '{"format": "mlops.mlflow reservation", '
# Of a restore's note, which has the same place for a while; see the snapshots' journal.
_RESTORE = '{"format": "mlops.mlflow restore", '
# Whether a database is one that a restore of this one has moved aside.
Aside = Callable[[str], bool]


def read(database: PostgreSQLUri, password: str | None, aside: Aside) -> str | None:
    with entered(database, password) as connection:
        found = _notes(connection, database, aside)
    comment = found.get(str(database.database)) or next(iter(found.values()), None)
    return None if comment is None else str(_parsed(comment).get("note"))


def write(database: PostgreSQLUri, password: str | None, text: str | None, aside: Aside) -> None:
    """
    :raises BadInput: the role does not own the database, or the database's last restore has not ended.
    """
    names = identifiers(database)
    with entered(database, password) as connection:
        cursor = connection.cursor()
        cursor.execute(
            "SELECT pg_has_role(current_user, datdba, 'USAGE'), shobj_description(oid, 'pg_database') "
            "FROM pg_database WHERE datname = %s",
            (database.database,),
        )
        owned, comment = cursor.fetchone() or (False, None)
        if not owned:
            raise BadInput(
                f"The role {database.user} does not own the database {database.database}, so it may not reserve it. "
                f"Give the owner's role and password (mlflow_database_owner, mlflow_database_owner_password_file)."
            )
        if text is not None and str(comment or "").startswith(_RESTORE):
            raise BadInput(
                f"A restore of the database {database.database} was interrupted, as its comment says. Run the restore "
                f"again: it ends what that began."
            )
        notes = _notes(connection, database, aside)
        after: dict[str, str | None] = {name: _parsed(note).get("comment") for name, note in notes.items()}
        if text is not None:
            before = after.get(str(database.database), comment)
            after[str(database.database)] = _HEAD + json.dumps({"note": text, "comment": before})[1:]
        for name, said in after.items():
            statement = names.SQL("COMMENT ON DATABASE {} IS {}")
            cursor.execute(statement.format(names.Identifier(name), names.Literal(said)))
        connection.commit()


def _notes(connection: Any, database: PostgreSQLUri, aside: Aside) -> dict[str, str]:
    """The comments with a reservation, by the name of the database."""
    cursor = connection.cursor()
    cursor.execute(
        "SELECT datname, shobj_description(oid, 'pg_database') FROM pg_database "
        "WHERE starts_with(shobj_description(oid, 'pg_database'), %s) ORDER BY datname",
        (_HEAD,),
    )
    return {name: note for name, note in cursor.fetchall() if name == database.database or aside(name)}


def _parsed(note: str) -> dict[str, Any]:
    """Empty where somebody has written something else than we do."""
    try:
        found = json.loads(note)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
