"""A bucket is proven before a server of a host is given it, and created where that was asked for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from support.environments import Environments
from support.host.deployment import Deployment
from support.playbooks import run_module
from support.s3 import S3, running

PROOF = "Prove the bucket, and create it where that was asked for"


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with running() as server:
        yield server


@pytest.fixture
def deployment(environments: Environments, s3: S3) -> Iterator[Deployment]:
    prepared = Deployment(
        environments, "light", mlflow_artifact_store_type="external_s3", **s3.options("mlflow_artifact_store_")
    )
    try:
        yield prepared
    finally:
        prepared.remove()


def test_a_bucket_that_does_not_exist_is_named_before_a_server_has_it_and_the_corrected_run_goes_on(
    deployment: Deployment, s3: S3
) -> None:
    wrong = deployment.deploy(mlflow_artifact_store_uri="s3://no-such-bucket/mlflow")
    assert wrong.code != 0
    for words in ("bucket no-such-bucket", s3.endpoint, "does not exist", "mlflow_artifact_store_create_bucket"):
        assert words in wrong.message
    assert not (deployment.home / "launch.json").exists()
    # What never served had no data, so that another bucket is no other data.
    asked = {"mlflow_artifact_store_uri": "s3://made/mlflow", "mlflow_artifact_store_create_bucket": True}
    assert deployment.deploy("--check", **asked).succeeded().of(PROOF)["changed"]
    assert not (s3.home / "data" / "made").exists()
    assert deployment.deploy(**asked).succeeded().of(PROOF)["changed"]
    assert (s3.home / "data" / "made").is_dir()
    assert deployment.deploy(**asked).succeeded().stats["changed"] == 0
    assert not list((s3.home / "data" / "made").rglob(".mlops-*")), "what proved it was left"


def test_a_store_that_is_being_replaced_is_waited_for(environments: Environments) -> None:
    """It answers with errors of its own, then not at all, then as it should."""
    store, asked = S3(), threading.Semaphore(0)

    class Leaving(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(500)
            asked.release()

        def log_message(self, *_arguments: object) -> None:
            """Nothing."""

    arguments = {"uri": "s3://artifacts/team", "wait_timeout": 120, **store.options()}
    try:
        with ThreadPoolExecutor(1) as pool:
            with HTTPServer(("127.0.0.1", store.port), Leaving) as leaving:
                threading.Thread(target=leaving.serve_forever, daemon=True).start()
                proof = pool.submit(
                    run_module, "mlflow_bucket", arguments, interpreter=environments.slim / "bin/python"
                )
                try:
                    # More often than the library asks by itself.
                    assert all(asked.acquire(timeout=60) for _time in range(4))
                finally:
                    leaving.shutdown()
            store.start()
            result = proof.result(180)
        assert (result.get("failed"), result["changed"]) == (None, False)
        assert not list((store.home / "data/artifacts").rglob(".mlops-*")), "what proved it was left"
    finally:
        store.remove()
