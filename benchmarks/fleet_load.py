#!/usr/bin/env python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Measures how many users the load test of a fleet can be, beside instances that cost nothing: `-u 10000 -r 500`.

Stand-ins answer at once behind one gateway on this machine, which they share with Locust: what is seen is the
generator's limit, and no server's. The workload is the reference's. Prints Markdown, and progress on standard error.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from lib import environment, table

sys.path.insert(0, str(environment.ROOT / "tests"))
sys.path.insert(0, str(environment.ROOT / ".dev"))

from ansible_collections.mlops.mlflow.plugins.module_utils._engine.http import Server
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.load import run
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.load.plan import Target, Wanted
from support import locust
from support.stub_instances import Instances


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--users", type=int, default=10_000)
    asked.add_argument("--spawn-rate", type=float, default=500)
    asked.add_argument("--seconds", type=float, default=60)
    asked.add_argument("--instances", type=int, default=10_000)
    asked.add_argument("--processes", type=int, default=2)
    asked.add_argument("--wake-seconds", type=float, default=2.0)
    options = asked.parse_args()
    # Each user keeps a connection, of which this process has the other end.
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    installed, load = locust.installed(), os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder, Instances(options.wake_seconds) as gateway:
        there = f"127.0.0.1:{gateway.port}"
        targets = [
            Target(f"t-{number:05}", Server(f"http://t-{number:05}.example.com", gateway=there), allowed=True)
            for number in range(1, options.instances + 1)
        ]
        wanted = Wanted(
            targets,
            users=options.users,
            spawn_rate=options.spawn_rate,
            seconds=options.seconds,
            workload="reference",
            processes=options.processes,
            slos={"all": {"error_rate": 0.001}, "wake": {"error_rate": 0.001}},
            fleet=True,
        )
        start = time.monotonic()
        result = run.run(wanted, str(locust.program(installed)), str(locust.SCENARIO), Path(folder))
        wall = time.monotonic() - start
    print(f"Load average before {load:.1f}, {os.cpu_count()} cores; one run\n")
    print(table.markdown(["", ""], _told(result, wall)))
    return 0 if result["verdict"]["passed"] else 1


def _told(result: dict[str, Any], wall: float) -> list[list[str]]:
    total, client = result["total"], result["client"]
    series, operations = result["series"], result["operations"]
    wake = next((one for one in operations if one["name"] == "wake"), {})
    most = max(series, key=lambda one: int(one["users"]))
    return [
        ["users at most", str(most["users"])],
        ["seconds until then", f"{most['at']:.0f}"],
        ["good answers a second", f"{total['per_second']:.0f}"],
        ["requests, failed", f"{total['requests']}, {total['failures']}"],
        ["p50, p95 of awake ones", f"{total['p50_ms']} ms, {total['p95_ms']} ms"],
        ["woken, p50, p95", f"{wake.get('requests')}, {wake.get('p50_ms')} ms, {wake.get('p95_ms')} ms"],
        ["client the bottleneck", "; ".join(client["reasons"]) or "no"],
        ["the whole test, with cleaning up", f"{wall:.0f} s"],
        ["verdict", str(result["verdict"]["text"])],
    ]


if __name__ == "__main__":
    sys.exit(main())
