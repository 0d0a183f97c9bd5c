#!/usr/bin/env python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Measures snapshots beside what a user would write by hand, on the same data, in one interleaved run on this machine.

  dump      pg_dump to a plain file                   beside    mlflow-ops backup of the database
  load      psql < that file                          beside    the load step of mlflow-ops drill
  copy      cp -r and sha256sum of the artifacts      beside    mlflow-ops backup of the artifacts
  again     mlflow-ops backup of the artifacts        beside    the same after 1 % of the files changed

Prints Markdown on standard output and progress on standard error. Each round begins with an empty destination.
backup_alongside.py measures the rate of a server that is backed up, and snapshots in a bucket.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from lib import environment, table
from lib.postgres import Postgres
from lib.table import Bar

_ROOT = Path(__file__).resolve().parents[1]
_OPS = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from ansible_collections.mlops.mlflow.plugins.module_utils._engine.cli import main; sys.exit(main())"
)
_OURS, _HAND = "snapshot", "by hand"
_FIRST, _AGAIN = "first snapshot", "snapshot after 1 % changed"
_BARS = [
    Bar("dump s", _OURS, _HAND, 0.9, 0.6, less=True),
    Bar("dump MiB", _OURS, _HAND, 0.30, 0.24, less=True),
    Bar("load s", _OURS, _HAND, 0.85, 0.7, less=True),
    Bar("copy MiB/s", _OURS, _HAND, 0.8, 1.0),
    Bar("artifacts s", _AGAIN, _FIRST, 0.25, 0.25, less=True),
    Bar("artifacts new MiB", _AGAIN, _FIRST, 0.03, 0.03, less=True),
]
# The tables of MLflow that grow, with its keys and indexes.
_FILL = """
CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);
CREATE TABLE runs (run_uuid varchar(32) PRIMARY KEY, name varchar(250), status varchar(9), start_time bigint,
  experiment_id int, artifact_uri varchar(200));
CREATE TABLE metrics (key varchar(250), value float8, timestamp bigint, run_uuid varchar(32), step bigint,
  is_nan boolean, PRIMARY KEY (key, timestamp, step, run_uuid, value, is_nan));
CREATE TABLE params (key varchar(250), value varchar(8000), run_uuid varchar(32), PRIMARY KEY (key, run_uuid));
CREATE TABLE tags (key varchar(250), value varchar(8000), run_uuid varchar(32), PRIMARY KEY (key, run_uuid));
INSERT INTO runs SELECT md5(i::text), 'run-' || i, 'FINISHED', 1700000000000 + i, i % 50,
  'mlflow-artifacts:/' || i % 50 || '/' || md5(i::text) || '/artifacts' FROM generate_series(1, {runs}) i;
INSERT INTO metrics SELECT 'metric_' || m, random(), 1700000000000 + i * 1000 + s, md5(i::text), s, false
  FROM generate_series(1, {runs}) i, generate_series(1, 10) m, generate_series(1, {steps}) s;
INSERT INTO params SELECT 'param_' || p, md5((i * p)::text), md5(i::text)
  FROM generate_series(1, {runs}) i, generate_series(1, 12) p;
INSERT INTO tags SELECT 'mlflow.tag' || p, md5((i + p)::text), md5(i::text)
  FROM generate_series(1, {runs}) i, generate_series(1, 6) p;
CREATE INDEX index_metrics_run_uuid ON metrics (run_uuid);
CREATE INDEX index_params_run_uuid ON params (run_uuid);
CREATE INDEX index_tags_run_uuid ON tags (run_uuid);
"""


