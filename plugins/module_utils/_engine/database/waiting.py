# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Waiting for a database that starts, that an operator makes, or whose tables somebody else creates."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..errors import DatabaseMissing, DatabaseUnavailable, SchemaError
from . import kinds, schema


def wait_until_reachable(
    uri: str,
    password: str | None,
    seconds: float,
    say: Callable[[str], None],
    being_created: bool = False,
    role: str | None = None,
) -> None:
    """Try again for a while: a database that was started together with us needs some seconds.

    :param being_created: an operator makes databases and roles meanwhile, so that a missing one is waited for too.
    :param role: a role that must exist as well.
    :raises SchemaError: it still cannot be used; what it said last is in the message.
    """
    waited_for = (DatabaseUnavailable, DatabaseMissing) if being_created else (DatabaseUnavailable,)
    end = time.monotonic() + seconds
    while True:
        try:
            schema.read(uri, password)
            if role:
                kinds.database(uri, password).require_role(role)
            return
        except waited_for as error:
            if time.monotonic() > end:
                raise
            say(str(error))
            time.sleep(1)


def wait_until_current(
    uri: str,
    password: str | None,
    kind: tuple[str, str],
    what: str,
    seconds: float,
    say: Callable[[str], None],
) -> None:
    """Wait until a database answers and has the schema that the installed MLflow needs.

    Servers that start together with the database and the job that creates the tables come up without crashing.

    :raises SchemaError: the schema is one that no waiting will fix, or the time is over.
    """
    end = time.monotonic() + seconds
    objected = False
    while True:
        try:
            found = schema.read(uri, password, kind)
            schema.require(found, what, "of this image")
            if found.state == "current":
                return
            reason = f"{what} is empty; a migration job must create its tables"
        except DatabaseUnavailable as error:
            reason = str(error)
        except SchemaError:
            # While tables are being created they look foreign, or are not open to us yet. Looked at once more, because
            # that may have ended between our two questions.
            try:
                migrating = kinds.database(uri, password).being_changed()
            except DatabaseUnavailable:
                continue  # it went away in between: the next inspection says so, and waits
            if not migrating:
                if objected:
                    raise
                objected = True
                continue
            reason = f"{what} is being migrated"
        objected = False
        if time.monotonic() > end:
            raise SchemaError(f"Waited {seconds:.0f} s in vain: {reason}")
        say(reason)
        time.sleep(1)
