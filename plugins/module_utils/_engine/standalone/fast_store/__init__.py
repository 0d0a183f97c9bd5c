# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An MLflow plugin: the tracking store on PostgreSQL, with the calls that are made all the time in one statement each.

MLflow's own store makes 8 to 21 statements of such a call, nine tenths of what the whole request costs. Here is only
what goes the plain way. Whatever is unusual goes to MLflow's own method, so that checks, errors and side effects stay
MLflow's. docs/fast_store.md says what is covered.

The statements follow MLflow's tables and methods, so they are for the versions that they were proven with. Under any
other the plugin is not there: its import fails, and MLflow keeps its own store, by its own mechanism.

A package without imports from the engine. It is copied to a folder that is in C(PYTHONPATH) of servers that are to have
it, and of no other program.
"""

from __future__ import annotations

import os
from typing import Any

ENTRY_POINTS = """[mlflow.tracking_store]
postgresql = mlops_mlflow_fast:postgresql
"""
# tests/integration/test_fast_store.py proves these.
PROVEN = ("3.17.2",)
# A header of every answer: what health and info tell.
HEADER = "MLOps-Fast-Store"
ON, ASIDE = "on", "stepped aside: "

_state = {"said": ""}


def postgresql(store_uri: str, artifact_uri: str | None = None) -> Any:
    """The store that MLflow's registry asks for."""
    if artifact_uri is None:
        # Somebody who is a client of this database, such as code of a model: MLflow finds a folder for the artifacts.
        from mlflow.tracking._tracking_service import utils

        return utils._get_sqlalchemy_store(store_uri, artifact_uri)
    if reason := _unusual_server():
        _say(ASIDE + reason)
        from mlflow.server.handlers import TrackingStoreRegistryWrapper

        return TrackingStoreRegistryWrapper._get_sqlalchemy_store(store_uri, artifact_uri)
    from . import process, store, users

    made = store.FastStore(store_uri, artifact_uri)
    users.ask_once(made.engine)
    process.tune()
    _say(ON)
    return made


def _unusual_server() -> str:
    """Why MLflow's own store serves; empty where nothing speaks against this one."""
    from mlflow import environment_variables as variables
    from mlflow.server.constants import READ_REPLICA_BACKEND_STORE_URI_ENV_VAR

    reasons = {
        "workspaces are enabled": variables.MLFLOW_ENABLE_WORKSPACES.get(),
        "there is a read replica": os.environ.get(READ_REPLICA_BACKEND_STORE_URI_ENV_VAR),
        "MLFLOW_SQLALCHEMYSTORE_POOLCLASS is set": variables.MLFLOW_SQLALCHEMYSTORE_POOLCLASS.get(),
        # Set for jobs of the profile full, which have processes and connections of their own.
        "this is a job": os.environ.get("MLFLOW_SERVER_PID"),
    }
    return ", ".join(reason for reason, there in reasons.items() if there)


def _say(text: str) -> None:
    import logging

    logging.getLogger("mlflow.mlops_mlflow_fast").info("The fast store of mlops.mlflow: %s", text)
    _state["said"] = text


def _answered(_sender: Any, response: Any, **_more: Any) -> None:
    if _state["said"]:
        response.headers[HEADER] = _state["said"]


def _begin() -> None:
    from flask import request_finished
    from mlflow.version import VERSION

    # Not weak: of a module whose import fails nothing else is left.
    request_finished.connect(_answered, weak=False)
    if VERSION not in PROVEN:
        _state["said"] = f"{ASIDE}MLflow is {VERSION}, and it is proven with {', '.join(PROVEN)}"
        # The one error, besides AttributeError, at which MLflow's registry goes on without a plugin and says why.
        raise ImportError(f"The fast store of mlops.mlflow {_state['said']}. MLflow's own store serves.")


# Under the name that it is installed by; the engine only copies it.
if __name__ == "mlops_mlflow_fast":
    _begin()
