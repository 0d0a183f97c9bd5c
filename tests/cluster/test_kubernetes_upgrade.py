"""An old version in the cluster, upgraded under load: what fails on the way leads back to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.environments import pinned_version
from support.kubernetes.deployment import Deployment
from support.kubernetes.upgrades import ASK_VERSION, OLD, says_what_it_will_do_goes_back_when_it_fails_and_then_succeeds

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def old(make: Callable[..., Deployment]) -> Iterator[Deployment]:
    deployment = make("t-upgrade", mlflow_backup_storage_size="1Gi")
    try:
        deployment.deploy(**OLD).succeeded()
        yield deployment
    finally:
        deployment.remove()


def test_an_image_that_has_another_version_than_the_one_wished_is_refused(old: Deployment) -> None:
    mistaken = old.play("upgrade", **{**OLD, "mlflow_version": pinned_version()})
    has = f"The image has MLflow {OLD['mlflow_version']}, but mlflow_version is {pinned_version()}"
    assert mistaken.code and has in mistaken.message


def test_an_upgrade_says_what_it_will_do_goes_back_when_it_fails_and_then_succeeds(old: Deployment) -> None:
    says_what_it_will_do_goes_back_when_it_fails_and_then_succeeds(
        old,
        versions=lambda: {old.kubectl.execute(old.server(), *ASK_VERSION).strip()},
        who_serves=lambda: {pod["metadata"]["uid"] for pod in old.servers()},
        until_served=old.wait_until_ready,
    )
    jobs = old.kubectl.items("jobs")
    assert not [job["metadata"]["name"] for job in jobs if job["status"].get("active")], "an operation runs on"
    operations = list(filter(_is_of_an_operation, jobs))
    assert operations and all(job["spec"].get("ttlSecondsAfterFinished") for job in operations), "one would stay"


def _is_of_an_operation(job: dict[str, Any]) -> bool:
    return "mlops.mlflow/request" in (job["spec"]["template"]["metadata"].get("annotations") or {})
