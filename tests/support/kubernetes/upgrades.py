"""An upgrade of an old version under load, in containers of any kind: what fails on the way leads back to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from support.environments import pinned_version
from support.processes import until
from support.testbed.target_images import MLFLOW, OLD_MLFLOW, OLD_VERSION

from .load import under_load

OLD = {"mlflow_image": OLD_MLFLOW, "mlflow_version": OLD_VERSION}
NEW = {"mlflow_image": MLFLOW}
# What only shows when the server is started, after the migration.
_BROKEN = {"mlflow_server_env": {"MLFLOW_SQLALCHEMYSTORE_POOLCLASS": "NoSuchPool"}, "mlflow_server_health_timeout": 20}
ASK_VERSION = ["python", "-c", "import mlflow; print(mlflow.__version__)"]


def says_what_it_will_do_goes_back_when_it_fails_and_then_succeeds(
    old: Any, versions: Callable[[], set[str]], who_serves: Callable[[], Any], until_served: Callable[[], None]
) -> None:
    """C(versions): what the servers say they are. C(who_serves): other when one of them was replaced or restarted."""
    before = who_serves()
    refused = old.deploy(**NEW)
    assert refused.code != 0 and "Upgrade it: ansible-playbook " in refused.message
    planned = old.play("upgrade", **NEW).succeeded()
    said = str(planned.of("Report what the upgrade does")["msg"])
    assert f"MLflow {OLD_VERSION} to MLflow {pinned_version()}" in said and "75868b020152 destructive" in said
    assert "To upgrade:" in said and "-e mlflow_upgrade=true" in said
    assert who_serves() == before, "the old servers were touched"

    with under_load(old, threads=2, pause=0.1) as first:
        failed = old.play("upgrade", **NEW, **_BROKEN, mlflow_upgrade=True)
        assert failed.code != 0, "the broken version was let through"
        assert f"MLflow {OLD_VERSION} serves again, after " in failed.message, failed.message
        assert "NoSuchPool" in failed.message
        until_served()
        answered = first.answers
        until(lambda: first.answers > answered, "nobody could write after it went back", 60)
    assert versions() == {OLD_VERSION}
    assert first.lost(old) == {}

    with under_load(old, threads=2, pause=0.1) as second:
        upgraded = old.play("upgrade", **NEW, mlflow_upgrade=True).succeeded()
    print(upgraded.of("Report what was done")["msg"], first, second, sep="\n")
    assert versions() == {pinned_version()}
    assert (first.lost(old), second.lost(old)) == ({}, {})

    again = old.play("upgrade", **NEW, mlflow_upgrade=True).succeeded()
    assert "Nothing to do" in str(again.of("Report what the upgrade does")["msg"])
    assert old.deploy(**NEW).succeeded().stats.get("changed", 0) == 0
