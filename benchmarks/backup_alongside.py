#!/usr/bin/env python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Measures what backups take from the server that they back up, and snapshots in a bucket, in interleaved rounds.

  serving    log-metric on a server that is left alone    beside    the same while one backup follows the other
  bucket     a plain multipart upload of the artifacts    beside    mlflow-ops backup of them, to the same S3 server

Backups give way to the server, as the role's schedule lets them. The S3 server is versitygw, built with Go.
Prints Markdown on standard output and progress on standard error.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from backup import make_artifacts, run_ops
from lib import environment, load, table
from lib.postgres import Postgres
from lib.servers import Databases, Server, ours
from lib.table import Bar
from lib.work import Work

sys.path.insert(0, str(environment.ROOT / "tests"))
from support.s3 import ACCESS_KEY, S3, SECRET_KEY

_ALONE, _BACKED_UP = "left alone", "backed up"
_OURS, _HAND = "snapshot", "by hand"
_CLIENTS = 8
_BARS = [
    Bar("requests/s", _BACKED_UP, _ALONE, 0.9, 1.0),
    Bar("MiB/s", _OURS, _HAND, 0.8, 1.0),
]
_FILL = """
INSERT INTO runs (run_uuid, name, status, start_time, experiment_id, lifecycle_stage)
  SELECT md5(i::text), 'run', 'FINISHED', 1700000000000 + i, 0, 'active' FROM generate_series(1, {runs}) i;
INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan)
  SELECT 'metric_' || m, random(), 1700000000000 + s, md5(i::text), s, false
  FROM generate_series(1, {runs}) i, generate_series(1, 10) m, generate_series(1, 20) s;
"""

Measured = defaultdict[str, defaultdict[str, list[float]]]


def main() -> int:
    wish = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    wish.add_argument("--rounds", type=int, default=5)
    wish.add_argument("--seconds", type=float, default=15, help="of each measurement of the server")
    wish.add_argument("--runs", type=int, default=10_000)
    wish.add_argument("--files", type=int, default=500)
    wish.add_argument("--big", type=int, default=200, help="MiB of the one big artifact")
    wish.add_argument("--only", choices=["serving", "bucket"], help="leave the other out")
    given = wish.parse_args()
    measured: Measured = defaultdict(lambda: defaultdict(list))
    environment.CACHE.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="beside-", dir=environment.CACHE))
    try:
        if given.only != "bucket":
            _serving(given, folder, measured)
        if given.only != "serving":
            _bucket(given, folder, measured)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(table.bars(measured, [bar for bar in _BARS if bar.ours in measured]))
    for pair in ((_ALONE, _BACKED_UP), (_OURS, _HAND)):
        if not (shown := {who: measured[who] for who in pair if who in measured}):
            continue
        print(table.values(shown, list(dict.fromkeys(what for values in shown.values() for what in values))))
    print(f"Load average at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    return 0


def _serving(given: argparse.Namespace, folder: Path, measured: Measured) -> None:
    postgres = Postgres()
    try:
        database = Databases(folder, postgres).postgresql("serving")
        settings = {
            "database_uri": database["uri"].replace("psycopg2", "psycopg"),
            "database_password_file": str(postgres.password_file),
            "pg_bindir": str(postgres.binaries),
        }
        with Server(ours("throughput"), database, folder) as server:
            server.wait()
            _say("Filling the database")
            postgres.execute(_FILL.format(runs=given.runs), "serving_tracking")
            work = Work(server, _CLIENTS)
            load.run(server.port, _CLIENTS, 3, work.log_metric())  # fill pools and caches
            for number in range(given.rounds):
                for who in (_ALONE, _BACKED_UP) if number % 2 else (_BACKED_UP, _ALONE):
                    taken: list[float] = []
                    with _backups(settings, folder, taken) if who == _BACKED_UP else nullcontext():
                        seen = load.run(server.port, _CLIENTS, given.seconds, work.log_metric())
                    measured[who]["requests/s"].append(seen.rate)
                    measured[who]["errors"].append(float(seen.errors + seen.unanswered))
                    measured[who]["backups"].append(float(len(taken)))
                    _say(f"Round {number + 1}, {who}: {seen.rate:.0f} requests/s, {len(taken)} backups")
    finally:
        postgres.stop()


@contextmanager
def _backups(settings: dict[str, Any], folder: Path, taken: list[float]) -> Iterator[None]:
    """One first backup after the other, each into an empty destination, until the block is left."""
    over = threading.Event()

    def repeat() -> None:
        while not over.is_set():
            place = folder / "destination"
            taken.append(_backup(folder, {**settings, "destination": str(place), "scratch_dir": str(folder)}))
            shutil.rmtree(place)

    with ThreadPoolExecutor(1) as threads:
        repeating = threads.submit(repeat)
        try:
            yield
        finally:
            over.set()
        if repeating.exception():
            raise RuntimeError(f"A backup failed: {repeating.exception()}")


def _bucket(given: argparse.Namespace, folder: Path, measured: Measured) -> None:
    import obstore

    server = S3()
    server.start()
    try:
        artifacts = folder / "artifacts"
        make_artifacts(artifacts, given.files, given.big)
        size = sum(path.stat().st_size for path in artifacts.rglob("*") if path.is_file()) / 2**20
        for number in range(given.rounds):
            for who in (_HAND, _OURS) if number % 2 else (_OURS, _HAND):
                prefix = f"{who.replace(' ', '-')}-{number}"
                began = time.monotonic()
                if who == _OURS:
                    place = {"destination": f"s3://backups/{prefix}", **server.options()}
                    seconds = _backup(folder, {**place, "artifacts_uri": str(artifacts)})
                else:
                    store = obstore.store.S3Store(
                        "backups", prefix=prefix, endpoint=server.endpoint, region="us-east-1",
                        access_key_id=ACCESS_KEY, secret_access_key=SECRET_KEY, client_options={"allow_http": True},
                    )  # fmt: skip
                    for path in artifacts.rglob("*"):
                        if path.is_file():
                            obstore.put(store, str(path.relative_to(artifacts)), path)
                    seconds = time.monotonic() - began
                measured[who]["MiB/s"].append(size / seconds)
                _say(f"Round {number + 1}, {who}: {size / seconds:.0f} MiB/s")
                shutil.rmtree(server.home / "data" / "backups" / prefix)
    finally:
        server.remove()


def _backup(folder: Path, settings: dict[str, Any]) -> float:
    """Seconds that it took, without the start of the program."""
    file = folder / "settings.json"
    file.write_text(json.dumps(settings))
    snapshot = run_ops("backup", file, "--low-priority")[0]["snapshot"]
    parts = [*snapshot["databases"].values(), *([snapshot["artifacts"]] if snapshot["artifacts"] else [])]
    return float(sum(part["seconds"] for part in parts))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
