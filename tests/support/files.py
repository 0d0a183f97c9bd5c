"""What is behind a server: rows of its SQLite database, and its artifacts in a folder or in a bucket's folder."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
from pathlib import Path


def sqlite_rows(path: Path) -> dict[str, int]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}


def hashes(folder: Path) -> dict[str, str]:
    found = {}
    # os.walk passes over folders that gc or a restore removes meanwhile.
    for home, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != ".sgwtmp"]
        for path in (Path(home, name) for name in names if not name.startswith(".mlops")):
            with contextlib.suppress(FileNotFoundError):
                if path.is_file():
                    found[str(path.relative_to(folder))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found
