"""Finds anomalies in a time series by its moving average, and logs how well it found those that were put there."""

import argparse
import json

import mlflow
import numpy

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--experiment", default="time-series")
parser.add_argument("--points", type=int, default=2000)
parser.add_argument("--window", type=int, default=48)
parser.add_argument("--threshold", type=float, default=4.0)
arguments = parser.parse_args()

random = numpy.random.default_rng(1)
series = numpy.sin(numpy.arange(arguments.points) * 2 * numpy.pi / 24) + random.normal(0, 0.2, arguments.points)
real = random.choice(numpy.arange(arguments.window, arguments.points), 10, replace=False)
series[real] += 3
before = numpy.lib.stride_tricks.sliding_window_view(series, arguments.window)[:-1]
rest = series[arguments.window :]
score = abs(rest - before[:, -24]) / (rest - before[:, -24]).std()
found = numpy.flatnonzero((score > arguments.threshold) & (rest > before.max(axis=1))) + arguments.window
hits = len(set(found.tolist()) & set(real.tolist()))
metrics = {"precision": hits / max(len(found), 1), "recall": hits / len(real)}

mlflow.set_experiment(arguments.experiment)
with mlflow.start_run() as run:
    mlflow.log_params({"window": arguments.window, "threshold": arguments.threshold})
    mlflow.log_metrics(metrics)
    mlflow.log_text("\n".join(map(str, found.tolist())), "anomalies.txt")
print(json.dumps({"run_id": run.info.run_id, **metrics}))
