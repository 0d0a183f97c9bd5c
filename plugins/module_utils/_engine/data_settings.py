# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where the data of a deployment is, as operations on snapshots are told it: made from its connections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def compute(database: Mapping[str, Any], store: Mapping[str, Any], server: Mapping[str, Any]) -> dict[str, Any]:
    """
    :param database: its connection, or of that the part of the role that owns it.
    :param store: connection of the artifact store. :param server: connection of the server.
    :returns: C(database_...), C(auth_uri) (empty without a login) and C(artifacts_...) of C(protocol.SETTINGS). What a
        connection does not say is empty or None.
    """
    env, secrets = store.get("env") or {}, store.get("secrets") or {}
    return {
        "database_uri": database.get("uri"),
        "auth_uri": database.get("auth_uri") if "MLFLOW_TRACKING_USERNAME" in (server.get("env") or {}) else "",
        "database_password_file": _file(database.get("secrets") or {}, "PGPASSWORD"),
        "artifacts_uri": store.get("uri"),
        "artifacts_endpoint": env.get("MLFLOW_S3_ENDPOINT_URL"),
        "artifacts_region": env.get("AWS_DEFAULT_REGION"),
        "artifacts_account": env.get("AZURE_STORAGE_ACCOUNT"),
        "artifacts_access_key_file": _file(secrets, "AWS_ACCESS_KEY_ID"),
        "artifacts_secret_key_file": _file(secrets, "AWS_SECRET_ACCESS_KEY"),
        "artifacts_account_key_file": _file(secrets, "AZURE_STORAGE_ACCESS_KEY"),
    }


def _file(places: Mapping[str, Any], name: str) -> str:
    return str((places.get(name) or {}).get("file") or "")
