"""A small deployment to back up: a SQLite database and a folder of artifacts, and what a user would compare."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import sqlite3
import time
from pathlib import Path

from ansible_collections.mlops.mlflow.plugins.module_utils._engine.snapshot import backup, manifest, recovery, restore
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.storage.base import Store
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.storage.cloud import Place, connect

NAMES = ["0/a/model.pkl", "0/a/empty", "0/ü 日本/%20 #~.txt", "1/" + "deep/" * 20 + "file", "1/same", "0/a/same too"]


class Small:
    """Everything lies below C(home); C(destination) is a folder in it."""

    def __init__(self, home: Path, rows: int = 20_000, size: int = 300_000) -> None:
        self.at(home)
        self.artifacts.mkdir(parents=True)
        with contextlib.closing(sqlite3.connect(self.database)) as connection, connection:
            connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
            connection.execute("INSERT INTO alembic_version VALUES ('abc123')")
            connection.execute("CREATE TABLE metrics (id INTEGER PRIMARY KEY, run TEXT, value REAL)")
        self.add_rows(rows)
        for name in NAMES:
            self.write(name, b"same" if "same" in name else b"" if "empty" in name else self.random.randbytes(size))
        self.settle()

    def at(self, home: Path) -> None:
        """One that exists already."""
        self.home = home
        self.database = home / "live" / "mlflow.db"
        self.artifacts = home / "live" / "artifacts"
        self.place = Place(str(home / "destination"))
        self.random = random.Random(5)

    @property
    def source(self) -> backup.Source:
        return backup.Source(
            name="small",
            databases={"tracking": f"sqlite:///{self.database}"},
            artifacts=Place(str(self.artifacts)),
            secrets={"flask-secret-key": b"s3cret"},
            mlflow_version="3.17.2",
        )

    @property
    def target(self) -> restore.Target:
        return restore.Target(self.source.databases, artifacts=self.source.artifacts, secrets=self.source.secrets)

    @property
    def store(self) -> Store:
        return connect(self.place)

    def add_rows(self, count: int) -> None:
        with contextlib.closing(sqlite3.connect(self.database)) as connection, connection:
            rows = ((f"{self.random.getrandbits(128):032x}", self.random.random()) for _ in range(count))
            connection.executemany("INSERT INTO metrics (run, value) VALUES (?, ?)", rows)

    def write(self, name: str, content: bytes) -> None:
        path = self.artifacts / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def settle(self) -> None:
        """Make the artifacts look as if they had been written a while ago."""
        before = time.time() - 60
        for path in self.artifacts.rglob("*"):
            if path.is_file():
                os.utime(path, (before, before))

    def backup(self, **options: object) -> manifest.Manifest:
        return backup.create(self.source, self.place, backup.Options(**options))

    def restore(self, wanted: str = "latest", *, drill: bool = False, **options: object) -> restore.Report:
        return restore.run(
            self.place,
            wanted,
            self.target,
            restore.Options(**{"journal_dir": str(self.home / "operator"), **options}),
            drill=drill,
        )

    def recover(self) -> list[str]:
        """What the next restore does first."""
        options = restore.Options(journal_dir=str(self.home / "operator"))
        return recovery.recover(self.target.artifacts, restore._journal(self.target, options))

    def state(self) -> tuple[str, dict[str, str]]:
        """All rows as one hash, and every artifact's hash."""
        with contextlib.closing(sqlite3.connect(self.database)) as connection:
            dump = "\n".join(connection.iterdump())
        files = {
            str(path.relative_to(self.artifacts)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.artifacts.rglob("*"))
            if path.is_file()
        }
        return hashlib.sha256(dump.encode()).hexdigest(), files

    def litter(self) -> list[str]:
        """What lies beside the live data."""
        return sorted(
            path.name for path in self.database.parent.iterdir() if path not in (self.database, self.artifacts)
        )

    def objects(self) -> dict[str, int]:
        return {found.key: found.size for found in self.store.list("")}
