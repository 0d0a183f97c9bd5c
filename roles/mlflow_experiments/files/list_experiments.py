"""A query: every experiment, as rows."""

import argparse
import json

import mlflow

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--filter", default="")
parser.add_argument("--max-results", type=int, default=1000)
arguments = parser.parse_args()

found = mlflow.search_experiments(filter_string=arguments.filter or None, max_results=arguments.max_results)
print(
    json.dumps(
        [
            {
                "experiment_id": one.experiment_id,
                "name": one.name,
                "artifact_location": one.artifact_location,
                "lifecycle_stage": one.lifecycle_stage,
                "creation_time": one.creation_time,
                "last_update_time": one.last_update_time,
            }
            for one in found
        ]
    )
)
