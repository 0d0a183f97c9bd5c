"""A group of parameters that is not there is an error of RDS, and volumes of gp3 say how fast they are; moto answers
with none of either. Runs in moto's environment.
"""

from __future__ import annotations

from typing import Any

from moto.rds.exceptions import DBParameterGroupNotFoundError
from moto.rds.models import RDSBackend

_describe, _create = RDSBackend.describe_db_parameter_groups, RDSBackend.create_db_instance
# Of volumes below 400 GiB.
_IOPS, _THROUGHPUT = 3000, 125


def describe_db_parameter_groups(backend: RDSBackend, asked: dict[str, Any]) -> list[Any]:
    found = _describe(backend, asked)
    if not found and (name := asked.get("db_parameter_group_name")):
        raise DBParameterGroupNotFoundError(name)
    return list(found)


def create_db_instance(backend: RDSBackend, *given: Any, **named: Any) -> Any:
    instance = _create(backend, *given, **named)
    if instance.storage_type == "gp3":
        instance.iops = instance.iops or _IOPS
        instance._storage_throughput = instance.storage_throughput or _THROUGHPUT
    return instance


def install() -> None:
    RDSBackend.create_db_instance = create_db_instance
    RDSBackend.describe_db_parameter_groups = describe_db_parameter_groups
