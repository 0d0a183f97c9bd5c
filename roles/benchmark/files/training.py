# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a data scientist does, with the real client, on a server of which nothing is known but its address.

Trains on a data set that scikit-learn brings, logs automatically, puts artifacts and gets them back, registers a model
and loads it from the registry. Compares everything that comes back, cleans up, and prints one JSON as the last line:
{"steps": {name: seconds}, "artifacts": [{"bytes", "put_seconds", "get_seconds"}]}. Address and login come from
MLFLOW_TRACKING_*.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlflow
import numpy
from sklearn import datasets, ensemble, linear_model, model_selection

MIB = 1024**2
ARTIFACTS = (4096, MIB, 32 * MIB)


def main() -> None:
    steps: dict[str, float] = {}
    name = f"benchmark-{uuid.uuid4().hex[:12]}"
    client = mlflow.MlflowClient()
    experiment = client.create_experiment(name)
    try:
        with timed(steps, "linear regression"):
            train(experiment, linear_model.LinearRegression())
        with timed(steps, "random forest"):
            run, model, rows = train(experiment, ensemble.RandomForestRegressor(n_estimators=50, random_state=0))
        with timed(steps, "registry"):
            registered(client, name, run, model, rows)
        with timed(steps, "artifacts"):
            artifacts = round_trip(client, experiment)
    finally:
        remove(client, name, experiment)
    print(json.dumps({"steps": steps, "artifacts": artifacts, "client": mlflow.__version__}))


def train(experiment: str, model: Any) -> tuple[str, Any, numpy.ndarray]:
    """Train with automatic logging. What was logged is read back.

    :returns: run, trained model, some rows to predict.
    """
    features, target = datasets.load_diabetes(return_X_y=True)
    seen, unseen, known, _hidden = model_selection.train_test_split(features, target, random_state=0)
    mlflow.sklearn.autolog(silent=True)
    try:
        with mlflow.start_run(experiment_id=experiment) as run:
            model.fit(seen, known)
            score = model.score(seen, known)
    finally:
        mlflow.sklearn.autolog(disable=True)
    logged = mlflow.get_run(run.info.run_id).data.metrics
    expect(abs(logged["training_score"] - score) < 1e-9, "the logged score is the model's")
    return run.info.run_id, model, unseen


def registered(client: mlflow.MlflowClient, name: str, run: str, model: Any, rows: numpy.ndarray) -> None:
    """Register the run's model, give it an alias, and load it from the registry."""
    client.create_registered_model(name)
    found = mlflow.search_logged_models(
        experiment_ids=[client.get_run(run).info.experiment_id],
        filter_string=f"source_run_id = '{run}'",
        output_format="list",
    )
    expect(len(found) == 1, "the run has one model")
    version = client.create_model_version(name, found[0].artifact_location, run, model_id=found[0].model_id)
    client.set_registered_model_alias(name, "best", version.version)
    loaded = mlflow.sklearn.load_model(f"models:/{name}@best")
    expect(numpy.array_equal(loaded.predict(rows), model.predict(rows)), "the loaded model predicts the same")


def round_trip(client: mlflow.MlflowClient, experiment: str) -> list[dict[str, float]]:
    """Put and get artifacts of several sizes; what comes back has the same hash."""
    run = client.create_run(experiment).info.run_id
    measured = []
    with tempfile.TemporaryDirectory() as folder:
        for size in ARTIFACTS:
            file = Path(folder, f"{size}.bin")
            file.write_bytes(numpy.random.default_rng(size).bytes(size))
            times: dict[str, float] = {}
            with timed(times, "put_seconds"):
                client.log_artifact(run, str(file), "sizes")
            with timed(times, "get_seconds"):
                back = client.download_artifacts(run, f"sizes/{file.name}", tempfile.mkdtemp(dir=folder))
            expect(digest(Path(back)) == digest(file), f"an artifact of {size} bytes comes back as it was")
            measured.append({"bytes": size, **times})
    client.set_terminated(run)
    return measured


def remove(client: mlflow.MlflowClient, name: str, experiment: str) -> None:
    try:
        client.delete_registered_model(name)
    except mlflow.MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
    client.delete_experiment(experiment)


@contextmanager
def timed(times: dict[str, float], name: str) -> Iterator[None]:
    start = time.monotonic()
    yield
    times[name] = round(time.monotonic() - start, 3)
    if not name.endswith("_seconds"):
        print(f"{name}: {times[name]:.1f} s", file=sys.stderr, flush=True)


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def expect(holds: bool, what: str) -> None:
    if not holds:
        sys.exit(f"Expected that {what}, and it is not so.")


if __name__ == "__main__":
    main()
