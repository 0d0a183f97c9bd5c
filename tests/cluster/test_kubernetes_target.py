"""The target kubernetes as its users see it: deploy, change, prove, destroy; schema and secrets are guarded.

    pytest tests/cluster -m "cluster and not soak"

The tests of this folder share deployments, and run in the order of their files.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.kubernetes import load
from support.kubernetes.client import RealClient
from support.kubernetes.deployment import Deployment, changed_objects
from support.kubernetes.kubectl import eventually, is_ready, name, restarts
from support.kubernetes.secrets import secrets_in_clear

pytestmark = pytest.mark.cluster

# Every MLflow since 1.0 knows this revision.
OLD_REVISION = "451aebb31d03"
LOG_A_RUN = """
import pathlib, tempfile
run = client.create_run("0").info.run_id
client.log_metric(run, "loss", 0.25)
with tempfile.TemporaryDirectory() as folder:
    file = pathlib.Path(folder, "weights.txt")
    file.write_text("a b c")
    client.log_artifact(run, str(file), "model")
print(json.dumps(run))
"""
READ_THE_RUN = """
import pathlib
run = client.get_run(os.environ["RUN"])
file = client.download_artifacts(run.info.run_id, "model/weights.txt")
print(json.dumps([run.data.metrics, pathlib.Path(file).read_text()]))
"""
RUNS = 'print(json.dumps([run.info.run_id for run in client.search_runs(["0"])]))'


@pytest.fixture(scope="module")
def other(make: Callable[..., Deployment]) -> Iterator[Deployment]:
    """A second deployment beside the shared one, with basic authentication off and no autoscaler."""
    deployment = make("t-other", mlflow_server_replicas=1, mlflow_server_max_replicas=1)
    try:
        deployment.deploy().succeeded()
        yield deployment
    finally:
        deployment.remove()


def test_check_mode_from_nothing_says_what_would_be_created_and_creates_nothing(
    make: Callable[..., Deployment],
) -> None:
    deployment = make("t-check")
    result = deployment.deploy("--check", "--diff").succeeded()
    said = " ".join(str(task.get("msg", "")) for title, task in result.results if "would be created" in title)
    assert result.of("Create the namespace, or check that of somebody else")["created"]
    for thing in ("StatefulSet mlflow-database", "Deployment mlflow-artifacts",
                  "Job mlflow-setup", "Deployment mlflow", "Service mlflow"):  # fmt: skip
        assert thing in said
    assert "Check mode: nothing was done." in result.of("Report where MLflow is and what to do next")["msg"]
    assert not deployment.kubectl.has_namespace("t-check")


def test_deploying_from_nothing_ends_proven_with_the_real_client(main: Deployment) -> None:
    assert main.first
    summary = main.first.of("Report where MLflow is and what to do next")["msg"]
    assert "rolled out and proven with the real client" in summary
    assert f"http://mlflow.{main.namespace}.svc:5000" in summary
    assert restarts(main.kubectl.items("pods")) == 0


def test_a_second_run_changes_nothing(main: Deployment) -> None:
    with main.as_users_do():
        assert main.deploy().succeeded().stats["changed"] == 0


def test_check_mode_names_what_a_changed_wish_would_change_and_changes_nothing(main: Deployment) -> None:
    before = wishes_of(main)
    result = main.deploy("--check", "--diff", mlflow_server_access_log=True).succeeded()
    assert changed_objects(result) == {"ConfigMap mlflow", "Deployment mlflow"}
    differences = [task["diff"] for title, task in result.results if "Apply the manifests" in title and "diff" in task]
    assert "--access-logfile" in str(differences)
    # Also one with which the server is at another URL.
    assert changed_objects(main.deploy("--check", mlflow_server_static_prefix="/mlflow").succeeded())
    assert wishes_of(main) == before


def wishes_of(deployment: Deployment) -> list[Any]:
    """The objects without what the cluster and its autoscaler write into them."""
    listed = deployment.kubectl.items("configmap,deployment,service,horizontalpodautoscaler,job")
    specs = [{**item.get("spec", {}), "replicas": None} for item in listed]
    return [(item["kind"], name(item), item.get("data"), spec) for item, spec in zip(listed, specs, strict=True)]


def test_a_changed_wish_changes_the_configuration_and_the_servers_and_nothing_else(main: Deployment) -> None:
    result = main.deploy(mlflow_server_access_log=True).succeeded()
    assert changed_objects(result) == {"ConfigMap mlflow", "Deployment mlflow"}
    assert result.stats["changed"] == 1
    assert "GET /health" in main.kubectl("logs", main.server())
    main.variables["mlflow_server_access_log"] = True


def test_a_run_is_logged_and_read_through_a_forwarded_port(main: Deployment, real_client: RealClient) -> None:
    with main.kubectl.forwarded("service/mlflow", 5000) as port:
        run = real_client.run_at(port, LOG_A_RUN)
        assert real_client.run_at(port, READ_THE_RUN.replace('os.environ["RUN"]', repr(run))) == [
            {"loss": 0.25},
            "a b c",
        ]


def test_the_servers_role_cannot_change_the_schema(main: Deployment) -> None:
    def ask(statement: str) -> str:
        psql = f'psql --no-psqlrc --set=ON_ERROR_STOP=1 "$READY_DATABASE" --command "{statement}"'
        return main.kubectl.execute(main.server(), "sh", "-c", psql, check=False)

    assert "(1 row)" in ask("SELECT count(*) FROM runs")
    assert "permission denied for schema public" in ask("CREATE TABLE mine()")
    assert "must be owner of table runs" in ask("ALTER TABLE runs ADD COLUMN mine text")
    assert "must be owner of table runs" in ask("DROP TABLE runs")


def test_two_deployments_do_not_see_each_others_runs(
    main: Deployment, other: Deployment, real_client: RealClient
) -> None:
    here, there = real_client.run(main, LOG_A_RUN), real_client.run(other, LOG_A_RUN)
    assert here in real_client.run(main, RUNS)
    assert real_client.run(other, RUNS) == [there]


def test_destroy_keeps_all_data_and_a_new_deployment_serves_it(other: Deployment, real_client: RealClient) -> None:
    run = real_client.run(other, LOG_A_RUN)
    with load.under_load(other, threads=2) as seen:
        eventually("some writes", lambda: seen.answers > 50)
    refusal = other.play("destroy")
    assert refusal.code and "-e mlflow_destroy=true" in refusal.message
    other.destroy().succeeded()
    assert not other.kubectl.items("pods") and not other.kubectl.items("deployments")
    assert other.deploy().succeeded().stats["changed"]
    assert real_client.run(other, READ_THE_RUN, RUN=run) == [{"loss": 0.25}, "a b c"]
    assert seen.lost(other) == {}


def test_a_server_cannot_change_an_older_schema_and_says_what_to_do(other: Deployment) -> None:
    revision = other.sql("SELECT version_num FROM alembic_version")
    tables = "SELECT md5(string_agg(t::text, '' ORDER BY t::text)) FROM information_schema.columns t"
    before = other.sql(tables)
    other.sql(f"UPDATE alembic_version SET version_num = '{OLD_REVISION}'")
    try:
        other.kubectl("delete", "pod", other.server(), "--wait=false")

        def last_words() -> str:
            ended = [
                state["terminated"].get("message", "")
                for pod in other.servers()
                for status in pod["status"].get("containerStatuses") or []
                for state in (status["state"], status.get("lastState") or {})
                if "terminated" in state
            ]
            return ended[0] if ended else ""

        said = eventually("the server ends", last_words)
        for word in ("is older", OLD_REVISION, revision, "Nothing was changed", "Upgrade it: ansible-playbook "):
            assert word in said
        assert not any(map(is_ready, other.servers()))
        assert other.sql("SELECT version_num FROM alembic_version") == OLD_REVISION
        assert other.sql(tables) == before
        assert "is older" in other.deploy(mlflow_server_rollout_timeout=60).message
    finally:
        other.sql(f"UPDATE alembic_version SET version_num = '{revision}'")
        other.kubectl("delete", "pod", "--selector=app.kubernetes.io/component=server", "--wait=false")
    other.wait_until_ready()


def test_a_namespace_is_not_removed_with_data_that_is_to_be_kept_or_with_what_others_put_there(
    other: Deployment,
) -> None:
    kinds = "deployment,statefulset,service,secret,persistentvolumeclaim,resourcequota"
    before = other.kubectl("get", kinds, "--output=name")
    result = other.destroy(mlflow_remove_namespace=True)
    assert result.code and not result.stats["changed"]
    for word in ("is to be kept", "PersistentVolumeClaim mlflow-artifacts", "Secret mlflow-database",
                 "-e mlflow_remove_data=true"):  # fmt: skip
        assert word in result.message
    other.kubectl("create", "configmap", "of-somebody-else")
    result = other.destroy(mlflow_remove_data=True, mlflow_remove_namespace=True)
    assert result.code and not result.stats["changed"]
    assert "did not make in the namespace t-other: ConfigMap of-somebody-else" in result.message
    assert other.kubectl("get", kinds, "--output=name") == before
    other.kubectl("delete", "configmap", "of-somebody-else")


def test_destroy_with_everything_leaves_nothing(other: Deployment) -> None:
    volumes = {
        claim["spec"]["volumeName"] for claim in other.kubectl.items("persistentvolumeclaims")
    }  # fmt: skip
    assert len(volumes) == 2
    result = other.destroy(mlflow_remove_data=True, mlflow_remove_namespace=True).succeeded()
    said = result.of("Report what was removed, and what was kept")["msg"]
    removed, *rest = said.splitlines()
    assert rest == ["All data was removed."]
    for thing in ("Deployment mlflow,", "Secret mlflow-database", f"Namespace {other.namespace}"):
        assert thing in removed
    assert not other.kubectl.has_namespace(other.namespace)
    eventually(
        "the volumes are gone",
        lambda: not volumes & {name(volume) for volume in other.kubectl.items("persistentvolumes")},
    )


def test_turning_the_autoscaler_on_takes_no_server_away(make: Callable[..., Deployment]) -> None:
    deployment = make("t-scaler", mlflow_server_replicas=3, mlflow_server_max_replicas=3)
    try:
        deployment.deploy().succeeded()
        told = deployment.kubectl.argv("get", "deployment", "mlflow", "--watch", "--output=jsonpath={.spec.replicas} ")
        with subprocess.Popen(told, text=True, stdout=subprocess.PIPE) as watch:
            try:
                result = deployment.deploy(mlflow_server_max_replicas=5).succeeded()
            finally:
                watch.terminate()
            numbers = (watch.stdout.read() if watch.stdout else "").split()
        assert "HorizontalPodAutoscaler mlflow" in changed_objects(result)
        assert numbers and min(map(int, numbers)) >= 3, numbers
        assert deployment.deploy(mlflow_server_max_replicas=5).succeeded().stats["changed"] == 0
    finally:
        deployment.remove()


def test_secrets_appear_nowhere(make: Callable[..., Deployment], tmp_path: Path) -> None:
    deployment = make("t-secret", mlflow_server_auth="basic")
    given = {"mlflow_server_auth_password": "Given-by-a-vault-1"}
    try:
        secrets, found = secrets_in_clear(deployment, tmp_path, **given)
        assert set(secrets) >= {
            "mlflow-auth/admin-password", "mlflow-auth/flask-secret-key", "mlflow-database/password",
            "mlflow-database/owner-password", "mlflow-artifacts/access-key", "mlflow-artifacts/secret-key",
            "mlflow-auth/gateway-passphrase", "mlflow-auth/webhook-key",
        }  # fmt: skip
        assert secrets["mlflow-auth/admin-password"] == given["mlflow_server_auth_password"]
        assert found == set()
    finally:
        deployment.remove()
        shutil.rmtree(tmp_path, ignore_errors=True)
