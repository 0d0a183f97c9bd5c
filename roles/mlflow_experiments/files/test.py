"""Reads back what it logged, in every way that a client has, and fails where something is missing."""

import argparse
import json
import tempfile
from pathlib import Path

import mlflow

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--experiment", default="test-experiment")
arguments = parser.parse_args()

mlflow.set_experiment(arguments.experiment)
with mlflow.start_run(tags={"purpose": "test"}) as run:
    mlflow.log_params({"depth": 3, "seed": 1})
    mlflow.log_metrics({"accuracy": 0.5, "loss": 0.25}, step=1)
    mlflow.log_text("a b c", "notes.txt")
found = mlflow.get_run(run.info.run_id)
if found.data.params != {"depth": "3", "seed": "1"} or found.data.metrics != {"accuracy": 0.5, "loss": 0.25}:
    raise SystemExit(f"The run came back changed: {found.data}")
listed = mlflow.search_runs(experiment_names=[arguments.experiment], filter_string="tags.purpose = 'test'")
if run.info.run_id not in set(listed["run_id"]):
    raise SystemExit("The search does not find the run.")
with tempfile.TemporaryDirectory() as folder:
    path = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="notes.txt", dst_path=folder)
    if Path(path).read_text() != "a b c":
        raise SystemExit("The artifact came back changed.")
print(json.dumps({"run_id": run.info.run_id, "runs": len(listed)}))