def main() -> int:
    wish = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    wish.add_argument("--rounds", type=int, default=5)
    wish.add_argument("--runs", type=int, default=20_000)
    wish.add_argument("--steps", type=int, default=20, help="of each of ten metrics")
    wish.add_argument("--files", type=int, default=3000)
    wish.add_argument("--only", choices=["databases", "artifacts"], help="leave the other out")
    wish.add_argument("--big", type=int, default=500, help="MiB of the one big artifact")
    given = wish.parse_args()
    environment.CACHE.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="backup-", dir=environment.CACHE))
    server = Postgres()
    try:
        measured, memory = _measure(given, folder, server)
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    print(table.bars(measured, [bar for bar in _BARS if bar.measure in measured[bar.ours]]))
    for pair in ((_OURS, _HAND), (_AGAIN, _FIRST)):
        shown = {who: measured[who] for who in pair if measured[who]}
        print(table.values(shown, list(dict.fromkeys(what for values in shown.values() for what in values))))
    print(f"Load average at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(f"Memory of the engine at its most: {table.spread(memory)} MiB (floor 200, goal 100)")
    return 0


def _measure(given: argparse.Namespace, folder: Path, server: Postgres) -> tuple[dict[str, Any], list[float]]:
    _say("Filling the database and the folder of artifacts")
    binaries = server.binaries
    os.environ["PGPASSWORD"] = server.password()
    server.create("source")
    libpq = server.uri("source").replace("+psycopg2", "")
    script = folder / "fill.sql"
    script.write_text(_FILL.format(runs=given.runs, steps=given.steps))
    _run(str(binaries / "psql"), "-q", "-v", "ON_ERROR_STOP=1", "-f", str(script), libpq)
    artifacts = folder / "artifacts"
    make_artifacts(artifacts, given.files, given.big)
    size = sum(path.stat().st_size for path in artifacts.rglob("*") if path.is_file()) / 2**20
    measured: dict[str, Any] = {who: {} for who in (_OURS, _HAND, _FIRST, _AGAIN)}
    memory: list[float] = []

    def note(who: str, what: str, value: float) -> None:
        measured[who].setdefault(what, []).append(value)

    def ours(command: str, **settings: Any) -> dict[str, Any]:
        file = folder / "settings.json"
        file.write_text(json.dumps({"pg_bindir": str(binaries), "scratch_dir": str(folder), **settings}))
        result, rss = run_ops(command, file)
        memory.append(rss)
        return result

    for number in range(given.rounds):
        _say(f"Round {number + 1} of {given.rounds}")
        plain, place = folder / "plain.sql", folder / "destination"
        database = {"destination": str(place), "database_uri": server.uri("source").replace("psycopg2", "psycopg")}
        for who in (_HAND, _OURS) if number % 2 else (_OURS, _HAND):
            if given.only != "artifacts":
                if who == _HAND:
                    note(who, "dump s", _run(str(binaries / "pg_dump"), "--file", str(plain), libpq))
                    note(who, "dump MiB", plain.stat().st_size / 2**20)
                    server.create("loaded")
                    target = server.uri("loaded").replace("+psycopg2", "")
                    note(who, "load s", _run(str(binaries / "psql"), "-q", "-f", str(plain), target))
                    server.create("loaded")
                else:
                    taken = ours("backup", **database)["snapshot"]
                    note(who, "dump s", taken["databases"]["tracking"]["seconds"])
                    note(who, "dump MiB", taken["new_bytes"] / 2**20)
                    note(who, "load s", ours("drill", **database)["seconds"]["tracking pg_restore"])
                    shutil.rmtree(place)
            if given.only != "databases":
                if who == _HAND:
                    begin = time.monotonic()
                    _run("cp", "-r", str(artifacts), str(folder / "copy"))
                    _run("sh", "-c", 'find "$1" -type f -exec sha256sum {} + > "$2"', "-", str(artifacts), str(plain))
                    note(who, "copy MiB/s", size / (time.monotonic() - begin))
                    shutil.rmtree(folder / "copy")
                else:
                    for which in (_FIRST, _AGAIN):
                        taken = ours("backup", destination=str(place), artifacts_uri=str(artifacts))["snapshot"]
                        note(which, "artifacts s", taken["artifacts"]["seconds"])
                        note(which, "artifacts new MiB", taken["new_bytes"] / 2**20)
                        if which == _FIRST:
                            _change(artifacts, number)
                    note(who, "copy MiB/s", size / measured[_FIRST]["artifacts s"][-1])
                    shutil.rmtree(place)
    return measured, memory


def make_artifacts(folder: Path, count: int, big: int) -> None:
    chosen = random.Random(1)  # noqa: S311  (contents, no secrets)
    for number in range(count):
        path = folder / str(number % 50) / f"{number:032x}" / "artifacts" / "model.bin"
        path.parent.mkdir(parents=True)
        path.write_bytes(chosen.randbytes(chosen.randrange(1000, 200_000)))
    with (folder / "big").open("wb") as file:
        for _ in range(big):
            file.write(os.urandom(1 << 20))
    for path in folder.rglob("*"):  # not changed a moment ago
        if path.is_file():
            os.utime(path, (1, 1))


def _change(folder: Path, number: int) -> None:
    """Write every hundredth artifact anew, some time ago."""
    for path in sorted(folder.rglob("model.bin"))[number % 100 :: 100]:
        path.write_bytes(os.urandom(path.stat().st_size))
        os.utime(path, (1, time.time() - 3600))


def _run(*command: str) -> float:
    begin = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - begin


def run_ops(command: str, settings: Path, *options: str) -> tuple[dict[str, Any], float]:
    """The result of a command of mlflow-ops, and its memory at its most in MiB."""
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", _OPS, str(_ROOT / ".dev"), command, "--settings", str(settings), *options],
            stdout=output,
        )
        _pid, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        result: dict[str, Any] = json.loads(output.read().splitlines()[-1].partition(": ")[2])
    if result.get("failed"):
        raise RuntimeError(result["msg"])
    return result, usage.ru_maxrss / 1024


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
