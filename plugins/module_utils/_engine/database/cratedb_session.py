# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Statements to a CrateDB over its HTTP interface."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

from ..errors import DatabaseMissing, DatabaseUnavailable, SchemaError, ServerError, one_line
from ..http import Client, Response, Server
from .cratedb_uri import CrateDBUri
from .new_pod import patiently

# A snapshot, or a restore, answers when it is done.
_LONGEST_SECONDS = 6 * 3600.0
_UNKNOWN = {4041, 4045}
_DUPLICATE = {4091}
_REFUSED = {401, 403}
# Shards that have no copy yet, or none any more.
_UNAVAILABLE = ("UnavailableShardsException", "Indices don't have primary shards", "NoShardAvailableActionException")


class Unknown(SchemaError):
    """There is no such table, or none that this user may see."""


class Duplicate(SchemaError):
    """A row with this primary key is there already."""


class Session:
    """Speaks to CrateDB as one user. Each statement stands alone: there are no transactions."""

    def __init__(self, uri: CrateDBUri, password: str | None) -> None:
        self._uri = uri
        server = Server(uri.origin, uri.user, password or "", timeout=_LONGEST_SECONDS, retries=0)
        self._client = Client(server)

    def run(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """The rows of one statement.

        :param values: of its C(?), which so stand in no log of statements.
        """
        return [tuple(row) for row in self._answer(statement, values)["rows"]]

    def changed(self, statement: str, *values: Any) -> int:
        """How many rows one statement changed."""
        return int(self._answer(statement, values)["rowcount"])

    def close(self) -> None:
        self._client.close()

    def _answer(self, statement: str, values: tuple[Any, ...]) -> dict[str, Any]:
        try:
            answer = patiently(
                lambda: self._client.request(
                    "POST",
                    "/_sql",
                    _body(statement, values),
                    {"Content-Type": "application/json", "Default-Schema": self._uri.schema},
                    expect=None,
                )
            )
        except ServerError as error:
            raise DatabaseUnavailable(f"{self._where} cannot be used: {error}") from error
        if answer.status == 200:
            return answer.json()
        raise self._error(answer)

    def _error(self, answer: Response) -> SchemaError:
        try:
            error = answer.json().get("error")
        except ServerError:
            error = None
        code, text = (error["code"], str(error["message"])) if isinstance(error, dict) else (0, answer.excerpt())
        text = one_line(text, 500)
        if answer.status in _REFUSED or code in (4010, 4011):
            return DatabaseMissing(f"{self._where} refuses the user {self._uri.user}: {text}.")
        if answer.status == 503 or any(word in text for word in _UNAVAILABLE):
            return DatabaseUnavailable(f"{self._where} cannot be used yet: {text}.")
        kind = Unknown if code in _UNKNOWN else Duplicate if code in _DUPLICATE else SchemaError
        return kind(f"{self._where} refused the user {self._uri.user}: {text}.")

    @property
    def _where(self) -> str:
        return f"CrateDB at {self._uri.host}:{self._uri.port}, schema {self._uri.schema},"


@contextlib.contextmanager
def session(uri: CrateDBUri, password: str | None) -> Iterator[Session]:
    """
    :raises DatabaseUnavailable: it does not answer, or its tables have no shards now.
    :raises DatabaseMissing: there is no such user, or its password is another.
    :raises SchemaError: it refused a statement.
    """
    found = Session(uri, password)
    try:
        yield found
    finally:
        found.close()


def quoted(*names: str) -> str:
    """A name as statements have it, with what it is in before it."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def _body(statement: str, values: tuple[Any, ...]) -> bytes:
    return json.dumps({"stmt": statement, **({"args": list(values)} if values else {})}).encode()
