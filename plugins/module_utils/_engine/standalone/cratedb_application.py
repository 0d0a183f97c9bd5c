# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The application that uvicorn serves where MLflow works on CrateDB: that of C(mlflow-cratedb), which changes MLflow.

CrateDB's client takes the password from the URI alone. Here it comes from C(PGPASSWORD), as with any other database, so
that no launch, argument or variable of a pod has both.

One file: it is copied to images, and uvicorn imports it by its name. Importing it is what makes it ready.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import quote

_URIS = ("_MLFLOW_SERVER_FILE_STORE", "_MLFLOW_SERVER_REGISTRY_STORE")


def complete(environment: MutableMapping[str, str]) -> None:
    """Put the password into the URIs of the stores."""
    password = quote(environment.get("PGPASSWORD", ""), safe="")
    for name in _URIS:
        scheme, separator, rest = environment[name].partition("://")
        user, at, place = rest.partition("@")
        environment[name] = f"{scheme}{separator}{user.partition(':')[0]}:{password}{at}{place}"


def __getattr__(name: str) -> Any:
    """uvicorn asks for C(app)."""
    if name != "app":
        raise AttributeError(name)
    complete(os.environ)
    from mlflow_cratedb.server import app

    return app
