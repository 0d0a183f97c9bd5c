"""The system tables: filled anew for each statement that names one."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

VERSION = "6.4.1"
_COLUMNS = {
    "information_schema.tables": "table_schema TEXT, table_name TEXT, table_type TEXT",
    "sys.health": "table_schema TEXT, table_name TEXT, health TEXT",
    "sys.nodes": "name TEXT, hostname TEXT, version OBJECT, fs OBJECT",
    "sys.repositories": "name TEXT, type TEXT",
    "sys.sessions": "auth_user TEXT",
    "sys.shards": 'schema_name TEXT, table_name TEXT, "primary" BOOLEAN, size BIGINT, seq_no_stats OBJECT',
    "sys.snapshots": "repository TEXT, name TEXT, version TEXT, state TEXT, failures ARRAY",
    "sys.users": "name TEXT, superuser BOOLEAN",
}
SCHEMAS = tuple(dict.fromkeys(name.partition(".")[0] for name in _COLUMNS))


def create(connection: sqlite3.Connection) -> None:
    for schema in SCHEMAS:
        connection.execute(f"ATTACH ':memory:' AS {schema}")
    for table, columns in _COLUMNS.items():
        connection.execute(f"CREATE TABLE {table} ({columns})")


def fill(
    connection: sqlite3.Connection,
    data: Path,
    tables: Mapping[tuple[str, str], int],
    more: Mapping[str, Iterable[tuple[Any, ...]]],
) -> None:
    """C(tables): those of all schemas, with the number of the last write. C(more): rows of further system tables."""
    disk = os.statvfs(data)
    size, free = disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize
    space = {"total": {"size": size, "available": free, "used": size - free}}
    host = socket.gethostname()
    rows: dict[str, Iterable[tuple[Any, ...]]] = {
        "information_schema.tables": [(*name, "BASE TABLE") for name in tables],
        "sys.health": [(*name, "GREEN") for name in tables],
        "sys.nodes": [(host, host, json.dumps({"number": VERSION}), json.dumps(space))],
        "sys.shards": [
            (*name, True, (data / f"{name[0]}.db").stat().st_size // len(tables), json.dumps({"max_seq_no": last}))
            for name, last in tables.items()
        ],
        **more,
    }
    for table, found in rows.items():
        connection.execute(f"DELETE FROM {table}")
        values = list(found)
        if values:
            connection.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(values[0]))})", values)
