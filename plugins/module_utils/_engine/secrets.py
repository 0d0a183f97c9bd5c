# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one reader of secrets that lie in files: a file's text without the line ends behind it; how pods get others."""

from __future__ import annotations

import secrets
import string
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

from .errors import BadInput

# More than any key or password has; a file of another kind, named by mistake, is not read into memory.
_LONGEST = 1 << 16
# Where containers find secrets that are files on their host.
IN_CONTAINERS = "/run/secrets"
# NAME_FILE names a file with the value of NAME. Only of these: AWS and others have variables of their own that end so.
_FROM_FILES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AZURE_STORAGE_ACCESS_KEY",
    "AZURE_STORAGE_CONNECTION_STRING",
    "MLFLOW_AUTH_ADMIN_PASSWORD",
    "MLFLOW_TRACKING_PASSWORD",
    "PGPASSWORD",
)


def in_pods(places: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Environment of a container in a cluster, by variable the Secret and key that hold it."""
    return [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": place.get("secret"), "key": place.get("key")}}}
        for name, place in places.items()
        if isinstance(place, Mapping)
    ]


def generate(name: str) -> str:
    """A new secret of letters and digits, as strong as 256 bits.

    :param name: of its file or key: a key for webhooks has the form that Fernet wants, 32 bytes in base 64.
    """
    text = "".join(secrets.choice(string.ascii_letters + string.digits) for _number in range(43))
    return f"{text}=" if name == "webhook-key" else text


def read(path: str | Path, what: str) -> str:
    """A secret as text.

    :param what: how messages call the file, such as the option that named it.
    :raises BadInput: it cannot be read, is too long, or is no text.
    """
    try:
        return read_bytes(path, what).decode("utf-8")
    except UnicodeDecodeError:
        raise BadInput(f"{what}: {path} is no text.") from None


def read_bytes(path: str | Path, what: str) -> bytes:
    """A secret as it is stored.

    :raises BadInput: it cannot be read, or is too long.
    """
    try:
        with open(path, "rb") as file:
            found = file.read(_LONGEST + 1)
    except OSError as error:
        raise BadInput(f"{what}: {path} cannot be read: {error.strerror}.") from error
    if len(found) > _LONGEST:
        raise BadInput(f"{what}: {path} has more than {_LONGEST} bytes: it is no secret.")
    return found.rstrip(b"\r\n")


def take_from_files(environment: MutableMapping[str, str]) -> None:
    """Give the variables of NAME_FILE their values, which so never stand in what C(docker inspect) shows.

    :raises BadInput: a file cannot be read.
    """
    for name in _FROM_FILES:
        if name not in environment and (file := environment.get(f"{name}_FILE")):
            environment[name] = read(file, f"{name}_FILE")
