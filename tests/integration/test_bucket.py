"""A bucket is proven before a server of a host is given it, and created where that was asked for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.environments import Environments
from support.host.deployment import Deployment
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
