#!/usr/bin/env python3
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The profile throughput while clients with slow lines upload and download: with transfers apart, and without.

`python benchmarks/slow_clients.py ENVIRONMENT` with an environment that the role mlflow_server made. Each variant
answers the same requests, alone and with slow clients.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / ".dev"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import ServerError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.http import Client
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.standalone import transfers
from support.servers import API, RunningServer
from support.slow_clients import slow_clients

VARIANTS: dict[str, dict[str, Any]] = {
    "2 threads a worker": {},
    "128 threads a worker": {"threads": 128},
    "transfers apart": {"transfers": "mlops_mlflow_transfers"},
}
STORED = b"slow" * (1 << 20)


def measured(server: RunningServer, requests: int, seconds: float) -> str:
    """Milliseconds of requests one after the other, p50 / p99; or how few were answered in time."""
    client = Client(server.server(timeout=seconds, retries=0))
    took, end = [], time.monotonic() + seconds
    try:
        while len(took) < requests and time.monotonic() < end:
            start = time.monotonic()
            client.post(f"{API}/experiments/search", {"max_results": 1})
            took.append(1000 * (time.monotonic() - start))
    except ServerError:
        return f"{len(took)} answered in {seconds:g} s"
    finally:
        client.close()
    return f"{statistics.median(took):.0f} / {statistics.quantiles(took, n=100)[98]:.0f}"


def memory(pid: int) -> float:
    """MiB that a server's processes have, each shared page counted once."""
    pages = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            group = int((process / "stat").read_text().rpartition(")")[2].split()[2])
            if group == pid:
                text = (process / "smaps_rollup").read_text()
                pages += next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
        except (OSError, StopIteration):
            continue
    return pages / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("environment", type=Path, help="folder of an environment with MLflow")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=30.0, help="that a measurement may take")
    options = parser.parse_args()
    print(
        f"| variant | alone, ms p50 / p99 | {options.clients} slow uploads | {options.clients} slow downloads | MiB |"
    )
    print("|---|---|---|---|---|")
    for name, settings in VARIANTS.items():
        home = Path(tempfile.mkdtemp(prefix="mlops-slow-"))
        plugins = home / "plugins"
        plugins.mkdir()
        shutil.copy(Path(str(transfers.__file__)), plugins / "mlops_mlflow_transfers.py")
        database = {"type": "sqlite", "uri": f"sqlite:///{home}/mlflow.db"}
        environment = options.environment.absolute()
        server = RunningServer(environment, "throughput", database, plugins_dir=str(plugins), **settings)
        try:
            server.start()
            stored = server.artifacts / "slow" / "stored"
            stored.parent.mkdir()
            stored.write_bytes(STORED)
            measured(server, 50, options.seconds)
            row = [measured(server, options.requests, options.seconds)]
            for upload in (True, False):
                with slow_clients(server.port, options.clients, upload=upload, body=STORED):
                    row.append(measured(server, options.requests, options.seconds))
            print(f"| {name} | {' | '.join(row)} | {memory(server.pid):.0f} |", flush=True)
        finally:
            server.remove()
            shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
