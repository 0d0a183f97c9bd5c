#!/usr/bin/env python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Measures the profiles beside plain `mlflow server` in one interleaved run on this machine.

Prints Markdown on standard output and progress on standard error; writes all numbers as JSON. Needs Linux, and only
what `make bench` installs. Ratios of one run are what to look at: absolute values are the machine's.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from lib import environment, measure, table
from lib.postgres import Postgres
from lib.servers import FAST, FAST_LOGIN, PLAIN_DEFAULTS, PLAIN_ONE, Databases
from lib.table import Bar

_LIGHT, _THROUGHPUT, _FULL = "`light`", "`throughput`", "`full`"
_AUTH = " with basic auth"
_DEFAULT, _ONE = PLAIN_DEFAULTS.name, PLAIN_ONE.name
_SINGLE = ("log-metric", "create-run", "get-run")
_BARS = {
    "cold_start": [
        Bar("CPU s", _LIGHT, _DEFAULT, 0.15, 0.10, less=True),
        Bar("settled PSS MiB", _LIGHT, _DEFAULT, 0.15, 0.08, less=True),
    ],
    "rates": [
        Bar("log-metric: requests/s", _THROUGHPUT, _ONE, 1.8, 2.4),
        Bar("create-run: requests/s", _THROUGHPUT, _ONE, 1.6, 1.9),
        Bar("get-run: requests/s", _THROUGHPUT, _ONE, 1.6, 1.9),
        *(
            Bar(f"{operation}: requests/s", profile + _AUTH + user, profile, 0.55, 0.8)
            for profile in (_THROUGHPUT, _LIGHT)
            for user in ("", ", no admin")
            for operation in _SINGLE
        ),
    ],
    "fast_store": [
        *(
            Bar(f"{operation}: server CPU ms/request", FAST.name, _ONE, floor, goal, less=True)
            for operation, floor, goal in (
                ("log-metric", 0.2, 0.13),
                ("create-run", 0.2, 0.13),
                ("get-run", 0.2, 0.13),
                ("log-batch", 0.35, 0.2),
                ("search-runs", 0.35, 0.2),
            )
        ),
        *(Bar(f"{operation}: requests/s", FAST.name, _ONE, 5, 8) for operation in _SINGLE),
        *(
            Bar(f"{operation}: requests/s", f"{FAST_LOGIN.name}, no admin", beside, floor, goal)
            for beside, floor, goal in ((FAST.name, 0.55, 0.8), (_ONE, 3, 5))
            for operation in _SINGLE
        ),
    ],
    "writers": [Bar("requests/s", profile, _ONE, 6, 10) for profile in (_LIGHT, _THROUGHPUT, _FULL)],
}


def main() -> int:
    wish = _arguments()
    if not Path("/proc/self/smaps_rollup").exists():
        sys.exit("The benchmark reads CPU and memory of process trees from /proc: it needs Linux.")
    signal.signal(signal.SIGTERM, lambda *_signal: sys.exit(143))
    for flavor in ("plain", "full", "slim"):
        environment.install(flavor)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=environment.CACHE))
    about = {
        "mlflow": environment.version(), "python": platform.python_version(), "cores": os.cpu_count(),
        "rounds": wish.rounds, "load_average_before": os.getloadavg()[0], "date": time.strftime("%Y-%m-%d"),
    }  # fmt: skip
    postgres = None
    try:
        if set(wish.only) - {"cold_start"}:
            postgres = Postgres()
        results = _measure(wish, postgres, folder)
    finally:
        if postgres:
            postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)
    about["load_average_after"] = os.getloadavg()[0]
    wish.json.parent.mkdir(parents=True, exist_ok=True)
    wish.json.write_text(json.dumps({"about": about, **results}, indent=1) + "\n")
    print(report(about, results))
    return 0


def report(about: dict[str, object], results: dict[str, measure.Results]) -> str:
    """All tables as Markdown."""
    parts = [
        f"MLflow {about['mlflow']}, Python {about['python']}, {about['cores']} cores, {about['rounds']} interleaved "
        f"rounds, {about['date']}. Median (minimum-maximum). Load average of the machine before and after: "
        f"{about['load_average_before']:.1f}, {about['load_average_after']:.1f}.\n"
    ]
    if cold := results.get("cold_start"):
        measures = ["CPU s", "wall s", "PSS MiB", "settled CPU s", "settled PSS MiB", "processes"]
        parts += ["### Cold start\n", table.bars(cold, _BARS["cold_start"]), table.values(cold, measures)]
    for section, title, operations in (
        ("rates", "Rates", measure.FAST_OPERATIONS[:3]),
        ("fast_store", "The fast store", measure.FAST_OPERATIONS),
    ):
        if not (rates := results.get(section)):
            continue
        measures = ["requests/s", "p50 ms", "p95 ms", "p99 ms", "server CPU ms/request", "database CPU ms/request",
                    "client CPU share", "errors"]  # fmt: skip
        parts += [f"### {title}\n", table.bars(rates, _BARS[section])]
        for operation in operations:
            parts += [f"#### {operation}\n", table.values(rates, measures, f"{operation}: ")]
    if writers := results.get("writers"):
        measures = ["requests/s", "errors", "longest stall s", "p50 ms", "p99 ms", "server CPU ms/request", "PSS MiB",
                    "client CPU share"]  # fmt: skip
        parts += ["### Concurrent writers\n", table.bars(writers, _BARS["writers"]), table.values(writers, measures)]
    return "\n".join(parts)


def _measure(wish: argparse.Namespace, postgres: Postgres | None, folder: Path) -> dict[str, measure.Results]:
    databases = Databases(folder, postgres)
    seconds = wish.seconds
    sections: dict[str, Callable[[], measure.Results]] = {
        "cold_start": lambda: measure.cold_start(wish.rounds, databases, folder),
        "writers": lambda: measure.writers(wish.rounds, seconds * 3, databases, folder),
    }
    if postgres:
        sections["rates"] = lambda: measure.rates(wish.rounds, seconds, databases, postgres, folder)
        sections["fast_store"] = lambda: measure.fast_store(wish.rounds, seconds, databases, postgres, folder)
    results = {}
    for name in wish.only:
        print(f"{name} ...", file=sys.stderr, flush=True)
        results[name] = sections[name]()
    return results


def _arguments() -> argparse.Namespace:
    names = ("cold_start", "rates", "writers", "fast_store")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, help="interleaved rounds (default 5; with --quick 1)")
    parser.add_argument("--seconds", type=float, default=3, help="of each rate; writers take three times as long")
    parser.add_argument("--quick", action="store_true", help="one short round: does it work at all?")
    parser.add_argument("--only", nargs="+", choices=names, default=names, help="measure only these")
    default = environment.CACHE / "server.json"
    parser.add_argument("--json", type=Path, default=default, help="all numbers (default .cache/bench/server.json)")
    wish = parser.parse_args()
    wish.rounds = wish.rounds or (1 if wish.quick else 5)
    wish.seconds = min(wish.seconds, 2) if wish.quick else wish.seconds
    return wish


if __name__ == "__main__":
    sys.exit(main())
