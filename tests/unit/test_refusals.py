"""What is wrong with settings comes from filters as data, and from modules as one JSON document and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.filter.backup_settings import backup_settings
from ansible_collections.mlops.mlflow.plugins.filter.blob_connection import connection as blob_connection
from ansible_collections.mlops.mlflow.plugins.filter.load_plan import load_plan
from ansible_collections.mlops.mlflow.plugins.filter.postgresql_connection import connection
from ansible_collections.mlops.mlflow.plugins.filter.s3_connection import connection as s3_connection
from support.plans import planned
from support.playbooks import REPOSITORY

OPTIONS: dict[str, Any] = {"keep_days": "many", "keep_count": 7, "max_hours": 24, "max_age_hours": 26, "jobs": 2}
OPTIONS |= {"schedule": "0 2 * * *"}
OPTIONS |= dict.fromkeys(
    ("destination", "endpoint", "region", "encryption", "kms_key", "account", "access_key_file", "secret_key_file"), ""
)
OPTIONS |= dict.fromkeys(("account_key_file", "name", "secret", "pg_bindir", "scratch_dir", "result_file"), "")
OPTIONS["secrets"] = {}
# Filters whose refusals playbooks show: the filter, arguments, words of the sentence.
REFUSALS: dict[str, tuple[Callable[..., Any], tuple[Any, ...], str]] = {
    "bucket": (s3_connection, ("s3://b1x", "r", "minio:9000"), "mlflow_artifact_store_endpoint must look like"),
    "keys in a bucket": (s3_connection, ("s3://k:s@b1x", "r"), "mlflow_artifact_store_uri holds a password"),
    "keys in an endpoint": (s3_connection, ("s3://b1x", "r", "http://u:p@minio"), "holds credentials"),
    "port of an endpoint": (s3_connection, ("s3://b1x", "r", "http://minio:port"), "must look like"),
    "address of an endpoint": (s3_connection, ("s3://b1x", "r", "http://[::1"), "must look like"),
    "no bucket": (s3_connection, ("s3:///prefix", "r"), "it must be s3://bucket/prefix"),
    "a query": (s3_connection, ("s3://b1x/p?versionId=3", "r"), "it must be s3://bucket/prefix"),
    "no container": (blob_connection, ("az://models",), "it must be wasbs://CONTAINER@ACCOUNT"),
    "another host": (blob_connection, ("wasbs://c1x@a1x.blob.example.com",), "it must be wasbs://CONTAINER@ACCOUNT"),
    "a key of an account": (blob_connection, ("wasbs://c1x:k@a1x.blob.core.windows.net",), "holds a password"),
    "connections": (partial(connection, max_connections="many"), ("postgresql+psycopg://u@h/d",), "whole number"),
    "database": (connection, ("mysql://u@h/d",), "mlflow_database_uri"),
    "backup": (backup_settings, (OPTIONS, {}, {}, {}, "host"), "mlflow_backup_keep_days must be a number"),
    "load test": (load_plan, ({"users": 1}, "http://h:5000", "", False, {}), "allowed"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_filter_gives_a_refusal_as_data(name: str) -> None:
    function, arguments, words = REFUSALS[name]
    (error,) = function(*arguments)["errors"]
    assert words in error and "\n" not in error


def test_each_refusal_of_a_filter_is_asserted_where_it_is_used() -> None:
    for role, variable in (
        ("mlflow_artifact_store/tasks/external_s3/connection.yml", "_connection.errors"),
        ("mlflow_artifact_store/tasks/azure_blob/connection.yml", "_connection.errors"),
        ("mlflow_database/tasks/external_postgresql/connection.yml", "_connection.errors"),
        ("mlflow_backup/tasks/connection.yml", "_mlflow_backup_told.errors"),
        ("locust/tasks/plan.yml", "_locust_plan.errors"),
    ):
        text = (REPOSITORY / "roles" / role).read_text()
        assert variable in text and "ansible.builtin.assert:" in text


@pytest.mark.parametrize("failing", [False, True])
def test_nothing_follows_the_result_of_a_module(failing: bool) -> None:
    code = (
        "import atexit, json, os, sys\n"
        "from ansible_collections.mlops.mlflow.plugins.module_utils import _module\n"
        "from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput\n"
        "class Module:\n"
        "    def exit_json(self, **result): print(json.dumps(result)); sys.exit(0)\n"
        "    def fail_json(self, **result): print(json.dumps(result)); sys.exit(1)\n"
        "def act(module):\n"
        "    atexit.register(lambda: print('a library says goodbye'))\n"
        "    atexit.register(lambda: os.system('echo and so does its child'))\n"
        f"    if {failing}: raise BadInput('no')\n"
        "    return {'changed': False}\n"
        "_module.run(Module(), act)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=REPOSITORY / ".dev"
    )
    assert done.returncode == int(failing), done.stderr
    assert ("msg" in json.loads(done.stdout)) is failing
    assert "goodbye" in done.stderr and "its child" in done.stderr


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        (
            {"host": "0.0.0.0", "allowed_hosts": ["*.example.com", "mlflow.example.com:*"]},
            "http://mlflow.example.com:5000",
        ),
        ({"host": "::", "allowed_hosts": "mlflow.example.com"}, "http://mlflow.example.com:5000"),
        ({"host": "0.0.0.0", "allowed_hosts": []}, "http://127.0.0.1:5000"),
        ({"host": "127.0.0.1", "allowed_hosts": ["mlflow.example.com"]}, "http://127.0.0.1:5000"),
        ({"host": "10.1.2.3", "allowed_hosts": ["mlflow.example.com"]}, "http://10.1.2.3:5000"),
        ({"host": "0.0.0.0", "allowed_hosts": ["a"], "url": "https://b/c"}, "https://b/c"),
    ],
)
@pytest.mark.parametrize("platform", ["host", "compose"])
def test_the_url_is_one_that_clients_can_use(platform: str, settings: dict[str, Any], url: str) -> None:
    found = planned(platform, {"port": 5000, "hostname": "", **settings})
    assert found["urls"]["public"] == found["connection"]["uri"] == url
    assert "example" not in found["urls"]["local"], "from this host it is asked at its address"
