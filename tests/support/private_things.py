"""Makes one of each thing that a user of MLflow has, all with a mark in their contents. Runs under the server's own
interpreter: private_things.py URL MARK    writes ids and names to its output, in which the mark is not.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import mlflow


def main(url: str, mark: str) -> None:
    mlflow.set_tracking_uri(url)
    client = mlflow.MlflowClient(url)
    experiment = client.create_experiment("theirs", tags={"of": mark})
    run = client.create_run(experiment).info.run_id
    client.log_param(run, "p", mark)
    client.set_tag(run, "t", mark)
    client.log_metric(run, f"m-{mark}", 1.0)
    with tempfile.TemporaryDirectory() as folder:
        for name in ("MLmodel", "theirs.txt"):
            Path(folder, name).write_text(f"flavors: {{}}\nnote: {mark}\n")
            client.log_artifact(run, str(Path(folder, name)))
    client.create_registered_model("their-model", tags={"t": mark}, description=mark)
    version = client.create_model_version("their-model", f"runs:/{run}/", run, description=mark)
    client.set_registered_model_alias("their-model", "theirs", version.version)
    logged = client.create_logged_model(experiment, "theirs", source_run_id=run, tags={"t": mark}, params={"p": mark})
    prompt = mlflow.genai.register_prompt("their-prompt", f"say {mark}")
    mlflow.set_experiment(experiment_id=experiment)
    with mlflow.start_span("theirs") as span:
        span.set_inputs({"question": mark})
    mlflow.flush_trace_async_logging()
    mlflow.set_trace_tag(span.trace_id, "t", mark)
    end = time.monotonic() + 30
    while time.monotonic() < end and not client.get_trace(span.trace_id).data.spans:
        time.sleep(0.2)
    assessment = mlflow.log_feedback(trace_id=span.trace_id, name="quality", value=mark)
    print(
        json.dumps(
            {
                "experiment_id": experiment,
                "run_id": run,
                "model_id": logged.model_id,
                "trace_id": span.trace_id,
                "assessment_id": assessment.assessment_id,
                "prompt": prompt.name,
            }
        )
    )


main(*sys.argv[1:])
