# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whom the clients of a deployment's components trust: a key of a Secret, and a file in each pod."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Where pods have the files.
FOLDER = "/run/mlflow-ca"
KEY = "ca.crt"
# The keys of Secrets that hold one.
CERTIFICATES = (KEY, "tls.crt")


def authority_of(deployment: str) -> dict[str, str]:
    """The place of the certificate of a deployment's own authority, as a connection has it under C(ca)."""
    return {"secret": f"{deployment}-ca", "key": KEY}


def file(component: str) -> str:
    """Where pods find whom to trust of a component: C(database), C(artifacts) or C(server)."""
    return f"{FOLDER}/{component}.crt"


def places(
    database: Mapping[str, Any], store: Mapping[str, Any], server: Mapping[str, str] | None = None
) -> dict[str, dict[str, str]]:
    """What pods that use them need, by the name of the file below C(FOLDER).

    :param server: the place of whom clients of the servers trust; None where these talk no TLS inside.
    """
    found = {"database.crt": database.get("ca"), "artifacts.crt": store.get("ca"), "server.crt": server}
    return {name: dict(place) for name, place in found.items() if place}
