"""Three instances of a fleet on a real Knative: each comes with a request, goes without, and has data of its own.

pytest tests/cluster/test_kubernetes_fleet.py -m cluster
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.kubernetes.client import RealClient
from support.kubernetes.knative import SERVICE, KnativeDeployment, variables_of_the_cluster
from support.kubernetes.kubectl import Kubectl, eventually, name
from support.playbooks import PlayResult

pytestmark = pytest.mark.cluster

COUNT = 3
LOG = """
run = client.create_run("0", run_name=os.environ["NAME"]).info.run_id
client.log_text(run, os.environ["NAME"], "whose.txt")
print(json.dumps(run))
"""
READ = """
import mlflow
mlflow.set_tracking_uri(uri)
print(json.dumps([[run.info.run_name, mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/whose.txt")]
                  for run in client.search_runs(["0"])]))
"""


class Instance(KnativeDeployment):
    """One of the fleet, as its clients see it."""

    def __init__(self, cluster: Kubectl, namespace: str, variables: Path, number: int) -> None:
        super().__init__(cluster, namespace, variables)
        self.name = f"tenant-{number}"

    @property
    def host(self) -> str:
        return f"{self.name}.{self.namespace}.{self.domain}"


class Fleet(KnativeDeployment):
    """Its databases are in the PostgreSQL of an ordinary deployment of the same namespace."""

    def play_on_instances(self, playbook: str, **more: object) -> PlayResult:
        """With what an inventory would say of all instances."""
        own = {
            "mlflow_namespace_existing": True,
            "mlflow_database_type": "external_postgresql",
            "mlflow_database_uri": "postgresql+psycopg2://mlflow@mlflow-database:5432/{{ mlflow_name }}",
            "mlflow_database_owner": "mlflow_owner",
            "mlflow_database_secret": "mlflow-database",
            "mlflow_database_max_connections": 200,
        }
        return self.play(playbook, **{**own, **more})

    def fleet(self, **more: object) -> PlayResult:
        declared = {"mlflow_fleet_count": COUNT, "mlflow_fleet_pattern": "tenant-#"}
        return self.play_on_instances("fleet", **{**declared, **more})

    def check(self) -> PlayResult:
        return self.play_on_instances("fleet_health", mlflow_fleet_count=COUNT, mlflow_fleet_pattern="tenant-#")

    def create_databases(self) -> None:
        for number in range(1, COUNT + 1):
            self.sql(f'CREATE DATABASE "tenant-{number}" OWNER mlflow_owner')
            self.sql(f'GRANT CONNECT ON DATABASE "tenant-{number}" TO mlflow')

    def instances(self) -> list[str]:
        return sorted(name(one) for one in self.kubectl.items(SERVICE, "--selector=mlops.mlflow/fleet=fleet"))


@pytest.fixture(scope="module")
def variables() -> Path:
    return variables_of_the_cluster()


@pytest.fixture(scope="module")
def fleet(cluster: Kubectl, variables: Path) -> Iterator[Fleet]:
    # The quota of a deployment's namespace is for that deployment.
    found = Fleet(cluster, "t-fleet", variables, cluster_prerequisites_quota=False)
    # Its database is for it alone, too.
    shared = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "t-shared", "namespace": found.namespace},
        "spec": {
            "podSelector": {"matchLabels": {"app.kubernetes.io/component": "database"}},
            "ingress": [{"from": [{"podSelector": {}}]}],
        },
    }
    with found.deployed():
        found.kubectl.apply(shared)
        found.create_databases()
        yield found


@pytest.fixture(scope="module")
def deployed(fleet: Fleet) -> PlayResult:
    return fleet.fleet().succeeded()


@pytest.fixture(scope="module")
def instances(cluster: Kubectl, variables: Path, deployed: PlayResult) -> list[Instance]:
    assert deployed.of("Apply what differs")["created"] == [f"tenant-{number}" for number in range(1, COUNT + 1)]
    return [Instance(cluster, "t-fleet", variables, number) for number in range(1, COUNT + 1)]


def test_a_second_run_changes_nothing(fleet: Fleet, instances: list[Instance]) -> None:
    again = fleet.fleet().succeeded()
    assert again.stats["changed"] == 0
    assert again.of("Apply what differs")["counts"]["unchanged"] == len(instances)


def test_each_has_its_own_data_also_after_it_slept(
    fleet: Fleet, instances: list[Instance], real_client: RealClient
) -> None:
    for one in instances:
        real_client.run(one, LOG, port=one.port)
    fleet.wait_until_asleep()
    before = fleet.pods_made()
    told = fleet.check().succeeded().of("Check the instances without waking any")
    assert told["counts"] == {"declared": COUNT, "healthy": COUNT, "unhealthy": 0, "stopped": 0, "undeclared": 0}
    assert fleet.pods_made() == before, "health wakes nobody"
    for one in instances:
        assert real_client.run(one, READ, port=one.port) == [[one.host, one.host]]


def test_an_edit_is_put_right(fleet: Fleet, instances: list[Instance]) -> None:
    body = '{"spec":{"template":{"spec":{"timeoutSeconds":77}}}}'
    fleet.kubectl("patch", SERVICE, instances[0].name, "--type=merge", f"--patch={body}")
    assert fleet.fleet().succeeded().of("Apply what differs")["updated"] == [instances[0].name]


def test_a_wrong_image_reaches_the_first_wave_alone_and_the_right_one_goes_on(
    fleet: Fleet, instances: list[Instance], real_client: RealClient
) -> None:
    names = [one.name for one in instances]
    waves = {"mlflow_fleet_wave": 1, "mlflow_server_initial_replicas": 1, "mlflow_fleet_prune": True}
    assert fleet.fleet(**waves).succeeded().of("Apply what differs")["updated"] == names
    wrong = fleet.fleet(**waves, mlflow_image="mlops-test.local/absent:1", mlflow_fleet_wait_timeout=60)
    assert wrong.code != 0 and f"stopped after wave 1 of {COUNT}: the {COUNT - 1} instances" in wrong.message
    assert names[0] in fleet.check().message
    assert real_client.run(instances[1], READ, port=instances[1].port) == [[instances[1].host, instances[1].host]]
    assert fleet.fleet(**waves).succeeded().of("Apply what differs")["updated"] == names[:1]
    fleet.check().succeeded()
    assert fleet.fleet().succeeded().of("Apply what differs")["updated"] == names


def test_an_instance_is_operated_like_any_other(fleet: Fleet, instances: list[Instance]) -> None:
    name_of_one = instances[1].name
    said = fleet.play_on_instances("status", mlflow_name=name_of_one).succeeded().of("Show the status")["msg"]
    assert f"KnativeService {name_of_one}" in said
    healthy = fleet.play_on_instances("health", mlflow_name=name_of_one, mlflow_health_level="deep").succeeded()
    assert healthy.of("Report the verdict")["msg"].startswith("healthy at level deep")


def test_what_is_declared_no_more_goes_and_the_others_stay(fleet: Fleet, instances: list[Instance]) -> None:
    fleet.fleet(mlflow_fleet_count=COUNT - 1, mlflow_fleet_prune=True).succeeded()
    eventually("the last instance gone", lambda: len(fleet.instances()) == COUNT - 1)
    assert fleet.kubectl.json("get", "persistentvolumeclaim", f"{instances[-1].name}-artifacts")


def test_all_of_them_go_and_what_is_not_theirs_stays(fleet: Fleet, instances: list[Instance]) -> None:
    fleet.fleet(mlflow_fleet_destroy=True, mlflow_remove_data=True).succeeded()
    eventually("all instances gone", lambda: not fleet.instances())
    kinds = "persistentvolumeclaim,secret,configmap,cronjob,networkpolicy,serviceaccount"
    left = fleet.kubectl("get", kinds, "--output=name")
    assert not any(one.name in left for one in instances) and "mlflow-database" in left
