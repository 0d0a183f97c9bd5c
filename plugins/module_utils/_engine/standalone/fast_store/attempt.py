# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A call that goes the plain way or, whatever happens, MLflow's own."""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Callable
from typing import Any

with contextlib.suppress(ImportError):
    from mlflow.exceptions import MlflowException
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

_logger = logging.getLogger("mlflow.mlops_mlflow_fast")
# How often each call was made here, and how often MLflow's own method made it; whoever tests reads it.
made: dict[str, list[int]] = {}


class Unusual(Exception):
    """Nothing was changed, and MLflow's own method knows what to do and to say."""


class Undecided(Exception):
    """Nobody knows whether it was done, and to do it again could do it twice."""


def are(kind: type, *values: Any) -> bool:
    """Whether all are of that class itself, which a flag that stands for a number is not."""
    return all(type(value) in (kind,) for value in values)


def or_stock(call: Callable[..., Any]) -> Callable[..., Any]:
    """What C(call) does not do, MLflow's own method of that name does.

    Each statement is all or nothing, and doing what it did once more changes nothing, so that MLflow's method can
    follow whatever happened. A call that is not like that raises C(Undecided).
    """
    counted = made.setdefault(call.__name__, [0, 0])

    @functools.wraps(call)
    def either(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self.connections is not None:
            try:
                result = call(self, *args, **kwargs)
            except (Unusual, MlflowException):
                pass
            except Undecided as error:
                raise self.unavailable(error) from error
            except Exception as error:
                # Bad input and a database that is away are among them: what MLflow says to them, it says itself.
                _logger.debug("%s goes to MLflow's own method: %r", call.__name__, error)
            else:
                counted[0] += 1
                return result
        counted[1] += 1
        return getattr(SqlAlchemyStore, call.__name__)(self, *args, **kwargs)

    return either
