"""Profile full: a job of MLflow really runs, and finds its server at whatever address that listens."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.http import Client
from support.databases import Databases
from support.environments import Environments
from support.servers import API, PATIENCE, RunningServer

JOBS = "/ajax-api/3.0/jobs"
# What a job of MLflow's own does, without a model that would have to be asked: it writes with the client.
JOB = """
from mlflow import MlflowClient
from mlflow.server.jobs import job

@job(name="write_a_run", max_workers=1)
def write_a_run(said: str) -> str:
    client = MlflowClient()
    run = client.create_run("0", tags={"said": said})
    client.set_terminated(run.info.run_id)
    return run.info.run_id
"""
ALLOWED = {
    "_MLFLOW_SUPPORTED_JOB_FUNCTION_LIST": "jobs_of_a_test.write_a_run",
    "_MLFLOW_ALLOWED_JOB_NAME_LIST": "write_a_run",
}


@pytest.mark.parametrize("address", ["127.0.0.1", "127.5.1.9", "::1"])
def test_a_job_writes_to_its_own_server(
    environments: Environments, databases: Databases, tmp_path: Path, address: str
) -> None:
    (tmp_path / "jobs_of_a_test.py").write_text(JOB)
    database = databases.connection(databases.copy("jobs_at_" + address.translate(str.maketrans(".:", "__"))))
    server = RunningServer(environments.full, "full", database, host=address, plugins_dir=str(tmp_path))
    launch = json.loads(server.launch_file.read_text())
    server.launch_file.write_text(json.dumps(launch | {"env": launch["env"] | ALLOWED}))
    try:
        server.start()
        client = Client(server.server())
        job = client.post(f"{JOBS}/", {"job_name": "write_a_run", "params": {"said": address}}).json()
        end = time.monotonic() + PATIENCE
        while job["status"] in ("PENDING", "RUNNING") and time.monotonic() < end:
            time.sleep(0.5)
            job = client.get(f"{JOBS}/{job['job_id']}").json()
        assert job["status"] == "SUCCEEDED", f"{job}\n{server.log.read_text()[-3000:]}"
        run = client.get(f"{API}/runs/get", {"run_id": job["result"]}).json()["run"]
        assert {"key": "said", "value": address} in run["data"]["tags"] and run["info"]["status"] == "FINISHED"
        client.close()
    finally:
        server.remove()
