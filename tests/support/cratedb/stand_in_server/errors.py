"""What CrateDB says where it refuses a statement."""

from __future__ import annotations


class Refused(Exception):
    """An answer that is an error: C(status) of HTTP, C(code) of CrateDB."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


def unknown_schema(name: str) -> Refused:
    return Refused(404, 4045, f"SchemaUnknownException[Schema '{name}' unknown]")


def unknown_relation(name: str) -> Refused:
    return Refused(404, 4041, f"RelationUnknown[Relation '{name}' unknown]")
