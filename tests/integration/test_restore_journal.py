"""What a client writes through a real server, and what stands in a real PostgreSQL: what a restore believes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database.postgresql_server import Server
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import SnapshotError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.http import Client
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.snapshot import backup, manifest, restore
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.storage.cloud import Place, connect
from support.databases import Databases
from support.environments import Environments
from support.postgresql import OWNER_PASSWORD, PostgreSQL
from support.s3 import ACCESS_KEY, SECRET_KEY, running
from support.servers import RunningServer, create_run


def put(server: RunningServer, path: str, content: bytes) -> None:
    url = f"{server.url}/api/2.0/mlflow-artifacts/artifacts/{path}"
    request = urllib.request.Request(url, content, {"Content-Type": "application/octet-stream"}, method="PUT")
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == 200


@pytest.fixture
def on_a_volume(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Lets a folder be a volume of its own, as always in containers."""

    def mount(folder: Path) -> None:
        monkeypatch.setattr(os.path, "ismount", lambda path: str(path) == str(folder))

    return mount


def test_a_client_that_puts_a_journal_beside_the_artifacts_moves_no_file_and_gets_it_back(
    environments: Environments, databases: Databases, tmp_path: Path, on_a_volume: Callable[[Path], None]
) -> None:
    tracking = databases.copy("trust_client")
    databases.postgresql.let_owner_create_databases()
    server = RunningServer(environments.slim, "light", databases.connection(tracking))
    on_a_volume(server.artifacts)
    victim = tmp_path / "important.conf"
    victim.write_text("important")
    destination = Place(str(tmp_path / "destination"))
    renames = [
        [str(tmp_path / "moved"), str(victim)],
        [str(tmp_path / "moved-too"), f"{destination.uri}/manifests"],
        ["/nonexistent-a", "/nonexistent-b"],
    ]
    forged = json.dumps({"renames": renames, "databases": [["x", "y"]], "proof": None}).encode()
    source = backup.Source(
        "trust",
        {"tracking": databases.postgresql.uri(tracking)},
        OWNER_PASSWORD,
        Place(str(server.artifacts)),
    )
    try:
        server.start()
        client = Client(server.server())
        create_run(client)
        client.close()
        put(server, ".mlops-restore.json", forged)
        put(server, ".mlops-before-20260101000000000/x", b"x")
        options = backup.Options(pg_bindir=str(databases.postgresql.tools), scratch_dir=str(tmp_path))
        taken = backup.create(source, destination, options)
        server.stop()
        target = restore.Target(source.databases, source.password, source.artifacts)
        report = restore.run(
            destination, taken.id, target, restore.Options(pg_bindir=options.pg_bindir, keep_replaced=False)
        )
        assert not any("interrupted" in note for note in report.notes)
        assert victim.read_text() == "important"
        assert manifest.ids(connect(destination)) == [taken.id]
        assert (server.artifacts / ".mlops-restore.json").read_bytes() == forged
        assert (server.artifacts / ".mlops-before-20260101000000000" / "x").read_bytes() == b"x"
    finally:
        server.remove()


class Deployed:
    """A small database in a real PostgreSQL and a volume of artifacts; a snapshot, and what came after it."""

    def __init__(self, postgresql: PostgreSQL, name: str, home: Path) -> None:
        self.postgresql = postgresql
        self.name = postgresql.create_database(name)
        with self.connect(name) as connection:
            connection.execute("CREATE TABLE runs (id int PRIMARY KEY)")
            connection.execute("INSERT INTO runs SELECT generate_series(1, 500)")
            # By which a database is known as MLflow's.
            connection.execute("CREATE TABLE alembic_version AS SELECT 'abc123' AS version_num")
            connection.execute("CREATE TABLE latest_metrics (key text)")
        self.artifacts = home / "artifacts"
        for number in range(3):
            self.write(f"{number}/file", b"%d" % number)
        self.place = Place(str(home / "destination"))
        databases = {"tracking": postgresql.uri(name)}
        self.target = restore.Target(databases, OWNER_PASSWORD, Place(str(self.artifacts)))
        source = backup.Source("trust", databases, OWNER_PASSWORD, self.target.artifacts)
        self.options = {"pg_bindir": str(postgresql.tools), "scratch_dir": str(home)}
        self.wanted = self.state()
        self.taken = backup.create(source, self.place, backup.Options(**self.options))
        with self.connect(name) as connection:
            connection.execute("DELETE FROM runs WHERE id > 100")
        self.write("0/later", b"later")
        self.old = self.state()

    def connect(self, name: str) -> Any:
        from support.postgresql import OWNER

        return self.postgresql.connect(OWNER, OWNER_PASSWORD, name)

    def write(self, name: str, content: bytes) -> None:
        (self.artifacts / name).parent.mkdir(parents=True, exist_ok=True)
        (self.artifacts / name).write_bytes(content)

    def state(self) -> tuple[int, dict[str, str]]:
        with self.connect(self.name) as connection:
            rows = connection.execute("SELECT count(*) FROM runs").fetchone()[0]
        files = {
            str(path.relative_to(self.artifacts)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.artifacts.rglob("*"))
            if path.is_file() and not str(path.relative_to(self.artifacts)).startswith(".mlops-")
        }
        return rows, files

    def restore(self, target: restore.Target | None = None) -> restore.Report:
        options = restore.Options(**self.options, keep_replaced=False)
        return restore.run(self.place, self.taken.id, target or self.target, options)

    def databases(self) -> list[str]:
        with self.postgresql.superuser() as connection:
            rows = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", (f"{self.name}%",))
            return sorted(name for (name,) in rows.fetchall())

    def comment(self, name: str, text: str) -> None:
        with self.postgresql.superuser() as connection:
            connection.execute(f"COMMENT ON DATABASE {name} IS '{text}'")

    @contextlib.contextmanager
    def cut_off(self, monkeypatch: pytest.MonkeyPatch, moves: int) -> Iterator[None]:
        """What is restored within ends without a word after so many moves, as by a power cut."""
        left, really, exchange = [moves], os.rename, Server.rename

        def rename(old: Any, new: Any) -> None:
            if left[0] == 0:
                raise KeyboardInterrupt
            left[0] -= 1
            really(old, new)

        def exchanged(server: Server, pairs: list[tuple[str, str]]) -> None:
            if left[0] == 0:
                raise KeyboardInterrupt
            exchange(server, pairs)
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(os, "rename", rename)
            patched.setattr(Server, "rename", exchanged)
            with pytest.raises(KeyboardInterrupt):
                yield


