# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The measurements. Each yields per set-up and measure one number per round; rounds are interleaved."""

from __future__ import annotations

import contextlib
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from . import load
from .postgres import Postgres
from .process import Tree
from .servers import FAST, FAST_LOGIN, PLAIN_DEFAULTS, PLAIN_ONE, Databases, Server, Setup, ours
from .work import Work

_T = TypeVar("_T")
# {set-up: {measure: [one number per round]}}
Results = dict[str, dict[str, list[float]]]

FAST_OPERATIONS = ("log-metric", "create-run", "get-run", "log-batch", "search-runs")
_RATE_CLIENTS = 16
_WRITERS = 48
_SETTLE_SECONDS = 90


def cold_start(rounds: int, databases: Databases, folder: Path) -> Results:
    """CPU, memory and time from nothing to the first answered search, on a migrated SQLite."""
    results = _results()
    for number in range(rounds):
        for setup in _turned([ours("light"), PLAIN_DEFAULTS], number):
            with Server(setup, databases.sqlite(f"cold-{number}-{setup.profile}"), folder) as server:
                wall = server.wait()
                answered = {"wall s": wall, "CPU s": server.tree.cpu(), "PSS MiB": server.tree.pss()}
                _settle(server.tree)
                settled = {"settled CPU s": server.tree.cpu(), "settled PSS MiB": server.tree.pss()}
                settled["processes"] = float(len(server.tree.processes()))
            _note(results, setup.name, number, answered | settled)
    return results


def rates(rounds: int, seconds: float, databases: Databases, postgres: Postgres, folder: Path) -> Results:
    """Requests per second of single calls, one worker, PostgreSQL, 16 clients. All servers live, one is loaded."""
    setups = [
        PLAIN_ONE, ours("throughput", workers=1), ours("throughput", auth=True, workers=1),
        ours("light"), ours("light", auth=True),
    ]  # fmt: skip
    return _rates(setups, ("log-metric", "create-run", "get-run"), rounds, seconds, databases, postgres, folder)


def fast_store(rounds: int, seconds: float, databases: Databases, postgres: Postgres, folder: Path) -> Results:
    """The same of plain MLflow, ours, and ours with the fast store, also with a login; also batches and searches."""
    setups = [PLAIN_ONE, ours("throughput", workers=1), FAST, FAST_LOGIN]
    return _rates(setups, FAST_OPERATIONS, rounds, seconds, databases, postgres, folder)


def _rates(
    setups: list[Setup], operations: Sequence[str], rounds: int, seconds: float, databases: Databases,
    postgres: Postgres, folder: Path,
) -> Results:  # fmt: skip
    results = _results()
    with contextlib.ExitStack() as stack:
        works = []
        for index, setup in enumerate(setups):
            name = f"rates_{len(operations)}_{index}"
            server = stack.enter_context(Server(setup, databases.postgresql(name, setup.auth), folder))
            server.wait()
            _settle(server.tree)
            works.append((setup.name, server, Work(server, _RATE_CLIENTS)))
            if setup.auth:
                works.append((f"{setup.name}, no admin", server, Work(server, _RATE_CLIENTS, server.add_user())))
        for _name, server, work in works:
            for operation in operations:  # fill pools and caches
                load.run(server.port, _RATE_CLIENTS, 1, work.operations[operation]())
        for number in range(rounds):
            for operation in operations:
                for name, server, work in _turned(works, number):
                    requests = work.operations[operation]()
                    cpu, database_cpu = server.tree.cpu(), postgres.cpu()
                    seen = load.run(server.port, _RATE_CLIENTS, seconds, requests)
                    measured = _latencies(seen) | {
                        "requests/s": seen.rate, "errors": float(seen.errors + seen.unanswered),
                        "server CPU ms/request": (server.tree.cpu() - cpu) * 1000 / max(1, len(seen.answers)),
                        "database CPU ms/request": (postgres.cpu() - database_cpu) * 1000 / max(1, len(seen.answers)),
                        "client CPU share": seen.client_cpu / seconds,
                    }  # fmt: skip
                    measured = {f"{operation}: {name}": value for name, value in measured.items()}
                    _note(results, name, number, measured, seen.first_error)
    return results


def writers(rounds: int, seconds: float, databases: Databases, folder: Path) -> Results:
    """48 clients that log batches of 100 metrics, each to its own run; a fresh server each time, one worker."""
    setups = [PLAIN_ONE, ours("light"), ours("throughput", workers=1), ours("full", workers=1)]
    results = _results()
    for number in range(rounds):
        for setup in _turned(setups, number):
            with Server(setup, databases.postgresql("writers"), folder) as server:
                server.wait()
                _settle(server.tree)
                work = Work(server, _WRITERS)
                cpu = server.tree.cpu()
                seen = load.run(server.port, _WRITERS, seconds, work.log_batch(), drain=0)
                measured = _latencies(seen) | {
                    "requests/s": seen.rate, "longest stall s": seen.stall, "errors": float(seen.errors),
                    "server CPU ms/request": (server.tree.cpu() - cpu) * 1000 / max(1, len(seen.answers)),
                    "client CPU share": seen.client_cpu / seconds, "PSS MiB": server.tree.pss(),
                }  # fmt: skip
            _note(results, setup.name, number, measured, seen.first_error)
    return results


def _results() -> Results:
    return defaultdict(lambda: defaultdict(list))


def _turned(items: Sequence[_T], number: int) -> list[_T]:
    """Every second round backwards, so that a drift of the machine favours nobody."""
    return list(items) if number % 2 == 0 else list(reversed(items))


def _note(results: Results, name: str, number: int, measured: dict[str, float], error: str = "") -> None:
    for measure, value in measured.items():
        results[name][measure].append(value)
    shown = ", ".join(f"{measure} {value:.4g}" for measure, value in measured.items())
    shown += f", first error: {error}" if error else ""
    print(f"round {number + 1}, {name}: {shown}", file=sys.stderr, flush=True)


def _latencies(seen: load.Seen) -> dict[str, float]:
    """Milliseconds."""
    if len(seen.latencies) < 2:
        return {"p50 ms": float("nan"), "p95 ms": float("nan"), "p99 ms": float("nan")}
    cuts = statistics.quantiles(seen.latencies, n=100, method="inclusive")
    return {f"p{percent} ms": cuts[percent - 1] * 1000 for percent in (50, 95, 99)}


def _settle(tree: Tree) -> None:
    """Wait until the tree uses less than a twentieth of a core for two seconds: start-up work is over."""
    quiet, end, last = 0, time.monotonic() + _SETTLE_SECONDS, tree.cpu()
    while quiet < 2 and time.monotonic() < end:
        time.sleep(1)
        now = tree.cpu()
        quiet = quiet + 1 if now - last < 0.05 else 0
        last = now
