"""The plan of a server on Kubernetes: what pods are made of, who reaches it, and everything that is wrong at once."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes import requirements
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.server.plan import fits, plan

Dict = dict[str, Any]
DATABASE: Dict = {
    "type": "postgresql",
    "uri": "postgresql+psycopg2://mlflow@mlflow-database:5432/mlflow",
    "auth_uri": "postgresql+psycopg2://mlflow@mlflow-database:5432/mlflow_auth",
    "host": "mlflow-database",
    "port": 5432,
    "max_connections": 200,
    "storage_class": "",
    "env": {"PGSSLMODE": "prefer"},
    "secrets": {"PGPASSWORD": {"secret": "mlflow-database", "key": "password"}},
    "owner": {
        "uri": "postgresql+psycopg2://owner@mlflow-database:5432/mlflow",
        "auth_uri": "postgresql+psycopg2://owner@mlflow-database:5432/mlflow_auth",
        "secrets": {"PGPASSWORD": {"secret": "mlflow-database", "key": "owner-password"}},
    },
}
STORE: Dict = {
    "type": "s3",
    "uri": "s3://mlflow/artifacts",
    "create_bucket": True,
    "storage_class": "fast",
    "env": {"MLFLOW_S3_ENDPOINT_URL": "http://mlflow-artifacts:7070"},
    "secrets": {"AWS_ACCESS_KEY_ID": {"secret": "mlflow-artifacts", "key": "access-key"}},
}
CRATEDB: Dict = {
    "type": "cratedb",
    "uri": "crate://mlflow@mlflow-database:4200/?schema=mlflow",
    "secrets": {"PGPASSWORD": {"secret": "mlflow-database", "key": "password"}},
    "owner": {
        "uri": "crate://mlflow_owner@mlflow-database:4200/?schema=mlflow",
        "secrets": {"PGPASSWORD": {"secret": "mlflow-database", "key": "owner-password"}},
    },
}
VOLUME: Dict = {"type": "volume", "uri": "/mnt/artifacts", "claim": "mlflow-artifacts", "access_mode": "ReadWriteOnce"}
SETTINGS: Dict = {
    "name": "mlflow",
    "namespace": "team-a",
    "version": "3.17.2",
    "profile": "throughput",
    "image": "mlops-mlflow:3.17.2",
    "port": 8080,
    "static_prefix": "",
    "replicas": 2,
    "max_replicas": 4,
    "cpu_target": "70",
    "memory_target": "",
    "reserved_connections": 10,
    "run_as": "10001",
    "scratch_size": "4Gi",
    "expose": "none",
    "auth": "none",
    "auth_admin": "admin",
    "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": "2", "memory": "3Gi"}},
    "health_timeout": 180,
    "migration_timeout": 3600,
    "rollout_timeout": 600,
    "workers": 2,
}
CLUSTER: Dict = {
    "version": "v1.34.4",
    "minor": 34,
    "namespace": "Active",
    "storage_classes": ["fast", "slow"],
    "default_storage_class": "slow",
    "metrics": True,
    "missing_groups": [],
    "denied": [],
    "secrets": {},
    "jobs": {"mlflow-setup": {"state": "complete"}},
    "workloads": [{"kind": "Deployment", "name": "mlflow", "wanted": 2, "ready": 2, "version": "3.16.0"}],
    "unsettled": [],
}


VERIFIED: Dict = {"tls_inside": "true", "ingress_controller": "ingress-nginx"}


def planned(
    database: Dict | None = None, store: Dict | None = None, found: Dict | None = None, **settings: Any
) -> Dict:
    given = {**SETTINGS, **settings}
    return plan("kubernetes", given, database or DATABASE, store or STORE, {"kubernetes": found or {}})


def own(**settings: Any) -> Dict:
    found = planned(**settings)
    assert found["errors"] == []
    return dict(found["kubernetes"])


def test_the_server_listens_on_its_containers_port_and_is_published_at_the_services() -> None:
    found = planned(static_prefix="/tracking")
    assert found["ports"] == {"listen": 5000, "publish": 8080}
    assert "0.0.0.0:5000" in " ".join(found["launch"]["argv"])
    assert found["urls"]["inside"] == "http://mlflow.team-a.svc:8080/tracking" == found["urls"]["public"]
    assert found["urls"]["operations"] == "http://127.0.0.1:5000/tracking"
    assert found["connection"]["host"] == "mlflow.team-a.svc" and found["connection"]["port"] == 8080


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({"expose": "ingress", "hostname": "mlflow.example.com"}, "http://mlflow.example.com"),
        ({"expose": "ingress", "hostname": "m.example.com", "tls_secret": "tls"}, "https://m.example.com"),
        ({"expose": "route", "hostname": "m.example.com", "static_prefix": "/a"}, "http://m.example.com/a"),
        ({"expose": "loadbalancer", "hostname": "m.example.com"}, "http://m.example.com:8080"),
        ({"expose": "ingress", "hostname": "m.example.com", "url": "https://x.example.com"}, "https://x.example.com"),
        # Clients of a load balancer see what servers serve; those of an Ingress, what that serves.
        ({"expose": "loadbalancer", "hostname": "m.example.com", "tls_inside": True}, "https://m.example.com:8080"),
        ({"expose": "ingress", "hostname": "m.example.com", **VERIFIED}, "http://m.example.com"),
    ],
)
def test_the_public_url_is_that_of_what_publishes_it(settings: Dict, url: str) -> None:
    found = planned(**settings)
    assert found["connection"]["uri"] == found["urls"]["public"] == url
    assert settings["hostname"] in found["launch"]["env"]["MLFLOW_SERVER_ALLOWED_HOSTS"]


@pytest.mark.parametrize("hosts", [["a.example.com", "b.example.com"], "a.example.com, b.example.com"])
def test_names_are_allowed_as_a_list_or_as_text(hosts: Any) -> None:
    allowed = planned(allowed_hosts=hosts)["launch"]["env"]["MLFLOW_SERVER_ALLOWED_HOSTS"]
    for name in ("mlflow.team-a.svc.cluster.local", "a.example.com", "b.example.com"):
        assert name in allowed.split(",") or f"{name}:*" in allowed.split(",")


def test_pods_hold_secrets_as_places_and_never_the_administrators_password() -> None:
    found = own(auth="basic", secret_env={"OPENAI_API_KEY": {"secret": "openai", "key": "api-key"}})
    places = {
        entry["name"]: (entry["valueFrom"]["secretKeyRef"]["name"], entry["valueFrom"]["secretKeyRef"]["key"])
        for entry in found["env"]
        if "secretKeyRef" in entry.get("valueFrom", {})
    }
    assert places.pop("MLFLOW_FLASK_SERVER_SECRET_KEY") == ("mlflow-auth", "flask-secret-key")
    assert places.pop("MLFLOW_CRYPTO_KEK_PASSPHRASE") == ("mlflow-auth", "gateway-passphrase")
    assert places.pop("MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY") == ("mlflow-auth", "webhook-key")
    assert places == {
        "PGPASSWORD": ("mlflow-database", "password"),
        "AWS_ACCESS_KEY_ID": ("mlflow-artifacts", "access-key"),
        "OPENAI_API_KEY": ("openai", "api-key"),
    }
    assert {"name": "READY_DATABASE", "value": "postgresql://mlflow@mlflow-database:5432/mlflow"} in found["env"]
    assert f"--auth-uri={DATABASE['auth_uri']}" in found["args"]


def test_the_schema_is_created_under_the_owners_role_for_the_servers() -> None:
    schema = own(auth="basic")["schema"]
    assert f"--uri={DATABASE['owner']['uri']}" in schema["args"] and "--grantee=mlflow" in schema["args"]
    assert "--connections=197" in schema["args"]
    keys = [entry["valueFrom"]["secretKeyRef"]["key"] for entry in schema["env"] if "valueFrom" in entry]
    assert keys == ["owner-password", "admin-password"]
    assert {"name": "PGSSLMODE", "value": "prefer"} in schema["env"]


def test_a_bucket_is_proven_and_a_volume_mounted() -> None:
    assert own()["bucket"]["args"] == ["bucket", "--uri=s3://mlflow/artifacts", "--wait-timeout=120", "--create"]
    found = planned(store={**VOLUME, "access_mode": "ReadWriteMany"})["kubernetes"]
    assert found["bucket"] == {}
    assert found["mounts"][-1] == {"name": "artifacts", "mountPath": "/mnt/artifacts"}
    assert found["volumes"][-1] == {"name": "artifacts", "persistentVolumeClaim": {"claimName": "mlflow-artifacts"}}


def test_a_volume_for_one_server_is_handed_over_and_no_more_servers_are_counted() -> None:
    found = planned(store=VOLUME, replicas=1, max_replicas=1)
    assert found["kubernetes"]["strategy"] == {"type": "Recreate"} and found["resources"]["servers"] == 1
    assert planned()["resources"]["servers"] == 5 and planned()["kubernetes"]["strategy"]["type"] == "RollingUpdate"


def test_on_cratedb_one_server_is_handed_over_and_readiness_asks_a_query() -> None:
    one = planned(CRATEDB, version="3.12.0", profile="light", workers=0, replicas=1, max_replicas=1)
    assert one["errors"] == []
    own = one["kubernetes"]
    assert own["strategy"] == {"type": "Recreate"} and one["resources"]["servers"] == 1
    env = {entry["name"]: entry.get("value") for entry in own["env"]}
    assert env["READY_PATH"] == "/api/2.0/mlflow/experiments/search?max_results=1" and "READY_DATABASE" not in env
    assert not [word for word in (*one["launch"]["argv"], *own["args"]) if "crate://" in word]


def test_the_databases_connections_are_shared_by_the_most_servers_that_may_run() -> None:
    assert planned()["resources"]["connections"] == 187
    (error,) = planned(max_replicas=40)["errors"]
    for word in ("41 servers", "187"):
        assert word in error


def test_only_named_namespaces_may_connect_and_the_own_one() -> None:
    (rule,) = own(allowed_namespaces=["notebooks"])["ingress"]
    assert rule["from"] == [
        {"podSelector": {}},
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "notebooks"}}},
    ]
    assert "from" not in own()["ingress"][0]


def test_a_liveness_probe_does_not_ask_threads_that_wait_for_the_database() -> None:
    assert own()["liveness"]["tcpSocket"] == {"port": "http"}
    assert own(profile="light", workers="", max_replicas=2, static_prefix="/a")["liveness"]["httpGet"] == {
        "path": "/a/health",
        "port": "http",
    }


def test_numbers_may_be_text_as_surveys_pass_them() -> None:
    found = own(replicas="2", max_replicas="4", memory_target="80", port="8080")
    assert found["autoscaled"] and found["replicas"] == 2
    assert [one["resource"]["target"]["averageUtilization"] for one in found["metrics"]] == [70, 80]


def test_the_same_input_gives_the_same_plan_and_a_name_stands_in_whole_values_only() -> None:
    """So that a fleet can render once, and replace the name in what was parsed."""
    assert planned(auth="basic") == planned(auth="basic")
    one, other = (str(planned(auth="basic", name=name)) for name in ("sample-7", "tracker-8"))
    assert one.replace("sample-7", "tracker-8") == other


@pytest.mark.parametrize(
    ("found", "seen"),
    [
        ({}, ("", False, False, False)),
        (CLUSTER, ("3.16.0", True, False, True)),
        ({**CLUSTER, "unsettled": ["Deployment/mlflow: 1 of 2 ready"]}, ("3.16.0", True, False, False)),
        ({**CLUSTER, "jobs": {}}, ("3.16.0", True, False, False)),
        ({**CLUSTER, "workloads": [{**CLUSTER["workloads"][0], "stopped": True}]}, ("3.16.0", True, True, True)),
        ({**CLUSTER, "workloads": [{"kind": "Deployment", "name": "mlflow-artifacts"}]}, ("", False, False, False)),
    ],
    ids=["nothing yet", "all well", "not rolled out", "not set up", "taken away", "another component only"],
)
def test_what_was_seen_of_the_servers_is_told(found: Dict, seen: tuple[str, bool, bool, bool]) -> None:
    told = planned(found=found)
    of_cluster = told["kubernetes"]
    assert (told["deployed"], of_cluster["deployed"], of_cluster["stopped"], of_cluster["settled"]) == seen


def test_whoever_asks_servers_that_serve_tls_verifies_them() -> None:
    found = planned(tls_inside=True)
    runner = found["connection"]["runner"]
    assert runner["options"]["url"] == "https://127.0.0.1:5000" and runner["inside"] == "https://mlflow.team-a.svc:8080"
    assert runner["options"]["ca_path"] == "/run/mlflow-ca/server.crt"
    assert found["kubernetes"]["trusted"]["server.crt"] == {"secret": "mlflow-ca", "key": "ca.crt"}
    assert runner["certificates"] == ["mlflow-ca", "mlflow-server-tls"], "whose ends are looked at"
    names = found["kubernetes"]["tls"]["certificate"]["names"]
    assert {"127.0.0.1", "localhost"} <= set(names), "of operations and of who forwards a port"
    workload = found["connection"]["workload"]
    assert workload["trusted"] == {"server.crt": {"secret": "mlflow-ca", "key": "ca.crt"}}
    assert {"secret": "mlflow-server-tls", "key": "tls.key"} in workload["secret_places"]
    assert "update secrets" in found["kubernetes"]["permissions"]


def test_who_sees_another_certificate_than_the_servers_does_not_look_for_theirs() -> None:
    published = {"hostname": "m.example.com", **VERIFIED}
    trusts = {
        expose: planned(expose=expose, **published)["connection"]["workload"]["ca_path"]
        for expose in ("none", "ingress", "loadbalancer")
    }
    assert trusts == {"none": "/run/mlflow-ca/server.crt", "ingress": "", "loadbalancer": "/run/mlflow-ca/server.crt"}
    assert "m.example.com" in planned(expose="loadbalancer", **published)["kubernetes"]["tls"]["certificate"]["names"]
    assert "m.example.com" not in planned(expose="ingress", **published)["kubernetes"]["tls"]["certificate"]["names"]


def test_without_tls_inside_nobody_is_told_of_an_authority() -> None:
    found = planned(expose="ingress", hostname="m.example.com", ingress_controller="ingress-nginx")
    assert found["errors"] == [] and found["kubernetes"]["exposed"]["annotations"] == {}
    assert found["connection"]["runner"]["certificates"] == []
    assert "mlflow-ca" not in str(found) and "ca_path" not in found["connection"]["runner"]["options"]


def test_a_gateway_must_know_the_policy_by_which_it_verifies() -> None:
    gateway = {"expose": "httproute", "hostname": "m.example.com", "gateway": {"name": "gateway"}}
    group = "gateway.networking.k8s.io"
    assert own(**gateway)["groups"] == [group]
    assert own(**gateway, tls_inside=True)["groups"] == [group, f"{group}/v1/BackendTLSPolicy"]


EXTERNAL = {"type": "external_postgresql", "secrets": {"PGPASSWORD": {"secret": "managed", "key": "password"}}}


def test_only_secrets_that_somebody_else_creates_must_be_there_before() -> None:
    assert own()["external_places"] == []
    found = planned(database={**DATABASE, **EXTERNAL, "owner": {}})["kubernetes"]
    assert found["external_places"] == [{"secret": "managed", "key": "password"}]
    assert found["secret_names"] == ["managed", "mlflow-artifacts", "mlflow-auth"]
    made = planned(database={**DATABASE, **EXTERNAL, "creates_secret": True})["kubernetes"]
    assert made["external_places"] == []


BAD: list[tuple[Dict, str]] = [
    ({"image": ""}, "Set mlflow_image: it is empty."),
    (
        {"expose": "nodeport"},
        "mlflow_server_expose is 'nodeport'; offered of a Deployment are none, ingress",
    ),
    ({"expose": "ingress"}, "mlflow_server_hostname is empty, but mlflow_server_expose is ingress"),
    ({"expose": "httproute", "hostname": "a.example.com"}, "mlflow_server_gateway must name the Gateway"),
    ({"tls_certificate": "/a", "tls_key": "/b"}, "on Kubernetes give mlflow_server_tls_secret"),
    ({"replicas": 0}, "mlflow_server_replicas is 0; it must be at least 1"),
    ({"replicas": 9}, "at most mlflow_server_max_replicas, which is 4"),
    ({"replicas": "two"}, "mlflow_server_replicas must be a whole number, and is"),
    ({"max_replicas": "many"}, "mlflow_server_max_replicas must be a whole number, and is"),
    ({"cpu_target": -1}, "mlflow_server_cpu_target is -1; it must be at least 0."),
    ({"memory_target": "high"}, "mlflow_server_memory_target must be a whole number, and is"),
    ({"run_as": "mlflow"}, "mlflow_server_run_as must be a whole number, and is"),
    ({"run_as": -5}, "mlflow_server_run_as is -5; it must be at least 1."),
    ({"reserved_connections": "x"}, "mlflow_server_reserved_connections must be a whole number, and is"),
    ({"rollout_timeout": 0}, "mlflow_server_rollout_timeout is 0; it must be at least 1."),
    ({"health_timeout": "soon"}, "mlflow_server_health_timeout must be a whole number, and is"),
    ({"port": 70000}, "mlflow_server_port is 70000; it must be between 1 and 65535."),
    ({"metrics_dir": "/var/metrics"}, "the container can write below /tmp only: set it to /tmp/metrics."),
    ({"scratch_size": "much"}, "mlflow_server_scratch_size: "),
    ({"profile": "full", "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}, "needs at least 2Gi of memory"),
    ({"resources": {"limits": {"cpu": "1", "memory": "lots"}}}, "mlflow_server_resources limits memory"),
    ({"resources": {}}, "mlflow_server_resources must hold limits"),
    ({"resources": "big"}, "mlflow_server_resources must be a dict."),
    ({"secret_env": {"KEY": "openai"}}, "mlflow_server_secret_env: KEY must name a Secret and its key"),
    ({"secret_env": {"KEY": {"secret": "openai"}}}, "mlflow_server_secret_env: KEY must name a Secret and its key"),
    ({"secret_env": ["KEY"]}, "mlflow_server_secret_env must be a dict."),
    ({"labels": "team=a"}, "mlflow_server_labels must be a dict."),
    ({"annotations": ["a"]}, "mlflow_server_annotations must be a dict."),
    ({"pod_spec": "x"}, "mlflow_server_pod_spec must be a dict."),
    ({"expose_annotations": "x"}, "mlflow_server_expose_annotations must be a dict."),
    ({"service_annotations": "x"}, "mlflow_server_service_annotations must be a dict."),
    ({"tls_inside": "perhaps"}, "mlflow_server_tls_inside must be true or false."),
    ({"tls_inside": True, "workload": "KnativeService"}, "Knative's own proxy speaks plain HTTP to servers"),
    ({"expose": "loadbalancer", "auth": "basic"}, "that is plain HTTP: passwords (mlflow_server_auth) could be read"),
    ({"tls_inside": True, "profile": "full"}, "jobs of MLflow ask the gateway of their own server"),
    ({"tls_inside": True, "expose": "route", "hostname": "a.example.com"}, "publish them by ingress, httproute or"),
    ({"tls_inside": True, "expose": "ingress", "hostname": "a.example.com"}, "set mlflow_server_ingress_controller to"),
    ({"ingress_controller": "traefik"}, "is 'traefik'; offered are ingress-nginx and other."),
    ({"auth": "ldap"}, "mlflow_server_auth is 'ldap'; offered are none, basic."),
    ({"auth": "basic", "auth_password_length": 5}, "mlflow_server_auth_password is too short"),
]


@pytest.mark.parametrize(
    ("settings", "error"), BAD, ids=[" ".join(f"{k}={v}" for k, v in one.items()) for one, _e in BAD]
)
def test_a_setting_that_cannot_be_is_an_error_that_names_it(settings: Dict, error: str) -> None:
    errors = planned(**settings)["errors"]
    assert any(error in one for one in errors), errors


def test_all_errors_come_at_once_and_each_once() -> None:
    errors = planned(
        database={**DATABASE, "uri": "sqlite:////data/mlflow.db", "owner": {}},
        store=VOLUME,
        image="",
        expose="ingress",
        replicas="two",
        metrics_dir="/metrics",
        direct_artifacts=True,
    )["errors"]
    for word in (
        "mlflow_image",
        "mlflow_server_hostname",
        "mlflow_server_replicas must be",
        "mlflow_server_metrics_dir",
        "ReadWriteOnce",
        "Clients cannot reach a volume",
        "must be a PostgreSQL on Kubernetes",
    ):
        assert sum(word in one for one in errors) == 1, (word, errors)


def test_a_deployment_that_is_well_has_nothing_that_is_wrong() -> None:
    found = planned(found=CLUSTER)
    assert found["errors"] == [] == found["misfits"]


MISFITS: list[tuple[Dict, str]] = [
    ({"minor": 26, "version": "v1.26.3"}, "Kubernetes v1.26.3 is too old: 1.27 or newer is needed."),
    ({"namespace": "Terminating"}, "The namespace team-a is being removed: wait until it is gone."),
    ({"denied": ["create secrets", "get pods"]}, "missing in the namespace team-a: create secrets, get pods."),
    ({"default_storage_class": ""}, "set mlflow_storage_class to one of fast, slow."),
    ({"storage_classes": ["slow"]}, "The cluster has no storage class fast. It has: slow."),
    ({"metrics": False}, "install metrics-server, or set mlflow_server_max_replicas to mlflow_server_replicas."),
    ({"missing_groups": ["route.openshift.io"]}, "The cluster does not serve route.openshift.io"),
]  # fmt: skip


@pytest.mark.parametrize(("seen", "error"), MISFITS, ids=[str(one) for one, _error in MISFITS])
def test_a_cluster_that_does_not_fit_is_told_with_the_remedy(seen: Dict, error: str) -> None:
    (misfit,) = planned(found={**CLUSTER, **seen})["misfits"]
    assert error in misfit


@pytest.mark.parametrize(
    ("storage_class", "provisioner", "mode", "refused"),
    [
        ("fast", "ebs.csi.aws.com", "ReadWriteMany", True),
        ("", "kubernetes.io/azure-disk", "ReadWriteMany", True),
        ("fast", "rook-ceph.rbd.csi.ceph.com", "ReadWriteMany", True),
        ("fast", "ebs.csi.aws.com", "ReadWriteOnce", False),
        ("fast", "efs.csi.aws.com", "ReadWriteMany", False),
        ("fast", "example.com/of-our-own", "ReadWriteMany", False),
    ],
)
def test_a_class_of_disks_lends_no_volume_to_several_nodes(
    storage_class: str, provisioner: str, mode: str, refused: bool
) -> None:
    store = {**VOLUME, "access_mode": mode, "storage_class": storage_class}
    seen = {**CLUSTER, "storage_provisioners": {storage_class or "slow": provisioner, "other": "ebs.csi.aws.com"}}
    misfits = planned(store=store, found=seen)["misfits"]
    assert [f"{storage_class or 'slow'} ({provisioner})" in one for one in misfits] == [True] * refused
    assert all("mlflow_artifact_store_storage_class" in one for one in misfits)


def test_a_cluster_without_any_storage_class_is_told_so() -> None:
    seen = {**CLUSTER, "storage_classes": [], "default_storage_class": ""}
    misfits = planned(store={**STORE, "storage_class": ""}, found=seen)["misfits"]
    assert len(misfits) == 1 and "to one of (it has none at all)." in misfits[0]


def test_missing_secrets_are_named_with_their_keys_once_each() -> None:
    database = {
        **DATABASE,
        **EXTERNAL,
        "owner": {"uri": "postgresql://o@h/d", "secrets": {"PGPASSWORD": {"secret": "managed", "key": "owner"}}},
    }
    found = {**CLUSTER, "secrets": {"managed": ["owner"]}}
    (misfit,) = planned(database=database, found=found)["misfits"]
    assert misfit == "Secrets are missing in the namespace team-a (secret/key): managed/password. Create them first."


def test_without_an_autoscaler_no_metrics_are_needed() -> None:
    assert fits(planned(max_replicas=2), {**CLUSTER, "metrics": False}) == []


def test_quotas_are_compared_with_what_is_rendered() -> None:
    quotas = {"team": {"pods": "10", "limits.memory": "22Gi"}, "other": {"pods": "100"}}
    (misfit,) = requirements.misfits(quotas, {"pods": "11", "limits.memory": "30Gi"}, "team-a")
    assert misfit == (
        "Quotas of the namespace team-a are too small for the autoscaler at its maximum: team has pods 10 where 11 is "
        "needed; team has limits.memory 22Gi where 30Gi is needed. Raise them, or lower mlflow_server_max_replicas."
    )
    assert requirements.misfits({"team": {"pods": "11"}}, {"pods": "11"}, "team-a") == []
