"""An experiment with one run: a few params and metrics."""

import argparse
import json

import mlflow

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--experiment", default="dummy-experiment")
parser.add_argument("--learning-rate", type=float, default=0.01)
arguments = parser.parse_args()

mlflow.set_experiment(arguments.experiment)
with mlflow.start_run() as run:
    mlflow.log_param("learning_rate", arguments.learning_rate)
    for step in range(5):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)
    mlflow.log_metric("precision", 0.33)
print(json.dumps({"run_id": run.info.run_id, "precision": 0.33}))
