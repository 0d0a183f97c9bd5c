"""A week of metrics of two deployments, made up from a seed: what Prometheus would have scraped."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator

DAY = 86400
# Dense where rates are asked for, and an hour apart before: a week of minutes would be ten times as much.
_DENSE, _MINUTE, _HOUR, _WEEK = 7 * 3600, 60, 3600, 8 * DAY
Value = Callable[[float], float]


def page(end: int, seed: int = 19) -> str:
    """All series as OpenMetrics with times, until C(end). Before it, they depend on the seed alone."""
    times = [*range(-_WEEK, -_DENSE, _HOUR), *range(-_DENSE, 1, _MINUTE)]
    lines = []
    for name, value in _series(end, random.Random(seed)):
        lines += [f"{name} {value(at):.12g} {end + at}" for at in times]
    return "\n".join([*lines, "# EOF\n"])


def _series(end: int, chance: random.Random) -> Iterator[tuple[str, Value]]:
    for place, size, labels in (
        ("team", 1.0, 'deployment="mlflow",namespace="team"'),
        ("", 0.2, 'deployment="laptop"'),
    ):
        for name, more, value in [*_server(end, size, chance), *_kept(end, size, chance, bool(place))]:
            yield (
                f"{name}{{{labels}{''.join(f',{key}={chr(34)}{text}{chr(34)}' for key, text in more.items())}}}",
                value,
            )


def _server(end: int, size: float, chance: random.Random) -> Iterator[tuple[str, dict[str, str], Value]]:
    """What MLflow exports, and what the exporter saw of the server."""
    phase = chance.uniform(0, 2)

    def asked(at: float) -> float:
        """Requests since the beginning, at a rate that goes up and down within hours."""
        return size * (4 * (at + _WEEK) + 9000 * (1 + math.sin(at / 4500 + phase)))

    for method, status, share in (
        ("GET", "200", 0.7),
        ("POST", "200", 0.28),
        ("POST", "404", 0.015),
        ("GET", "500", 0.005),
    ):
        yield "mlflow_http_request_total", {"method": method, "status": status}, _of(asked, share)
    for bound, share in (("0.025", 0.3), ("0.05", 0.7), ("0.1", 0.88), ("0.25", 0.95), ("1.0", 0.99), ("+Inf", 1.0)):
        labels = {"method": "GET", "status": "200", "le": bound}
        yield "mlflow_http_request_duration_seconds_bucket", labels, _of(asked, share * 0.7)
    for check, seconds in (("process", 0.004), ("database_read", 0.02), ("database_write", 0.05), ("artifacts", 0.03)):
        yield "mlflow_ops_check_up", {"check": check}, lambda at: 1
        yield "mlflow_ops_check_seconds", {"check": check}, _wave(seconds, 0.3, 2000 + 4000 * chance.random())
    yield "mlflow_ops_info", {"version": "3.17.2", "platform": "kubernetes", "profile": "throughput"}, lambda at: 1
    yield "mlflow_ops_schema_matches", {}, lambda at: 1
    yield "mlflow_ops_certificate_expiry_timestamp_seconds", {"certificate": "server"}, lambda at: end + 40 * DAY
    for part, seconds in (("health", 0.2), ("counts", 0.4), ("database", 0.1)):
        yield "mlflow_ops_collection_seconds", {"part": part}, _wave(seconds, 0.2, 3000)
        yield "mlflow_ops_collection_success", {"part": part}, lambda at: 1
        yield "mlflow_ops_collection_timestamp_seconds", {"part": part}, lambda at: end + at - at % 300


def _kept(end: int, size: float, chance: random.Random, fleet: bool) -> Iterator[tuple[str, dict[str, str], Value]]:
    """What is kept: counts, bytes, snapshots."""
    for status, share in (("FINISHED", 0.9), ("FAILED", 0.07), ("RUNNING", 0.03)):
        yield "mlflow_ops_runs", {"status": status}, _of(_grown(20000 * size, 900 * size), share)
    for name, now, a_day in (
        ("experiments", 120, 3), ("registered_models", 30, 1), ("model_versions", 210, 6), ("traces", 5000, 400),
        ("users", 25, 0.5), ("workspaces", 3, 0), ("database_bytes", 4e9, 9e7), ("artifact_bytes", 9e10, 3e9),
    ):  # fmt: skip
        yield f"mlflow_ops_{name}", {}, _grown(now * size, a_day * size)
    yield "mlflow_ops_database_dead_rows_ratio", {}, _wave(0.06, 0.5, 5000)
    yield "mlflow_ops_database_connections", {}, _wave(30 * size, 0.4, 2500)
    yield "mlflow_ops_database_connections_budget", {}, lambda at: 100
    yield "mlflow_ops_lock_held", {}, lambda at: 0
    for what, every in (("snapshot", DAY), ("drill", 7 * DAY)):
        # At two in the night of a day that begins with the end.
        yield f"mlflow_ops_{what}_timestamp_seconds", {}, _newest(end, every)
        yield f"mlflow_ops_{what}_expected_seconds", {}, _of(lambda at: 1, every + 7200)
        yield f"mlflow_ops_{what}_success", {}, lambda at: 1
    yield "mlflow_ops_artifact_store_up", {}, lambda at: 1
    yield "mlflow_ops_disk_size_bytes", {"volume": "data"}, lambda at: 2e11
    yield "mlflow_ops_disk_free_bytes", {"volume": "data"}, lambda at: 1.2e11 - 3e4 * (at + _WEEK)
    if fleet:
        yield from of_a_fleet(end)


def of_a_fleet(end: int) -> Iterator[tuple[str, dict[str, str], Value]]:
    """What the exporter of 200 instances says."""
    numbers: dict[str, dict[tuple[str, str], int]] = {
        "instances": {
            ("state", "awake"): 17, ("state", "starting"): 1, ("state", "sleeping"): 162,
            ("state", "unhealthy"): 2, ("state", "stopped"): 18, ("state", "undeclared"): 1,
        },
        "instances_unhealthy": {
            ("fault", "not_ready"): 1, ("fault", "leaving"): 0, ("fault", "missing"): 1, ("fault", "no_volume"): 0,
        },
        "servers": {("state", "ready"): 19, ("state", "starting"): 1},
    }  # fmt: skip
    for metric, values in numbers.items():
        for label, number in values.items():
            yield f"mlflow_ops_fleet_{metric}", dict([label]), _of(lambda at: 1, number)
    yield "mlflow_ops_fleet_instances_declared", {}, lambda at: 200
    yield "mlflow_ops_fleet_instances_present", {}, lambda at: 182
    yield "mlflow_ops_fleet_starting_since_timestamp_seconds", {}, lambda at: end + at - 30
    for name, fault, age in (("tenant-0042", "not_ready", 9 * 3600), ("tenant-0007", "missing", 8 * 3600)):
        since = _of(lambda at: 1, end - age)
        yield "mlflow_ops_fleet_unhealthy_since_timestamp_seconds", {"name": name, "fault": fault}, since


def _of(value: Value, share: float) -> Value:
    return lambda at: value(at) * share


def _grown(now: float, a_day: float) -> Value:
    return lambda at: math.floor(now + a_day * at / DAY)


def _wave(middle: float, share: float, period: float) -> Value:
    return lambda at: middle * (1 + share * math.sin(at / period))


def _newest(end: int, every: int) -> Value:
    return lambda at: end + ((at + 7200) // every) * every - 7200
