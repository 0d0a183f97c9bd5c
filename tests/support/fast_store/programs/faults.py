"""What the fast store does when its connection breaks under a statement that was carried out and when several write at
once, and who gets it: `faults.py URI`.

Runs in MLflow's interpreter, and prints JSON. The break is made where the statement's answer would come in: nobody can
say then whether it was carried out, which it was.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any

from mlflow.entities import Metric, Param, RunTag
from mlflow.server.constants import READ_REPLICA_BACKEND_STORE_URI_ENV_VAR
from mlops_mlflow_fast import connections, postgresql
from mlops_mlflow_fast.store import FastStore


class Breaking(connections.Connections):
    breaks = 0

    def all(self, statement: str, values: dict[str, Any]) -> Any:
        rows = super().all(statement, values)
        if self.breaks:
            self.breaks -= 1
            raise connections.Lost("cut")
        return rows


def created(store: FastStore, name: str, breaks: int) -> dict[str, Any]:
    store.connections.breaks = breaks
    try:
        store.create_run("0", "u", 1, [RunTag("a", "b")], name)
        said = ""
    except Exception as error:
        said = getattr(error, "error_code", repr(error))
    store.connections.breaks = 0
    return {"said": said, "runs": len(store.search_runs(["0"], f"run_name = '{name}'", 1, 100))}


def repeated(store: FastStore) -> dict[str, Any]:
    """What MLflow's own method follows after a break."""
    run = store.create_run("0", "u", 1, [], "repeated").info.run_id
    calls = (
        lambda: store.log_metric(run, Metric("m", 1.0, 1, 1)),
        lambda: store.log_param(run, Param("p", "1")),
        lambda: store.set_tag(run, RunTag("t", "1")),
        lambda: store.log_batch(run, [Metric("m", 2.0, 2, 2)], [Param("q", "1")], [RunTag("u", "1")]),
        lambda: store.update_run_info(run, 3, 5, "repeated"),
    )
    for call in calls:
        store.connections.breaks = 1
        call()
    found = store.get_run(run).data
    history = [metric.value for metric in store.get_metric_history(run, "m")]
    return {"params": found.params, "tags": found.tags, "metrics": found.metrics, "history": history}


def side_by_side(store: FastStore) -> dict[str, Any]:
    """Eight writers to one run, with the same keys in another order each."""
    run, errors = store.create_run("0", "u", 1, [], "side by side").info.run_id, []

    def write(number: int) -> None:
        keys = [f"k{(place * 7 + number) % 20}" for place in range(20)]
        try:
            for step in range(5):
                metrics = [Metric(key, float(step * 10 + number), step, step) for key in keys]
                store.log_batch(run, metrics, [Param(key, "1") for key in keys], [RunTag(key, "1") for key in keys])
        except Exception as error:
            errors.append(repr(error))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = store.get_run(run).data
    history = len(store.get_metric_history(run, "k0"))
    return {
        "errors": errors,
        "latest": sorted(set(found.metrics.values())),
        "params": len(found.params),
        "history": history,
    }


def contradicting(store: FastStore) -> dict[str, Any]:
    """Two that log one parameter with two values at once, with a metric each: one is refused, and leaves nothing."""
    refused, logged = [], 0
    for number in range(15):
        run = store.create_run("0", "u", 1, [], f"contradicting {number}").info.run_id
        together = threading.Barrier(2)

        def write(value: str, run: str = run, together: threading.Barrier = together) -> None:
            together.wait()
            try:
                store.log_batch(run, [Metric(f"of {value}", 1.0, 1, 1)], [Param("p", value)], [])
            except Exception as error:
                refused.append(getattr(error, "error_code", repr(error)))

        threads = [threading.Thread(target=write, args=(value,)) for value in ("a", "b")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        found = store.get_run(run).data
        logged += found.metrics == {f"of {found.params['p']}": 1.0}
    return {"refused": [len(refused), *sorted(set(refused))], "logged": logged}


def handed_out(uri: str) -> dict[str, Any]:
    """Which store MLflow's registries get, and whether it has a place for artifacts."""
    root = "s3://bucket/root"
    cases: dict[str, tuple[dict[str, str], str | None]] = {
        "server": ({}, root),
        "client": ({}, None),
        "job": ({"MLFLOW_SERVER_PID": "1"}, root),
        "workspaces": ({"MLFLOW_ENABLE_WORKSPACES": "true"}, root),
        "read replica": ({READ_REPLICA_BACKEND_STORE_URI_ENV_VAR: f"{uri}?application_name=replica"}, root),
        "other pool": ({"MLFLOW_SQLALCHEMYSTORE_POOLCLASS": "QueuePool"}, root),
    }
    found = {}
    for name, (variables, artifacts) in cases.items():
        os.environ.update(variables)
        store = postgresql(uri, artifacts)
        found[name] = [type(store).__name__, bool(store.artifact_root_uri)]
        for variable in variables:
            del os.environ[variable]
    return found


def main() -> None:
    store = FastStore(sys.argv[1], "s3://bucket/root")
    store.connections = Breaking(store.engine)
    once, twice = created(store, "once", 1), created(store, "twice", 2)
    answer = {"once": once, "twice": twice, "repeated": repeated(store), "side by side": side_by_side(store)}
    answer["contradicting"] = contradicting(store)
    json.dump({**answer, "handed out": handed_out(sys.argv[1])}, sys.stdout)


if __name__ == "__main__":
    main()
