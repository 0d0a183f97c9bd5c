# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who has reserved a deployment for several operations one after the other, as an upgrade does.

The lock of C(lock.py) belongs to the process of one operation. Between the operations of an upgrade no process of it
runs where the data is, so it leaves a note with the database, where only the operator writes. Operations that change
data read the note under the lock, and are refused unless they carry its id. The note of an upgrade that died stays: it
may have left the data half-way, and whoever goes on needs what the note keeps. Who it is can be told to let go.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from .. import advice
from ..errors import BadInput, LockHeld
from .base import Database

_LONGEST = 200
_UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Reservation:
    """
    :param purpose: what is done, for who is refused meanwhile.
    :param since: when it began, in UTC.
    :param holder: who does it: the controller, and the process there.
    :param kept: what who goes on must know, such as the snapshot that leads back.
    """

    id: str
    purpose: str
    since: str
    holder: str
    kept: dict[str, str] = field(default_factory=dict)

    def text(self) -> str:
        return json.dumps(asdict(self))

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def new(own: str, purpose: str, holder: str, kept: Mapping[str, str], revision: str) -> Reservation:
    """
    :param revision: of the schemas now, unless C(kept) has one: whoever goes on sees whether they were changed since.
    :raises BadInput: it has no id, or what shall be noted is no short text.
    """
    if not own:
        raise BadInput("reservation is empty: give the reservation an id.")
    since = datetime.now(UTC).strftime("%Y-%m-%dT%H:%MZ")
    try:
        words = {_word(name): _word(value) for name, value in {"revision": revision, **kept}.items()}
        return Reservation(_word(own), _word(purpose), since, _word(holder), words)
    except ValueError:
        raise BadInput(f"What a reservation says are texts of at most {_LONGEST} printable characters.") from None


def read(database: Database) -> Reservation | None:
    """The reservation of a deployment, by its backend store. It is for people and for who goes on: never a path."""
    text = database.reserved()
    if text is None:
        return None
    try:
        said = json.loads(text)
        words = {name: _word(said[name]) for name in ("id", "purpose", "since", "holder")}
        return Reservation(**words, kept={_word(name): _word(value) for name, value in said["kept"].items()})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Reservation(_UNREADABLE, "an operation whose note cannot be read", "an unknown time", "an unknown host")


def require(database: Database, *ids: str) -> None:
    """
    :param ids: of the reservations as part of which the caller works.
    :raises LockHeld: the deployment is reserved for something else; for what, since when and by whom is in the message.
    """
    if why := refusal(database, read(database), *ids):
        raise LockHeld(why)


def refusal(database: Database, found: Reservation | None, *ids: str) -> str:
    """Why nobody else may change data; empty where the reservation is one of these, or there is none."""
    if found is None or found.id in filter(None, ids):
        return ""
    goes_on = advice.command("upgrade", mlflow_upgrade=True)
    elsewhere = advice.command("upgrade", mlflow_upgrade=True, mlflow_upgrade_continue=found.id)
    return (
        f"The database {database.live} is reserved for {found.purpose} since {found.since}, by {found.holder}. Nothing "
        f"was changed. Try again when that has ended. Where it was cut off, this goes on from there: {goes_on} - from "
        f"another controller: {elsewhere} - and this gives it up as it is: "
        f"{advice.command('upgrade', mlflow_upgrade_release=found.id)}"
    )


def _word(value: Any) -> str:
    """
    :raises ValueError: it is no short text.
    """
    if not isinstance(value, str) or len(value) > _LONGEST or not value.isprintable():
        raise ValueError("no word of a note")
    return value
