#!/usr/bin/env python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Measures a fleet of ordinary workloads whose pods run on many simulated nodes: what a cluster has to do for it.

The API server, etcd, the scheduler and the controllers are real, with raised rates; nodes and pods are simulated by
KWOK. Each instance is the Deployment of the role mlflow_server with one server. Every stage ends when all pods are as
they shall be. Prints Markdown, and progress on standard error.
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lib import environment, fleet_client, table

sys.path.insert(0, str(environment.ROOT / "tests"))

from support.simulated_cluster import PROCESSES, RATE, SimulatedCluster

_NAMESPACE = "fleet"
_COLUMNS = ("client CPU s", "client wall s", "settled wall s", "requests of Deployments", "requests of Pods")
_LONGEST_SECONDS = 7200
Measured = dict[str, float]


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--instances", type=int, default=10_000)
    asked.add_argument("--nodes", type=int, default=150)
    options = asked.parse_args()
    # What was started ends also when this is ended.
    signal.signal(signal.SIGTERM, lambda *_signal: sys.exit(143))
    load, size = os.getloadavg()[0], options.instances
    # The first ones, which stay: who is listed is declared.
    changed = [{"name": f"t-{number:05}", "labels": {"team": "vision"}} for number in range(1, size // 100 + 1)]
    stages: dict[str, Mapping[str, Any]] = {
        "first run": {"count": size, "own": []},
        "second run": {"count": size, "own": []},
        "1 % changed": {"count": size, "own": changed},
        "10 % removed": {"count": size - size // 10, "own": changed, "prune": True},
    }
    results: dict[str, Measured] = {}
    with tempfile.TemporaryDirectory() as folder:
        objects = _deployment(Path(folder))
        with SimulatedCluster(Path(folder)) as cluster:
            cluster.create_nodes(options.nodes)
            cluster.kubectl("create", "namespace", _NAMESPACE)
            for stage, own in stages.items():
                request = {
                    "kubeconfig": str(cluster.kubeconfig), "fleet": "bench", "namespace": _NAMESPACE,
                    "sample": fleet_client.SAMPLE, "objects": objects, "pattern": "t-#####", **own,
                }  # fmt: skip
                results[stage] = _measured(cluster, request, own["count"])
                print(stage, results[stage], file=sys.stderr, flush=True)
    print(
        f"{size} Deployments on {options.nodes} simulated nodes; controllers and scheduler at {RATE} requests a second"
    )
    print(f"Load average before {load:.1f}, {os.cpu_count()} cores; one run\n")
    own_columns = [f"{name} {what}" for what in ("CPU s", "MiB") for name in PROCESSES]
    columns = [*_COLUMNS, *own_columns]
    lines = [[stage, *(f"{measured[column]:.5g}" for column in columns)] for stage, measured in results.items()]
    print(table.markdown(["", *columns], lines))
    return 0


def _deployment(folder: Path) -> list[dict[str, Any]]:
    """What the role renders for servers that are no service of Knative. Nobody makes volumes here."""
    objects = fleet_client.sample(
        folder,
        mlflow_server_workload="Deployment",
        mlflow_server_replicas=1,
        mlflow_server_expose="none",
        mlflow_server_hostname="",
        mlflow_artifact_store_type="external_s3",
        mlflow_artifact_store_uri="s3://artifacts/{{ mlflow_name }}",
    )
    return [one for one in objects if one["kind"] == "Deployment"]


def _measured(cluster: SimulatedCluster, request: Mapping[str, Any], pods: int) -> Measured:
    cpu = {name: cluster.cpu(name) for name in PROCESSES}
    asked = _requests(cluster)
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    fleet_client.run(request)
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    while cluster.pods(_NAMESPACE) != pods or not cluster.all_run(_NAMESPACE):
        if time.monotonic() - start > _LONGEST_SECONDS:
            sys.exit(f"after {_LONGEST_SECONDS} s there are {cluster.pods(_NAMESPACE)} pods, not {pods} that run")
        time.sleep(2)
    settled = time.monotonic() - start
    told = zip(_COLUMNS[3:], (now - then for now, then in zip(_requests(cluster), asked, strict=True)), strict=True)
    return {
        "client CPU s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "client wall s": wall,
        "settled wall s": settled,
        **dict(told),
        **{f"{name} CPU s": cluster.cpu(name) - cpu[name] for name in PROCESSES},
        **{f"{name} MiB": cluster.memory(name) / 2**20 for name in PROCESSES},
    }


def _requests(cluster: SimulatedCluster) -> tuple[int, int]:
    return cluster.requests("apps", "deployments"), cluster.requests("", "pods")


if __name__ == "__main__":
    sys.exit(main())
