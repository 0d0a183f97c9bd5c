"""48 clients log batches at once to one worker. With SQLAlchemy's own pool of 5 + 10 they freeze each other."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import ServerError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.http import Client, Server
from support.databases import Databases
from support.environments import Environments
from support.postgresql import PostgreSQL
from support.servers import API, RunningServer, create_run

WRITERS = 48
METRICS = 10
# SQLAlchemy gives up on its pool after 30 s: a request that takes so long was stalled, on a machine of any speed.
STALL_SECONDS = 30


def write(url: str, batches: int) -> list[str]:
    """One writer with a run of its own; returns what went wrong."""
    client = Client(Server(url, timeout=STALL_SECONDS, retries=0))
    problems = []
    try:
        run_id = create_run(client)
        for batch in range(batches):
            metrics = [
                {"key": f"m{number}", "value": batch, "timestamp": batch + 1, "step": batch}
                for number in range(METRICS)
            ]
            payload = {"run_id": run_id, "metrics": metrics, "params": [{"key": f"p{batch}", "value": "1"}]}
            client.post(f"{API}/runs/log-batch", payload)
    except ServerError as error:
        problems.append(str(error))
    finally:
        client.close()
    return problems


def write_all(server: RunningServer, batches: int) -> list[str]:
    with ThreadPoolExecutor(WRITERS) as pool:
        results = pool.map(lambda _number: write(server.url, batches), range(WRITERS))
        return [problem for problems in results for problem in problems]


@pytest.mark.parametrize(
    ("profile", "flavor"),
    [("light", "slim"), ("throughput", "slim"), pytest.param("full", "full", marks=pytest.mark.soak)],
)
def test_48_writers_on_one_worker_neither_fail_nor_stall(
    profile: str,
    flavor: str,
    environments: Environments,
    databases: Databases,
    postgresql: PostgreSQL,
    run_server: Callable[..., RunningServer],
) -> None:
    database = databases.copy(f"writers_{profile}")
    server = run_server(getattr(environments, flavor), profile, databases.connection(database), workers=1)
    assert write_all(server, batches=3) == []
    assert postgresql.row_counts(database)["metrics"] == WRITERS * 3 * METRICS
    assert postgresql.row_counts(database)["params"] == WRITERS * 3
    server.stop()  # the next profile needs the processor


@pytest.mark.soak
def test_the_pool_that_mlflow_takes_by_itself_does_stall(
    environments: Environments, databases: Databases, run_server: Callable[..., RunningServer]
) -> None:
    """Shows that the test above can fail."""
    server = run_server(environments.slim, "light", databases.connection(databases.copy("writers_stock")))
    server.stop()
    launch: dict[str, Any] = json.loads(server.launch_file.read_text())
    for name in ("MLFLOW_SQLALCHEMYSTORE_POOL_SIZE", "MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW"):
        del launch["env"][name]
    server.launch_file.write_text(json.dumps(launch))
    server.start()
    assert write_all(server, batches=3), "48 writers were served by a pool of 5 + 10"
