# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a deployment would find its data where it left it: two launches, compared before anything is changed.

Another database is an empty server, and another artifact store answers 404 for everything that is written down in the
database. Both look like success to whoever deploys, as does another database of the users, in which there is nobody.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from ..database import kinds
from ..errors import BadInput

_DATABASE, _STORE = "_MLFLOW_SERVER_FILE_STORE", "_MLFLOW_SERVER_ARTIFACT_DESTINATION"
_USERS = "users"
# Where a bucket of the same name is another one.
_ENDPOINT = "MLFLOW_S3_ENDPOINT_URL"


def moved(before: Mapping[str, Any], after: Mapping[str, Any], accepting: str) -> list[str]:
    """What of the data would lie elsewhere than before, one sentence each; nothing where all is where it was.

    Drivers, users, options of connections, and how a path is spelled do not matter.

    :param before: the launch of the deployment that runs, as C(Launch.as_dict) gives it; empty where none does.
    :param after: the launch that is asked for.
    :param accepting: the variable that says it is meant, for the sentence.
    """
    old, new = ({**(launch.get("env") or {}), _USERS: launch.get("users")} for launch in (before, after))
    found = []
    for what, name, place, consequence in (
        ("database", _DATABASE, _database, "the server would begin with another one, without its experiments"),
        ("database of its users", _USERS, _users, "none of them could log in, and what they may do would be forgotten"),
        ("artifact store", _STORE, _store, "the artifacts of all runs so far would not be found"),
    ):
        if old.get(name) and new.get(name) and place(old) != place(new):
            found.append(
                f"The {what} is {new[name]}, and this deployment has its data in {old[name]}: {consequence}. Set the "
                f"old one again, move the data first, or set {accepting} to true to go on without it."
            )
    return found


def _database(env: Mapping[str, str]) -> tuple[Any, ...]:
    return _place(env[_DATABASE])


def _users(env: Mapping[str, str]) -> tuple[Any, ...]:
    return _place(env[_USERS])


def _place(uri: str) -> tuple[Any, ...]:
    try:
        return kinds.parse(uri).place
    except BadInput:  # of a launch that an older collection wrote
        return (uri,)


def _store(env: Mapping[str, str]) -> tuple[Any, ...]:
    text = env[_STORE]
    parts = urlsplit(text)
    if parts.scheme in ("", "file"):
        return ("file", posixpath.normpath(unquote(parts.path) if parts.scheme else text))
    # With TLS or without, it is the same store.
    endpoint = env.get(_ENDPOINT, "").lower().partition("://")[2].rstrip("/") if parts.scheme == "s3" else ""
    return (parts.scheme, parts.netloc.lower(), parts.path.strip("/"), endpoint)
