"""What a PostgreSQL in a container is configured with."""

from __future__ import annotations

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database import postgresql, postgresql_configuration
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput


def test_memory_is_shared_out_and_further_settings_come_last() -> None:
    lines = postgresql_configuration.text("1Gi", 100, {"work_mem": "8MB", "archive_command": "echo 'x'"}).splitlines()
    assert lines[0] == "# Derived from the memory limit, 1Gi, and mlflow_database_max_connections."
    for line in ("max_connections = 100", "shared_buffers = 256MB", "effective_cache_size = 512MB", "work_mem = 2MB"):
        assert line in lines
    assert lines[-2:] == ["work_mem = '8MB'", "archive_command = 'echo ''x'''"]


def test_little_memory_is_enough_to_start() -> None:
    lines = postgresql_configuration.text("64Mi", 200, {}).splitlines()
    assert "maintenance_work_mem = 16MB" in lines and "work_mem = 1MB" in lines


def test_a_limit_that_is_none_is_refused() -> None:
    with pytest.raises(BadInput, match="no Kubernetes quantity"):
        postgresql_configuration.text("much", 200, {})


def test_a_connection_whose_other_end_is_gone_ends_before_it_is_given_up_waiting_for() -> None:
    lines = postgresql_configuration.text("1Gi", 100, {}).splitlines()
    said = dict(line.split(" = ") for line in lines if " = " in line)
    idle, interval, count = (int(said[f"tcp_keepalives_{name}"]) for name in ("idle", "interval", "count"))
    assert idle + interval * count <= 30
    assert int(said["tcp_user_timeout"]) <= 30_000
    assert postgresql._MISSED_SECONDS > 30
