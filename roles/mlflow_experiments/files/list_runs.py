"""A query: the runs of experiments, as rows with their params and metrics."""

import argparse
import json
import math

import mlflow

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--experiment", action="append", default=[], help="by name; every experiment where none is given")
parser.add_argument("--filter", default="")
parser.add_argument("--max-results", type=int, default=1000)
arguments = parser.parse_args()

names = arguments.experiment or [one.name for one in mlflow.search_experiments()]
found = mlflow.search_runs(
    experiment_names=names, filter_string=arguments.filter, max_results=arguments.max_results, output_format="list"
)
print(
    json.dumps(
        [
            {
                "run_id": run.info.run_id,
                "name": run.info.run_name,
                "experiment_id": run.info.experiment_id,
                "status": run.info.status,
                "start_time": run.info.start_time,
                "end_time": run.info.end_time,
                "artifact_uri": run.info.artifact_uri,
                "params": run.data.params,
                "metrics": {
                    name: value if math.isfinite(value) else str(value) for name, value in run.data.metrics.items()
                },
            }
            for run in found
        ]
    )
)
