#!/usr/bin/env python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Measures the playbook `kubernetes` beside `kubectl apply --server-side` of the objects that it renders.

On the cluster that TEST_KUBECONFIG and TEST_CONTEXT name: `make cluster-up` makes one. In each round both deploy from
nothing and then once more, in namespaces of their own, in turned order. CPU is that of the command and its children on
this machine, not the cluster's. The playbook also checks the cluster before and proves the server after; kubectl's part
is `apply` and a wait until the servers are ready. Prints Markdown, and progress on standard error.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from lib import table

_REPOSITORY = Path(__file__).resolve().parent.parent
_KUBECONFIG, _CONTEXT = os.environ.get("TEST_KUBECONFIG", ""), os.environ.get("TEST_CONTEXT", "")
_PLAYBOOK, _KUBECTL = "playbook", "kubectl"
_MEASURES = ("wall s", "CPU s", "module calls")


def main() -> int:
    wish = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    wish.add_argument("--rounds", type=int, default=3)
    options = wish.parse_args()
    if not (_KUBECONFIG and _CONTEXT):
        sys.exit('TEST_KUBECONFIG and TEST_CONTEXT name the cluster: eval "$(python tests/cluster/cluster.py env)"')
    results: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.rounds):
            order = [_PLAYBOOK, _KUBECTL][:: -1 if number % 2 else 1]
            for way in order:
                namespace = f"bench-{way}"
                act = _playbook(namespace) if way == _PLAYBOOK else _apply(namespace, Path(folder, str(number)))
                try:
                    for run in ("first run", "second run"):
                        measured = _measured(act)
                        print(f"round {number + 1}: {way}, {run}: {measured}", file=sys.stderr, flush=True)
                        for measure, value in measured.items():
                            results[f"{way}, {run}"][measure].append(value)
                finally:
                    _kubectl("delete", "namespace", namespace, "--ignore-not-found", "--wait=true")
    bars = [
        table.Bar("CPU s", f"{_PLAYBOOK}, {run}", f"{_KUBECTL}, {run}", 1, 1, less=True)
        for run in ("first run", "second run")
    ]
    print(
        f"{options.rounds} rounds, load average before {load:.1f}, {os.cpu_count()} cores; median (minimum-maximum)\n"
    )
    print(table.values(results, _MEASURES))
    for bar in bars:
        ratios = sorted(bar.ratios(results))
        print(
            f"\nCPU of {bar.ours} beside {bar.base}: {ratios[len(ratios) // 2]:.1f}x ({ratios[0]:.1f}-{ratios[-1]:.1f})"
        )
    return 0


def _measured(act: Callable[[], int]) -> dict[str, float]:
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    calls = act()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall s": round(time.monotonic() - start, 1), "CPU s": round(cpu, 1), "module calls": calls}


def _playbook(namespace: str, **variables: object) -> Callable[[], int]:
    """:returns: what deploys it with the playbook and counts module calls."""
    said = {"mlflow_namespace": namespace, **variables}
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(_REPOSITORY / "inventories/kubernetes")]
    command += [str(_REPOSITORY / "playbooks/kubernetes.yml"), f"-e@{_REPOSITORY}/tests/cluster/small.yml"]
    command += ["-e", json.dumps(said)]
    callback = {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", "ANSIBLE_CONFIG": str(_REPOSITORY / "ansible.cfg")}

    def act() -> int:
        done = subprocess.run(
            command, cwd=_REPOSITORY, env=os.environ | callback, capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.exit(f"the playbook failed: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        report = json.JSONDecoder().raw_decode(done.stdout[done.stdout.index("{") :])[0]
        results = [one for play in report["plays"] for task in play["tasks"] for one in task["hosts"].values()]
        return sum("invocation" in result for one in results for result in one.get("results", [one]))

    return act


def _apply(namespace: str, folder: Path) -> Callable[[], int]:
    """:returns: what applies the same objects with kubectl; they are rendered once, which is not measured."""
    _playbook(namespace, mlflow_render_dir=str(folder))()
    files = [option for file in sorted(folder.glob("*.yaml")) for option in ("--filename", str(file))]
    keys = {"mlflow-database": ("password", "owner-password"), "mlflow-artifacts": ("access-key", "secret-key")}

    def act() -> int:
        # The namespace first: the Secrets, which the playbook generates, must be there before the pods.
        _kubectl("create", "namespace", namespace, check=False)
        for name, fields in keys.items():
            values = [f"--from-literal={field}={secrets.token_hex(16)}" for field in fields]
            _kubectl("create", "secret", "generic", name, f"--namespace={namespace}", *values, check=False)
        _kubectl("apply", "--server-side", "--force-conflicts", *files)
        _kubectl("rollout", "status", "deployment/mlflow", f"--namespace={namespace}", "--timeout=300s")
        return 0

    return act


def _kubectl(*arguments: str, check: bool = True) -> None:
    program = shutil.which("kubectl", path=f"{Path(_KUBECONFIG).parent}/bin:{os.environ['PATH']}") or "kubectl"
    done = subprocess.run(
        [program, f"--kubeconfig={_KUBECONFIG}", f"--context={_CONTEXT}", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    if check and done.returncode:
        sys.exit(f"kubectl {arguments[0]} failed: {done.stdout[-2000:]}{done.stderr[-2000:]}")


if __name__ == "__main__":
    sys.exit(main())
