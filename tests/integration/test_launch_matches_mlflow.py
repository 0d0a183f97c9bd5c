"""Launch uses names that MLflow keeps private: each is held against the pinned MLflow."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database import revisions
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.server import launch
from support.environments import Environments, pinned_version
from support.intents import AUTH, POSTGRESQL, computed
from support.playbooks import REPOSITORY

pytestmark = pytest.mark.ci

# Not MLflow's: what libpq and the Prometheus client read.
OTHERS = {"MLOPS_MLFLOW_PROXIED", "PGPASSWORD", "prometheus_multiproc_dir"}


@pytest.fixture(scope="module")
def mlflow(environments: Environments) -> Path:
    """The folder of the installed package."""
    found = next((environments.slim / "lib").glob("python3.*/site-packages/mlflow"))
    assert (found / "server" / "__init__.py").exists()
    return found


# One program answers for all tests, because importing MLflow's server takes seconds.
QUESTIONS = """
import importlib, json, os, sys, mlflow, uvicorn
from alembic.script import ScriptDirectory
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database import revisions
home = os.path.dirname(mlflow.__file__)
print(json.dumps({
    "version": mlflow.__version__,
    "applications": {
        target: callable(getattr(importlib.import_module(target.split(":")[0]), target.split(":")[1]))
        for target in sys.argv[1:]
    },
    "uvicorn": ["UVICORN_" + option.name.upper() for option in uvicorn.main.params],
    "revisions": [
        [revisions.expected(kind), ScriptDirectory(os.path.join(home, os.path.dirname(kind[0]))).get_heads()]
        for kind in (revisions.TRACKING, revisions.AUTH)
    ],
}))
"""


@pytest.fixture(scope="module")
def answers(environments: Environments) -> dict[str, Any]:
    """What the pinned MLflow says of itself."""
    environment = {"PYTHONPATH": str(REPOSITORY / ".dev"), "PATH": "/usr/bin:/bin", "MLFLOW_DISABLE_TELEMETRY": "true"}
    environment |= {"_MLFLOW_SERVER_FILE_STORE": "sqlite://", "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/"}
    command = [str(environments.slim / "bin" / "python"), "-c", QUESTIONS, *applications()]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout.splitlines()[-1]))


def every_launch() -> list[launch.Launch]:
    settings: dict[str, Any] = {
        "database": POSTGRESQL, "static_prefix": "/x", "metrics_dir": "/m", "cors_origins": ["https://a"]
    }  # fmt: skip
    return [computed(profile=name, auth=auth, **settings) for name in launch.PROFILES for auth in (None, AUTH)]


def test_every_variable_that_launch_sets_is_read_by_mlflow_or_uvicorn(mlflow: Path, answers: dict[str, Any]) -> None:
    names = {name for started in every_launch() for name in (*started.env, *started.secrets)}
    names |= {name for started in every_launch() if started.jobs for name in started.jobs.env}
    assert len([name for name in names if name.startswith("_MLFLOW_")]) >= 9, names
    source = [path.read_text(errors="replace") for folder in ("", "server", "store", "utils", "tracing", "tracking")
              for path in (mlflow / folder).glob("*.py" if not folder else "**/*.py")]  # fmt: skip
    names -= {*OTHERS, *answers["uvicorn"]}
    unknown = {name for name in names if not any(re.search(rf"[\"']{name}[\"']", text) for text in source)}
    assert unknown == set()


def applications() -> list[str]:
    return sorted({started.argv[-1].removesuffix("()") for started in every_launch()})


def test_the_applications_that_launch_starts_can_be_imported(answers: dict[str, Any]) -> None:
    assert answers["version"] == pinned_version()
    assert answers["applications"] == {
        "mlflow.server.auth:create_app": True,
        "mlflow.server.fastapi_app:app": True,
        "mlflow.server:app": True,
    }


def test_the_programs_and_options_that_launch_uses_exist(environments: Environments) -> None:
    found = {}
    for program in ("uvicorn", "gunicorn"):
        command = [str(environments.slim / "bin" / "python"), "-m", program, "--help"]
        found[program] = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    tls = {"tls_certificate": "/c", "tls_key": "/k"}
    for started in [*every_launch(), computed(**tls), computed(profile="throughput", **tls, access_log=True)]:
        options = [word for word in started.argv if word.startswith("--")]
        assert options
        assert [option for option in options if option not in found[started.argv[2]]] == []


def test_the_job_runner_is_where_launch_starts_it(mlflow: Path) -> None:
    jobs = computed(profile="full", database=POSTGRESQL).jobs
    assert jobs is not None
    runner = (mlflow.parent / (jobs.argv[-1].replace(".", "/") + ".py")).read_text()
    assert 'if __name__ == "__main__":' in runner and "MLFLOW_SERVER_UP_TIME" in runner


def test_the_expected_revision_is_alembics_own_head_for_tracking_and_for_users(answers: dict[str, Any]) -> None:
    for ours, heads in answers["revisions"]:
        assert [ours] == heads
    assert answers["revisions"][0] != answers["revisions"][1]


def test_the_version_tables_are_the_ones_that_mlflow_writes(mlflow: Path) -> None:
    assert revisions.TRACKING[1] == "alembic_version", "alembic's default"
    assert revisions.AUTH[1] in (mlflow / "server/auth/db/migrations/env.py").read_text()
