# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The store: MLflow's own, with what goes the plain way before it."""

from __future__ import annotations

from typing import Any

try:
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
except ImportError:  # it runs in MLflow's environment; elsewhere it is only copied
    SqlAlchemyStore = object

from .connections import Connections
from .reads import Reads
from .searches import Searches
from .writes import Writes


class FastStore(Writes, Reads, Searches, SqlAlchemyStore):
    # While MLflow makes sure that its tables are there, its own methods serve.
    connections: Any = None

    def __init__(self, db_uri: str, default_artifact_root: str) -> None:
        super().__init__(db_uri, default_artifact_root)
        self.connections = Connections(self.engine)

    def unavailable(self, error: Exception) -> Any:
        """What MLflow says when the database is away."""
        return MlflowException(str(error), error_code=TEMPORARILY_UNAVAILABLE)