@pytest.fixture
def deployed(
    postgresql: PostgreSQL, tmp_path: Path, request: pytest.FixtureRequest, on_a_volume: Callable[[Path], None]
) -> Iterator[Deployed]:
    postgresql.let_owner_create_databases()
    name = "trust_" + hashlib.sha256(request.node.name.encode()).hexdigest()[:8]
    one = Deployed(postgresql, name, tmp_path)
    on_a_volume(one.artifacts)
    try:
        yield one
    finally:
        with postgresql.superuser() as connection:
            for database in one.databases():
                connection.execute(f'DROP DATABASE "{database}" WITH (FORCE)')


# Three entries are moved aside, three put in; then the databases are exchanged.
@pytest.mark.parametrize("moves", range(8))
def test_a_restore_into_postgresql_that_was_cut_off_is_undone_or_was_done(
    deployed: Deployed, moves: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with deployed.cut_off(monkeypatch, moves):
        deployed.restore()
    left = deployed.databases()
    assert len(left) == 2 and any("_before_" in name for name in left) == (moves == 7)
    with monkeypatch.context() as patched:

        def refuse(*_arguments: Any, **_options: Any) -> None:
            raise SnapshotError("after the recovery")

        patched.setattr(restore, "check", refuse)
        with pytest.raises(SnapshotError, match="after the recovery"):
            deployed.restore()
    assert deployed.state() == (deployed.wanted if moves == 7 else deployed.old)
    assert [name for name in deployed.databases() if "_restoring_" in name] == []
    report = deployed.restore()
    assert deployed.state() == deployed.wanted
    assert not any("interrupted" in note for note in report.notes), "what was undone is forgotten"
    assert not [name for name in os.listdir(deployed.artifacts) if "restoring" in name]


def test_a_restore_that_was_cut_off_says_so_in_the_next_one(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    with deployed.cut_off(monkeypatch, 4):
        deployed.restore()
    report = deployed.restore()
    assert "an earlier restore was interrupted while it put the data in place; that was undone" in report.notes
    assert deployed.state() == deployed.wanted and deployed.databases() == [deployed.name]
    assert sorted(os.listdir(deployed.artifacts)) == ["0", "1", "2"]


def test_a_restore_of_less_leaves_one_of_more_that_was_cut_off(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    with deployed.cut_off(monkeypatch, 4):
        deployed.restore()
    before = deployed.databases()
    with pytest.raises(SnapshotError, match="'artifacts', which this target does not have"):
        deployed.restore(replace(deployed.target, artifacts=None))
    assert deployed.databases() == before
    deployed.restore()
    assert deployed.state() == deployed.wanted


def test_a_comment_that_no_restore_writes_moves_nothing(deployed: Deployed) -> None:
    loaded = f"{deployed.name}_restoring_20260101000000000"
    deployed.postgresql.create_database(loaded)
    forged = {"format": "mlops.mlflow restore", "version": 1, "stamp": "20260101000000000", "replaced": {}}
    comment = json.dumps({**forged, "steps": [["artifacts", "aside", "../../important"]]})
    deployed.comment(loaded, comment)
    with pytest.raises(SnapshotError, match=r"is not one that a restore of this target writes.*Nothing was changed"):
        deployed.restore()
    assert deployed.state() == deployed.old
    deployed.comment(loaded, "of a person")
    deployed.comment(deployed.name, comment)  # there it would say that all is done
    deployed.restore()
    assert deployed.state() == deployed.wanted and deployed.databases() == [deployed.name]


def test_what_a_client_put_aside_in_a_bucket_is_not_put_back_and_what_a_restore_did_is(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running() as s3:
        bucket = s3.home / "data" / "artifacts" / "mlflow"
        for name in ("0/file", "1/file"):
            (bucket / name).parent.mkdir(parents=True)
            (bucket / name).write_bytes(b"another")
        (bucket / ".mlops-before" / "20260101000000000").mkdir(parents=True)
        (bucket / ".mlops-before" / "20260101000000000" / "evil").write_bytes(b"by a client")
        artifacts = Place("s3://artifacts/mlflow", s3.endpoint, "us-east-1", ACCESS_KEY, SECRET_KEY)
        target = replace(deployed.target, artifacts=artifacts)
        with deployed.cut_off(monkeypatch, 0):
            deployed.restore(target)
        assert (bucket / "0/file").read_bytes() == b"0", "it was filled before the databases are exchanged"
        report = deployed.restore(target)
        assert "an earlier restore was interrupted; 2 artifacts were put back first" in report.notes
        assert not (bucket / "evil").exists()
        assert (bucket / "0/file").read_bytes() == b"0" and (bucket / "2/file").read_bytes() == b"2"
        kept = [str(path.relative_to(bucket)) for path in bucket.rglob(".mlops-before/*/**/*") if path.is_file()]
        assert kept == [".mlops-before/20260101000000000/evil"]
