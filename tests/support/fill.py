"""Fills a server through the real client, and reads all of it again. Runs under the server's own interpreter.

fill.py fill URL FILE EXPERIMENTS RUNS METRICS BIG_BYTES    writes what it put there into FILE
fill.py read URL FILE                                       exits with what differs
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import mlflow
from mlflow.entities import Metric, Param

NAMES = {"empty": 0, "deep/" * 12 + "file": 100, "ü 日本/%20 #+.txt": 5000}
MLFLOW_2 = mlflow.__version__.startswith("2.")
if MLFLOW_2:
    NAMES.popitem()  # it stores such a name, and refuses to list it


def fill(url: str, experiments: int, runs: int, metrics: int, big: int) -> dict[str, Any]:
    mlflow.set_tracking_uri(url)
    client = mlflow.MlflowClient(url)
    ids = [client.create_experiment(f"backup-{number}") for number in range(experiments)]

    def one(number: int) -> tuple[str, dict[str, Any]]:
        run = client.create_run(ids[number % len(ids)])
        values = [Metric(f"m{index % 10}", index / 7, 1700000000000 + index, index) for index in range(metrics)]
        for start in range(0, metrics, 900):
            client.log_batch(run.info.run_id, values[start : start + 900], [Param(f"p{start}", str(number))])
        client.set_terminated(run.info.run_id)
        return run.info.run_id, {"last": {value.key: value.value for value in values}, "artifacts": {}}

    with ThreadPoolExecutor(4) as pool:
        written = dict(pool.map(one, range(runs)))
    first = next(iter(written))
    with tempfile.TemporaryDirectory() as folder:
        for name, size in {**NAMES, "big": big}.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(os.urandom(size))
            client.log_artifact(first, str(path), str(path.parent.relative_to(folder)).removeprefix("."))
            written[first]["artifacts"][name] = hashlib.sha256(path.read_bytes()).hexdigest()
        for run in list(written)[1:20]:
            path = Path(folder, "model.bin")
            path.write_bytes(os.urandom(20_000))
            client.log_artifact(run, str(path))
            written[run]["artifacts"]["model.bin"] = hashlib.sha256(path.read_bytes()).hexdigest()
    client.create_registered_model("backup-model")
    version = client.create_model_version("backup-model", f"runs:/{first}/deep", first)
    client.set_registered_model_alias("backup-model", "champion", version.version)
    traces = [] if MLFLOW_2 else _trace(client, ids[0])  # it does not find its own again behind a proxied store
    return {
        "experiments": ids,
        "runs": written,
        "version": version.version,
        "traces": traces,
    }


def _trace(client: mlflow.MlflowClient, experiment: str) -> list[str]:
    mlflow.set_experiment(experiment_id=experiment)
    with mlflow.start_span("backup-span") as span:
        span.set_inputs({"question": "does it come back?"})
    mlflow.flush_trace_async_logging()
    end = time.monotonic() + 30
    while not (found := _traces_of(client, experiment)) and time.monotonic() < end:
        time.sleep(0.2)
    if not found:
        sys.exit("the trace did not appear")
    return found


def _traces_of(client: mlflow.MlflowClient, experiment: str) -> list[str]:
    return [trace.info.trace_id for trace in client.search_traces(locations=[experiment])]


def read(url: str, wrote: dict[str, Any]) -> list[str]:
    """What is not as it was written."""
    client, problems = mlflow.MlflowClient(url), []
    mlflow.set_tracking_uri(url)  # artifacts of traces are looked for there
    if missing := set(wrote["experiments"]) - {found.experiment_id for found in client.search_experiments()}:
        problems.append(f"experiments {missing}")
    with tempfile.TemporaryDirectory() as folder:
        for run, known in wrote["runs"].items():
            if client.get_run(run).data.metrics != known["last"]:
                problems.append(f"metrics of {run}")
            for name, digest in known["artifacts"].items():
                path = client.download_artifacts(run, name, folder)
                if hashlib.sha256(Path(path).read_bytes()).hexdigest() != digest:
                    problems.append(f"artifact {name} of {run}")
    if client.get_model_version_by_alias("backup-model", "champion").version != wrote["version"]:
        problems.append("alias")
    found = [] if MLFLOW_2 else _traces_of(client, wrote["experiments"][0])
    if found != wrote["traces"]:
        problems.append(f"traces {found}")
    return problems


def main() -> None:
    act, url, file, *numbers = sys.argv[1:]
    if act == "fill":
        Path(file).write_text(json.dumps(fill(url, *map(int, numbers))))
    elif problems := read(url, json.loads(Path(file).read_text())):
        sys.exit("; ".join(problems))


if __name__ == "__main__":
    main()
