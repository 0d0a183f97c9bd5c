# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Connections in autocommit: a statement is a transaction, and one round trip.

MLflow's pool asks each connection whether it lives before it hands it out. Here the statement itself finds out. When
one was cut, so were probably all of its age: the idle ones of both pools are given up at once, so that a firewall that
drops packets costs one time-out and not one for each of them.
"""

from __future__ import annotations

import contextlib
import threading
from typing import Any

with contextlib.suppress(ImportError):  # it runs in MLflow's environment; elsewhere it is only copied
    import sqlalchemy
    from mlflow import environment_variables as variables


class Lost(Exception):
    """The connection broke under a statement: nobody knows whether that was carried out."""


class Connections:
    def __init__(self, stock: Any) -> None:
        """:param stock: MLflow's engine for the same database."""
        given = {
            "pool_size": variables.MLFLOW_SQLALCHEMYSTORE_POOL_SIZE.get(),
            "max_overflow": variables.MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW.get(),
            "pool_recycle": variables.MLFLOW_SQLALCHEMYSTORE_POOL_RECYCLE.get(),
        }
        options = {name: value for name, value in given.items() if value}
        self._engines = (
            sqlalchemy.create_engine(
                stock.url, isolation_level="AUTOCOMMIT", pool_reset_on_return=None, pool_use_lifo=True, **options
            ),
            stock,
        )
        self._lock = threading.Lock()

    @property
    def dialect(self) -> Any:
        return self._engines[0].dialect

    def one(self, statement: str, values: dict[str, Any]) -> Any:
        """The first row, or C(None)."""
        rows = self.all(statement, values)
        return rows[0] if rows else None

    def all(self, statement: str, values: dict[str, Any]) -> Any:
        """The rows.

        :raises Lost: the statement may have been carried out.
        """
        engine = self._engines[0]
        pool = engine.pool
        connection = engine.raw_connection()
        try:
            cursor = connection.cursor()
            cursor.execute(statement, values)
            rows = cursor.fetchall()
            cursor.close()
            return rows
        except BaseException as error:
            if not isinstance(error, Exception):
                connection.invalidate()  # interrupted somewhere within
            elif self._is_lost(error, connection):
                connection.invalidate()
                self._give_up(pool)
                raise Lost(str(error)) from error
            raise
        finally:
            connection.close()

    def _is_lost(self, error: Exception, connection: Any) -> bool:
        # Both, because psycopg2 says of some that were cut only that there was an error, and of some only that they are
        # closed.
        driven = connection.driver_connection
        return bool(getattr(driven, "closed", False)) or self.dialect.is_disconnect(error, driven, None)

    def _give_up(self, pool: Any) -> None:
        with self._lock:
            if self._engines[0].pool is pool:  # else another thread did, and what is there now is new
                for engine in self._engines:
                    engine.dispose()
