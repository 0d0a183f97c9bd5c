#!/usr/bin/env python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Measures what Knative does with a fleet: its webhook while many are declared, its controllers with a thousand.

On a cluster: TEST_ADDONS=knative tests/cluster/with python benchmarks/fleet_knative.py. First Knative's controllers are
at 0 and its webhook is asked for each of `--declared`; then they carry out `--reconciled`, none of which has a server.
All begin with an empty namespace. The CPU of the API server is its own figure, in which others' requests are too.
Prints Markdown, and progress on standard error.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lib import environment, fleet_client, table

sys.path.insert(0, str(environment.ROOT / "tests"))
sys.path.insert(0, str(environment.ROOT / ".dev"))

from ansible_collections.mlops.mlflow.plugins.module_utils._engine.quantities import quantity
from support.kubernetes.knative import SERVICE, KnativeDeployment, variables_of_the_cluster
from support.kubernetes.kubectl import Kubectl, eventually

_NAMESPACE = "t-bench-fleet"
_KNATIVE = "knative-serving"
_CONTROLLERS = ("controller", "autoscaler")
_COLUMNS = ("client CPU s", "wall s", "API server CPU s", "API server MiB")
_LONGEST_SECONDS, _EVERY_SECONDS = 5400, 5
_METRIC = r"^{} ([0-9.e+]+)$"


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--declared", type=int, default=10_000)
    asked.add_argument("--reconciled", type=int, default=1_000)
    options = asked.parse_args()
    kubeconfig, context = os.environ.get("TEST_KUBECONFIG", ""), os.environ.get("TEST_CONTEXT", "")
    if not (kubeconfig and context):
        sys.exit("TEST_KUBECONFIG and TEST_CONTEXT name the cluster: tests/cluster/with does it.")
    variables, load = variables_of_the_cluster(), os.getloadavg()[0]
    cluster = Kubectl(Path(kubeconfig), context)
    KnativeDeployment(cluster, _NAMESPACE, variables).play("knative").succeeded()
    with tempfile.TemporaryDirectory() as folder:
        image = json.loads(variables.read_text())["mlflow_image"]
        objects = fleet_client.sample(
            Path(folder), mlflow_image=image, mlflow_artifact_store_access_mode="ReadWriteMany"
        )
        service = next(one for one in objects if one["apiVersion"].startswith("serving.knative.dev"))
        request = {
            "kubeconfig": kubeconfig, "fleet": "bench", "namespace": _NAMESPACE, "sample": fleet_client.SAMPLE,
            "objects": [service], "pattern": "t-#####",
        }  # fmt: skip
        print(f"Load average before {load:.1f}, {os.cpu_count()} cores; one run\n")
        if options.declared:
            with _namespace(cluster), _without_controllers(cluster):
                _declare(cluster, request, options.declared)
        if options.reconciled:
            with _namespace(cluster):
                _reconcile(cluster, request, options.reconciled)
    return 0


@contextmanager
def _namespace(cluster: Kubectl) -> Iterator[None]:
    cluster.remove_namespace(_NAMESPACE)
    cluster("create", "namespace", _NAMESPACE)
    try:
        yield
    finally:
        cluster.remove_namespace(_NAMESPACE)


@contextmanager
def _without_controllers(cluster: Kubectl) -> Iterator[None]:
    def scale(count: int) -> None:
        deployments = [f"deployment/{name}" for name in _CONTROLLERS]
        cluster("--namespace", _KNATIVE, "scale", f"--replicas={count}", *deployments)

    scale(0)
    try:
        yield
    finally:
        scale(1)
        for name in _CONTROLLERS:
            cluster("--namespace", _KNATIVE, "rollout", "status", f"deployment/{name}", "--timeout=300s")


def _declare(cluster: Kubectl, request: dict[str, Any], size: int) -> None:
    # The first ones, which stay: who is listed is declared.
    changed = [{"name": f"t-{number:05}", "request_timeout": 601} for number in range(1, size // 100 + 1)]
    stages: dict[str, dict[str, Any]] = {
        "first run": {"count": size, "own": []},
        "second run": {"count": size, "own": []},
        "1 % changed": {"count": size, "own": changed},
        "10 % removed": {"count": size - size // 10, "own": changed, "prune": True},
    }
    lines = []
    for stage, own in stages.items():
        before, cpu = resource.getrusage(resource.RUSAGE_CHILDREN), _api_server(cluster)[0]
        start = time.monotonic()
        fleet_client.run({**request, **own})
        wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        client = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        used, memory = _api_server(cluster)
        lines.append([stage, *(f"{value:.4g}" for value in (client, wall, used - cpu, memory))])
        print(lines[-1], file=sys.stderr, flush=True)
    print(f"{size} Services of Knative, with its webhook and without its controllers\n")
    print(table.markdown(["", *_COLUMNS], lines))


def _reconcile(cluster: Kubectl, request: dict[str, Any], size: int) -> None:
    peaks: dict[str, float] = {}
    start = time.monotonic()
    fleet_client.run({**request, "count": size, "own": []})
    applied = time.monotonic() - start

    def ready() -> bool:
        for name, cores in _cores(cluster):
            peaks[name] = max(peaks.get(name, 0.0), cores)
        found = cluster("--namespace", _NAMESPACE, "get", SERVICE, f"--output=jsonpath={_READY}").count("True")
        print(f"{time.monotonic() - start:.0f} s: {found} of {size} ready", file=sys.stderr, flush=True)
        return found == size

    eventually(f"{size} services ready", ready, _LONGEST_SECONDS, _EVERY_SECONDS)
    seconds = time.monotonic() - start
    print(
        f"\n{size} Services of Knative were applied within {applied:.0f} s and ready within {seconds:.0f} s: ", end=""
    )
    print(f"{size / seconds:.1f} a second\n")
    lines = [[name, f"{cores:.2f}"] for name, cores in sorted(peaks.items(), key=lambda one: -one[1])]
    print(table.markdown(["who", "cores at most"], lines))


_READY = "{.items[*].status.conditions[?(@.type=='Ready')].status}"


def _cores(cluster: Kubectl) -> Iterator[tuple[str, float]]:
    """What pods of Knative take now, by metrics-server."""
    for namespace in (_KNATIVE, "kourier-system"):
        listed = json.loads(cluster("get", f"--raw=/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods"))
        for pod in listed["items"]:
            usage = sum(quantity(one["usage"]["cpu"]) for one in pod["containers"])
            yield pod["metadata"]["labels"].get("app", pod["metadata"]["name"]), float(usage)


def _api_server(cluster: Kubectl) -> tuple[float, float]:
    """CPU seconds and MiB of its process so far."""
    text = cluster("get", "--raw=/metrics")

    def value(name: str) -> float:
        found = re.search(_METRIC.format(name), text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    return value("process_cpu_seconds_total"), value("process_resident_memory_bytes") / 2**20


if __name__ == "__main__":
    sys.exit(main())
