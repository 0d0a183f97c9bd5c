"""A group of parameters that is not there is an error of RDS; moto answers with none. Runs in moto's environment."""

from __future__ import annotations

from typing import Any

from moto.rds.exceptions import DBParameterGroupNotFoundError
from moto.rds.models import RDSBackend

_describe = RDSBackend.describe_db_parameter_groups


def describe_db_parameter_groups(backend: RDSBackend, asked: dict[str, Any]) -> list[Any]:
    found = _describe(backend, asked)
    if not found and (name := asked.get("db_parameter_group_name")):
        raise DBParameterGroupNotFoundError(name)
    return list(found)


def install() -> None:
    RDSBackend.describe_db_parameter_groups = describe_db_parameter_groups
