#!/usr/bin/env python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Measures a fleet of declared Knative Services beside `kubectl apply --server-side` of the same objects.

On a real API server with etcd, and nothing that carries out what is declared; Knative's kinds are defined, its webhook
does not run. The Service is that of the role mlflow_server. Each size begins with an empty namespace, and all stages of
it follow each other; every client is a process of its own. Prints Markdown, and progress on standard error.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lib import environment, fleet_client, table

sys.path.insert(0, str(environment.ROOT / "tests"))

from support.api_server import ApiServer
from support.playbooks import run_play

_GROUP, _RESOURCE = "serving.knative.dev", "services"
_COLUMNS = ("client CPU s", "of it start", "wall s", "API calls", "API server CPU s", "API server MiB", "client MiB")
Measured = dict[str, float]


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--sizes", type=int, nargs="+", default=[100, 1000])
    asked.add_argument("--kubectl-sizes", type=int, nargs="*", default=[100, 1000], help="of these beside kubectl")
    asked.add_argument("--k8s-sizes", type=int, nargs="*", default=[100], help="of these beside kubernetes.core.k8s")
    options = asked.parse_args()
    # What was started ends also when this is ended.
    signal.signal(signal.SIGTERM, lambda *_signal: sys.exit(143))
    load = os.getloadavg()[0]
    results: dict[str, Measured] = {}
    with tempfile.TemporaryDirectory() as folder:
        service = _service(Path(folder))
        with ApiServer(Path(folder)) as api:
            api.define_knative()
            for size in options.sizes:
                results |= _fleet(api, service, size)
                if size in options.kubectl_sizes:
                    results |= _kubectl(api, service, size, Path(folder))
                if size in options.k8s_sizes:
                    results |= _k8s(api, service, size, Path(folder))
    print(f"Load average before {load:.1f}, {os.cpu_count()} cores; one run\n")
    lines = [[name, *(_shown(measured.get(column)) for column in _COLUMNS)] for name, measured in results.items()]
    print(table.markdown(["", *_COLUMNS], lines))
    return 0


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.2f}"


def _service(folder: Path) -> dict[str, Any]:
    """The Service of Knative that the role renders for the sample of a fleet."""
    objects = fleet_client.sample(folder, mlflow_artifact_store_access_mode="ReadWriteMany")
    return next(one for one in objects if one["apiVersion"].startswith(_GROUP))


def _fleet(api: ApiServer, service: Mapping[str, Any], size: int) -> dict[str, Measured]:
    namespace = f"fleet-{size}"
    api.kubectl("create", "namespace", namespace)
    # The first ones, which stay: who is listed is declared.
    changed = [{"name": f"t-{number:05}", "replicas": 1} for number in range(1, size // 100 + 1)]
    stages: dict[str, Mapping[str, Any]] = {
        "first run": {"count": size, "own": []},
        "second run": {"count": size, "own": []},
        # Nobody carries out what is declared, so that all are unhealthy, and named.
        "health": {"count": size, "own": [], "health": True},
        "1 % changed": {"count": size, "own": changed},
        "10 % removed": {"count": size - size // 10, "own": changed, "prune": True},
    }
    results = {}
    for stage, own in stages.items():
        request = {
            "kubeconfig": str(api.kubeconfig), "fleet": "bench", "namespace": namespace, "sample": fleet_client.SAMPLE,
            "objects": [service], "pattern": "t-#####", **own,
        }  # fmt: skip
        results[f"{size}, mlflow_fleet, {stage}"] = _measured(api, lambda request=request: fleet_client.run(request))  # type: ignore[misc]
    return results


def _kubectl(api: ApiServer, service: Mapping[str, Any], size: int, folder: Path) -> dict[str, Measured]:
    file, namespace = _file(service, size, folder), f"kubectl-{size}"
    api.kubectl("create", "namespace", namespace)

    def apply() -> Measured:
        api.kubectl("apply", "--server-side", f"--namespace={namespace}", f"--filename={file}")
        return {}

    return {
        f"{size}, kubectl apply --server-side, {stage}": _measured(api, apply) for stage in ("first run", "second run")
    }


def _k8s(api: ApiServer, service: Mapping[str, Any], size: int, folder: Path) -> dict[str, Measured]:
    file, namespace = _file(service, size, folder), f"k8s-{size}"
    api.kubectl("create", "namespace", namespace)
    options = {
        "src": str(file), "namespace": namespace, "kubeconfig": str(api.kubeconfig), "apply": True,
        "server_side_apply": {"field_manager": "bench"},
    }  # fmt: skip

    def apply() -> Measured:
        run_play([{"name": "apply", "kubernetes.core.k8s": options}]).succeeded()
        return {}

    return {f"{size}, one kubernetes.core.k8s, {stage}": _measured(api, apply) for stage in ("first run", "second run")}


def _file(service: Mapping[str, Any], size: int, folder: Path) -> Path:
    """The same objects, as documents of one file."""
    file = folder / f"{size}.yaml"
    metadata = {key: value for key, value in service["metadata"].items() if key != "namespace"}
    text = json.dumps({**service, "metadata": metadata})
    file.write_text(
        "\n---\n".join(text.replace(fleet_client.SAMPLE, f"t-{number:05}") for number in range(1, size + 1))
    )
    return file


def _measured(api: ApiServer, act: Callable[[], Measured]) -> Measured:
    asked, busy = api.requests(_GROUP, _RESOURCE), api.cpu("kube-apiserver")
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    told = act()
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    measured = {
        "client CPU s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "wall s": wall,
        "API calls": api.requests(_GROUP, _RESOURCE) - asked,
        "API server CPU s": api.cpu("kube-apiserver") - busy,
        "API server MiB": api.memory("kube-apiserver") / 2**20,
        **told,
    }
    print({name: round(value, 2) for name, value in measured.items()}, file=sys.stderr, flush=True)
    return measured


if __name__ == "__main__":
    sys.exit(main())
