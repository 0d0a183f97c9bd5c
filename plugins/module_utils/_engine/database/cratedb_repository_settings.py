# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where snapshots of a CrateDB in a cluster pass through, from the variables of its role: a volume or a bucket."""

from __future__ import annotations

import re
from typing import Any

from ..connection import without_secret
from ..errors import BadInput
from ..names import host_of_url

# What operators find in their environment: the folder of CrateDB's path.repo, under the same path for both; or
# s3://BUCKET/PREFIX, with what follows.
PLACE = "CRATEDB_REPOSITORY"
ENDPOINT, REGION = f"{PLACE}_ENDPOINT", f"{PLACE}_REGION"
ACCESS_KEY, SECRET_KEY = f"{PLACE}_ACCESS_KEY", f"{PLACE}_SECRET_KEY"
# A bucket, and a prefix in it.
_URI = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9][A-Za-z0-9._-]*)+")


def compute(
    name: str, nodes: int = 1, uri: str = "", endpoint: str = "", region: str = "", secret: str = ""
) -> dict[str, Any]:
    """Where snapshots pass through, as the connection of the database says it to operators.

    :param uri: of a bucket with a prefix; empty for a volume.
    :param secret: with the keys of the bucket.
    :raises BadInput: the bucket cannot be used so.
    """
    if not uri:
        # Nodes on several machines write into one folder.
        mode = "ReadWriteOnce" if nodes == 1 else "ReadWriteMany"
        return {"claim": f"{name}-repository", "access_mode": mode, "env": {PLACE: "/repository"}}
    if not _URI.fullmatch(without_secret(uri, "mlflow_database_repository_uri")):
        raise BadInput(
            f"mlflow_database_repository_uri is '{uri}'; it must be s3://bucket/prefix, with a prefix that nothing "
            f"else uses."
        )
    if endpoint:
        host_of_url(endpoint, "mlflow_database_repository_endpoint")
    if not secret:
        raise BadInput(
            "mlflow_database_repository_secret is empty: name the Secret with access-key and secret-key of "
            "mlflow_database_repository_uri."
        )
    said = {PLACE: uri, ENDPOINT: endpoint, REGION: region}
    keys = {ACCESS_KEY: "access-key", SECRET_KEY: "secret-key"}
    return {
        "env": {variable: value for variable, value in said.items() if value},
        "secrets": {variable: {"secret": secret, "key": key} for variable, key in keys.items()},
    }
