#!/usr/bin/env python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Measures how long a server takes that comes with a request: ours, plain `mlflow server`, and hardly anything.

On a cluster with Knative: TEST_ADDONS=knative tests/cluster/with python benchmarks/knative.py. All three are services
of Knative of one namespace with the same image, database and settings of the platform; plain has the four workers that
`mlflow server` has by default, and the memory for them. Hardly anything is Python that answers one line: what the
platform alone takes. In each round each is asked once when it sleeps, in turned order. CPU is that of the server's
container, at the first answer and some seconds later. Prints Markdown, and progress on standard error.
"""

from __future__ import annotations

import argparse
import copy
import http.client
import os
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from lib import environment, table

sys.path.insert(0, str(environment.ROOT / "tests"))

from support.kubernetes.knative import SERVICE, KnativeDeployment, variables_of_the_cluster
from support.kubernetes.kubectl import Kubectl, eventually

_NAMESPACE = "t-bench-knative"
_OURS, _PLAIN, _FLOOR = "mlflow", "plain", "floor"
_SEARCH = "/api/2.0/mlflow/experiments/search?max_results=1"
_ANSWER_SECONDS, _SETTLED_SECONDS = 300, 4
_URI = "postgresql+psycopg2://mlflow:$PASSWORD@mlflow-database:5432/mlflow"
_START_PLAIN = (
    f'exec mlflow server --host 0.0.0.0 --port 5000 --allowed-hosts "*" --backend-store-uri "{_URI}" '
    "--artifacts-destination /scratch"
)
_START_FLOOR = """import socket
listening = socket.create_server(("0.0.0.0", 5000))
while True:
    connection, _ = listening.accept()
    if connection.recv(65536):
        connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\n{}")
    connection.close()
"""
_MEASURES = ("first answer s", "CPU s then", "CPU s settled", "MiB settled")


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--rounds", type=int, default=5)
    options = asked.parse_args()
    kubeconfig, context = os.environ.get("TEST_KUBECONFIG", ""), os.environ.get("TEST_CONTEXT", "")
    if not (kubeconfig and context):
        sys.exit("TEST_KUBECONFIG and TEST_CONTEXT name the cluster: tests/cluster/with does it.")
    load = os.getloadavg()[0]
    results: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    cluster = Kubectl(Path(kubeconfig), context)
    deployment = KnativeDeployment(cluster, _NAMESPACE, variables_of_the_cluster(), cluster_prerequisites_quota=False)
    with deployment.deployed():
        ours = deployment.service()
        deployment.kubectl.apply(_plain(ours), _floor(ours))
        for name in (_PLAIN, _FLOOR):
            eventually(f"{name} ready", lambda name=name: _is_ready(deployment, name), 300)  # type: ignore[misc]
        names = [_OURS, _PLAIN, _FLOOR]
        for number in range(options.rounds):
            for name in names[number % 3 :] + names[: number % 3]:
                measured = _round(deployment, name)
                print(f"round {number + 1}: {name} {measured}", file=sys.stderr, flush=True)
                for measure, value in measured.items():
                    results[name][measure].append(value)
    bars = [
        table.Bar("first answer s", _OURS, _PLAIN, 0.25, 0.25, less=True),
        table.Bar("first answer s", _OURS, _FLOOR, 2.6, 2.3, less=True),
    ]
    print(f"Load average before {load:.1f}, {os.cpu_count()} cores, {options.rounds} rounds\n")
    print(table.values(results, _MEASURES))
    print(table.bars(results, bars))
    return 0


def _another(ours: dict[str, Any], name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A service with all that ours has, and its container."""
    template = copy.deepcopy(ours["spec"]["template"])
    container = template["spec"]["containers"][0]
    metadata = {"name": name, "namespace": _NAMESPACE}
    service = {"apiVersion": ours["apiVersion"], "kind": "Service", "metadata": metadata}
    return {**service, "spec": {"template": template}}, container


def _plain(ours: dict[str, Any]) -> dict[str, Any]:
    service, container = _another(ours, _PLAIN)
    password = {"secretKeyRef": {"name": "mlflow-database", "key": "password"}}
    container["command"], container["args"] = ["sh", "-c"], [_START_PLAIN]
    container["env"] = [
        {"name": "PASSWORD", "valueFrom": password},
        {"name": "HOME", "value": "/scratch"},
        {"name": "MLFLOW_DISABLE_TELEMETRY", "value": "true"},
    ]
    container["resources"]["limits"]["memory"] = "3Gi"
    return service


def _floor(ours: dict[str, Any]) -> dict[str, Any]:
    service, container = _another(ours, _FLOOR)
    container["command"], container["args"], container["env"] = ["python", "-S", "-c"], [_START_FLOOR], []
    return service


def _is_ready(deployment: KnativeDeployment, name: str) -> bool:
    conditions = deployment.kubectl.json("get", SERVICE, name).get("status", {}).get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _pods(deployment: KnativeDeployment, name: str) -> list[dict[str, Any]]:
    return deployment.kubectl.items("pods", f"--selector=serving.knative.dev/service={name}")


def _round(deployment: KnativeDeployment, name: str) -> dict[str, float]:
    eventually(f"{name} asleep", lambda: not _pods(deployment, name), 300)
    start = time.monotonic()
    connection = http.client.HTTPConnection(deployment.address, deployment.port, timeout=_ANSWER_SECONDS)
    connection.request("GET", _SEARCH, headers={"Host": f"{name}.{_NAMESPACE}.{deployment.domain}"})
    answer = connection.getresponse()
    text = answer.read()
    wall = time.monotonic() - start
    connection.close()
    if answer.status != 200:
        sys.exit(f"{name} answered {answer.status}: {text[:300]!r}")
    pod = _pods(deployment, name)[0]["metadata"]["name"]
    then, _memory = _taken(deployment, pod)
    time.sleep(_SETTLED_SECONDS)
    settled, memory = _taken(deployment, pod)
    return dict(zip(_MEASURES, (wall, then, settled, memory), strict=True))


def _taken(deployment: KnativeDeployment, pod: str) -> tuple[float, float]:
    """CPU seconds and MiB of the server's container so far."""
    read = "cd /sys/fs/cgroup && cat cpu.stat 2>/dev/null || cat cpuacct/cpuacct.usage; cat memory.current 2>/dev/null"
    script = f"{read} || cat memory/memory.usage_in_bytes"
    text = deployment.kubectl("exec", pod, "--container=mlflow", "--", "sh", "-c", script)
    lines = text.split("\n")
    usage = next((line.split()[1] for line in lines if line.startswith("usage_usec")), None)
    seconds = int(usage) / 1e6 if usage else int(lines[0]) / 1e9
    return seconds, int([line for line in lines if line.strip()][-1]) / 2**20


if __name__ == "__main__":
    sys.exit(main())
