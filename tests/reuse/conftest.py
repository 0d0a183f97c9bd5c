"""One installed tarball, and one server that is deployed from it, for all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.elsewhere import Elsewhere, installed


@pytest.fixture(scope="session")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Elsewhere:
    return installed(tmp_path_factory.mktemp("elsewhere"))


@pytest.fixture(scope="session")
def deployed(elsewhere: Elsewhere) -> Iterator[Elsewhere]:
    # key=value passes every value as a string, as an AWX survey does.
    settings = (
        "-e mlflow_name=reuse",
        f"-e mlflow_data_dir={elsewhere.data}",
        f"-e mlflow_server_port={elsewhere.port}",
        "-e mlflow_server_otlp=true -e mlflow_server_access_log=false -e mlflow_server_telemetry=false",
        "-e mlflow_server_workers=1 -e mlflow_server_threads=0 -e mlflow_server_health_timeout=180",
        "-e mlflow_server_smoke_test=true -e mlflow_server_auth=basic -e mlflow_server_auth_cache_seconds=30",
    )
    words = [word for wish in settings for word in wish.split(" ")]
    inventory = elsewhere.inventory()
    try:
        elsewhere.run("ansible-playbook", "-i", inventory, "mlops.mlflow.local", *words)
        elsewhere.words = words
        yield elsewhere
    finally:
        destroy = ["-e", "mlflow_destroy=true", "-e", "mlflow_remove_data=true"]
        elsewhere.run("ansible-playbook", "-i", inventory, "mlops.mlflow.destroy", *words, *destroy)
        assert not any(elsewhere.data.glob("*/*")), "destroy left something behind"
