"""The manifests that the roles render. Each test is a defect that charts for MLflow have been shipped with."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes import requirements
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes.manifests import PART
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes.requirements import quantity
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.snapshot import commands
from support.playbooks import REPOSITORY
from support.rendered.manifests import CASES, COMPONENT, Deployment, Object, Pod, leaves, template_of

API_VERSIONS = {
    "Cluster": "postgresql.cnpg.io/v1",
    "ConfigMap": "v1",
    "Secret": "v1",
    "CronJob": "batch/v1",
    "Database": "postgresql.cnpg.io/v1",
    "Deployment": "apps/v1",
    "HTTPRoute": "gateway.networking.k8s.io/v1",
    "BackendTLSPolicy": "gateway.networking.k8s.io/v1",
    "HorizontalPodAutoscaler": "autoscaling/v2",
    "Ingress": "networking.k8s.io/v1",
    "Job": "batch/v1",
    "LimitRange": "v1",
    "Namespace": "v1",
    "NetworkPolicy": "networking.k8s.io/v1",
    "PersistentVolumeClaim": "v1",
    "PodDisruptionBudget": "policy/v1",
    "PodMonitor": "monitoring.coreos.com/v1",
    "PrometheusRule": "monitoring.coreos.com/v1",
    "ResourceQuota": "v1",
    "Route": "route.openshift.io/v1",
    "Service": "v1",
    "ServiceAccount": "v1",
    "StatefulSet": "apps/v1",
}
# PSS under load, MiB: docs/benchmarks.md
MEASURED_MEMORY = {"light": 221, "throughput": 241, "full": 1563}
DNS_LABEL = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
SECRET_NAME = re.compile(r"PASSWORD|SECRET|TOKEN|(ACCESS|API|PRIVATE)_KEY", re.IGNORECASE)


@pytest.fixture(params=CASES)
def deployment(request: pytest.FixtureRequest, deployments: dict[str, Deployment]) -> Deployment:
    return deployments[request.param]


def containers(deployment: Deployment, long_running: bool = False) -> Iterator[tuple[Pod, Object]]:
    for pod in deployment.pods:
        for container in pod.containers:
            if pod.long_running or not long_running:
                yield pod, container


def option(arguments: list[str], name: str) -> str | None:
    """The value of --name=VALUE or --name VALUE."""
    for position, argument in enumerate(arguments):
        if argument.startswith(f"{name}="):
            return argument.partition("=")[2]
        if argument == name:
            return arguments[position + 1]
    return None


def wish(deployment: Deployment, name: str, default: Any) -> Any:
    return deployment.case.variables.get(name, default)


# What was rendered at all


def test_every_part_of_a_deployment_is_rendered(deployments: dict[str, Deployment]) -> None:
    found = {
        # In a file a Job has a name that changes with it.
        name: sorted(
            re.sub(r"^(Job/.+)-[0-9a-f]{8}$", r"\1", f"{item['kind']}/{item['metadata']['name']}")
            for item in deployment.objects
        )
        for name, deployment in deployments.items()
    }
    assert found["defaults"] == [
        "ConfigMap/mlflow",
        "ConfigMap/mlflow-database",
        "CronJob/mlflow-schema",
        "CronJob/mlflow-trial",
        "Deployment/mlflow",
        "Deployment/mlflow-artifacts",
        "HorizontalPodAutoscaler/mlflow",
        "Job/mlflow-setup",
        "LimitRange/mlflow",
        "Namespace/mlflow",
        "NetworkPolicy/mlflow",
        "NetworkPolicy/mlflow-artifacts",
        "NetworkPolicy/mlflow-database",
        "NetworkPolicy/mlflow-setup",
        "NetworkPolicy/mlflow-upgrade",
        "PersistentVolumeClaim/mlflow-artifacts",
        "PersistentVolumeClaim/mlflow-database",
        "PodDisruptionBudget/mlflow",
        "ResourceQuota/mlflow",
        "Service/mlflow",
        "Service/mlflow-artifacts",
        "Service/mlflow-database",
        "Service/mlflow-database-pods",
        "ServiceAccount/mlflow",
        "StatefulSet/mlflow-database",
    ]
    assert [item for item in found["external"] if "-database" in item or "-artifacts" in item] == []
    assert {"Cluster/mlflow-database", "Database/mlflow-database-auth"} <= set(found["cloudnative-pg"])
    assert "HorizontalPodAutoscaler/mlflow" not in found["cloudnative-pg"], "as many replicas as at most"


def test_no_two_objects_are_one(deployment: Deployment) -> None:
    names = [(item["kind"], item["metadata"]["name"]) for item in deployment.objects]
    assert len(names) == len(set(names))


def test_every_kind_has_the_version_that_is_not_deprecated(deployment: Deployment) -> None:
    for item in deployment.objects:
        assert item["apiVersion"] == API_VERSIONS[item["kind"]]


def test_nothing_is_null(deployment: Deployment) -> None:
    assert [path for item in deployment.objects for path, value in leaves(item, item["kind"]) if value is None] == []


def test_nothing_is_rendered_that_the_api_server_does_not_keep(deployment: Deployment) -> None:
    def empty(value: Any, path: str) -> Iterator[str]:
        if value == [] or (value == {} and path.endswith(("annotations", "labels"))):
            yield path
        for key, inner in (
            value.items() if isinstance(value, Mapping) else enumerate(value if isinstance(value, list) else [])
        ):
            yield from empty(inner, f"{path}.{key}")

    assert [path for item in deployment.objects for path in empty(item, item["kind"])] == []


def test_names_are_dns_labels_and_port_names_are_short(deployment: Deployment) -> None:
    for item in deployment.objects:
        assert DNS_LABEL.fullmatch(item["metadata"]["name"]), item["metadata"]["name"]
    for _pod, container in containers(deployment):
        assert DNS_LABEL.fullmatch(container["name"])
        assert all(len(port["name"]) <= 15 for port in container.get("ports", []))


def test_all_lies_in_the_one_namespace(deployment: Deployment) -> None:
    namespace = wish(deployment, "mlflow_namespace", "mlflow")
    assert deployment.one("Namespace")["metadata"]["name"] == namespace
    spaces = {item["metadata"].get("namespace") for item in deployment.objects if item["kind"] != "Namespace"}
    assert spaces == {namespace}


# Labels and selectors


def test_every_object_and_pod_says_what_it_belongs_to(deployment: Deployment) -> None:
    labelled = [item["metadata"]["labels"] for item in deployment.objects] + [pod.labels for pod in deployment.pods]
    for labels in labelled:
        assert labels["app.kubernetes.io/name"] == "mlflow"
        assert labels["app.kubernetes.io/instance"] == wish(deployment, "mlflow_name", "mlflow")
        assert labels["app.kubernetes.io/managed-by"] == "mlops.mlflow"
        assert labels[COMPONENT]
        assert all(isinstance(value, str) for value in labels.values()), "the API server takes nothing else"
    for item in deployment.objects:
        assert all(isinstance(value, str) for value in item["metadata"].get("annotations", {}).values())


def selectors(deployment: Deployment) -> Iterator[tuple[str, Mapping[str, str]]]:
    for item in deployment.objects:
        spec, name = item.get("spec", {}), f"{item['kind']}/{item['metadata']['name']}"
        if item["kind"] == "Service":
            yield name, spec["selector"]
        elif item["kind"] in ("Deployment", "StatefulSet", "PodDisruptionBudget"):
            yield name, spec["selector"]["matchLabels"]
        elif item["kind"] == "NetworkPolicy" and "cnpg.io/cluster" not in spec["podSelector"]["matchLabels"]:
            yield name, spec["podSelector"]["matchLabels"]


def test_every_selector_finds_the_pods_of_its_own_component_and_no_others(deployment: Deployment) -> None:
    owners = {item["metadata"]["name"]: item["metadata"]["labels"][COMPONENT] for item in deployment.objects}
    found = list(selectors(deployment))
    assert found
    for name, selector in found:
        component = owners[name.partition("/")[2]]
        assert {pod.component for pod in deployment.matched(selector)} == {component}, name


def test_the_service_of_the_server_never_sends_requests_to_other_pods(deployment: Deployment) -> None:
    name = wish(deployment, "mlflow_name", "mlflow")
    matched = deployment.matched(deployment.one("Service", name)["spec"]["selector"])
    assert [pod.name for pod in matched] == [f"Deployment/{name}"]


def test_spread_constraints_count_the_pods_that_they_spread(deployment: Deployment) -> None:
    for pod in deployment.pods:
        for constraint in pod.spec.get("topologySpreadConstraints", []):
            assert constraint["labelSelector"]["matchLabels"].items() <= pod.labels.items()
            assert constraint["whenUnsatisfiable"] == "ScheduleAnyway", "a small cluster must take it too"
    assert len(deployment.pod("server").spec["topologySpreadConstraints"]) == 2


def test_every_port_of_a_service_is_one_of_the_pods_that_it_finds(deployment: Deployment) -> None:
    for service in deployment.of("Service"):
        for pod in deployment.matched(service["spec"]["selector"]):
            for port in service["spec"]["ports"]:
                assert port["targetPort"] in pod.port_names


def test_every_port_of_a_network_policy_is_one_of_the_pods_that_it_guards(deployment: Deployment) -> None:
    for policy in deployment.of("NetworkPolicy"):
        for pod in deployment.matched(policy["spec"]["podSelector"]["matchLabels"]):
            for rule in policy["spec"].get("ingress", []):
                assert {port["port"] for port in rule["ports"]} <= pod.port_names


def test_every_probe_asks_a_port_that_its_container_has(deployment: Deployment) -> None:
    for _pod, container in containers(deployment):
        ports = {port["name"] for port in container.get("ports", [])}
        for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
            probe = container.get(kind, {})
            asked = [probe[way]["port"] for way in ("httpGet", "tcpSocket") if way in probe]
            assert set(asked) <= ports


def test_database_and_store_let_in_server_and_setup_and_nobody_else_unless_opened(deployment: Deployment) -> None:
    name = wish(deployment, "mlflow_name", "mlflow")
    for policy in deployment.of("NetworkPolicy"):
        if policy["metadata"]["labels"][COMPONENT] not in ("database", "artifact-store"):
            continue
        rule, *others = policy["spec"]["ingress"]
        several = deployment.of("Cluster") or wish(deployment, "mlflow_database_nodes", "1") != "1"
        assert not others or several, "instances and nodes also talk to each other"
        opened = policy["metadata"]["name"] == f"{name}-artifacts" and wish(
            deployment, "mlflow_artifact_store_open", False
        )
        if opened:
            assert "from" not in rule
            continue
        [source] = rule["from"]
        assert set(source) == {"podSelector"}
        matched = {pod.component for pod in deployment.matched(source["podSelector"]["matchLabels"])}
        if policy["metadata"]["labels"].get(PART, "filer") == "filer":
            assert {"server", "setup"} <= matched
        else:
            assert matched == {"artifact-store"}, "it asks nobody who they are"


@pytest.mark.parametrize("case", ["seaweedfs", "seaweedfs-split", "cratedb-seaweedfs"])
def test_no_variable_of_seaweedfs_is_named_like_one_of_its_flags(deployments: dict[str, Deployment], case: str) -> None:
    # It takes flags from the environment, by their names in capitals: MASTER was the flag C(-master).
    names = [
        one["name"]
        for pod in deployments[case].pods
        if pod.component == "artifact-store"
        for container in pod.containers
        for one in container.get("env", [])
    ]
    assert names and not [one for one in names if not one.startswith("SEAWEEDFS_")]


def test_parts_of_seaweedfs_have_a_pod_and_a_volume_each(deployments: dict[str, Deployment]) -> None:
    deployment = deployments["seaweedfs-split"]
    pods = [pod for pod in deployment.pods if pod.component == "artifact-store"]
    assert {pod.labels[PART] for pod in pods} == {"filer", "master", "volume-0", "volume-1"}
    for item in (*deployment.of("Service"), *deployment.of("Deployment"), *deployment.of("NetworkPolicy")):
        if item["metadata"]["labels"][COMPONENT] == "artifact-store":
            spec = item["spec"]
            chosen = spec.get("podSelector", spec.get("selector"))
            assert len(deployment.matched(chosen.get("matchLabels", chosen))) == 1
    sizes = {}
    for pod in pods:
        volumes = {kind: value for volume in pod.spec["volumes"] for kind, value in volume.items() if kind != "name"}
        claim = deployment.one("PersistentVolumeClaim", volumes["persistentVolumeClaim"]["claimName"])
        sizes[pod.labels[PART]] = claim["spec"]["resources"]["requests"]["storage"]
        assert ("secret" in volumes) is (pod.labels[PART] == "filer"), "keys are where S3 is"
    assert sizes == {"filer": "5Gi", "master": "5Gi", "volume-0": "50Gi", "volume-1": "50Gi"}


def test_every_pod_is_in_a_policy_that_says_where_it_may_connect(deployment: Deployment) -> None:
    for pod in deployment.pods:
        policies = [
            one["spec"]
            for one in deployment.of("NetworkPolicy")
            if one["spec"]["podSelector"]["matchLabels"].items() <= pod.labels.items()
        ]
        assert policies, f"{pod.name} is in no policy"
        assert all(policy["policyTypes"] == ["Ingress", "Egress"] for policy in policies)
        rules = [rule for policy in policies for rule in policy["egress"]]
        # A policy is about the port of the pod behind the Service, which OpenShift's has another.
        for port in (53, 5353):
            assert {"port": port, "protocol": "UDP"} in rules[0]["ports"]
        assert {"to": [{"podSelector": {}}]} in rules
        blocks = [to["ipBlock"] for rule in rules for to in rule.get("to", []) if "ipBlock" in to]
        snapshots = "mlflow_database_repository_uri" in deployment.case.variables
        if pod.component == "artifact-store" or (pod.component == "database" and not snapshots):
            assert not blocks, f"{pod.name} reaches the outside"
        elif asked := wish(deployment, "mlflow_egress", []):
            assert rules[2:] == asked, "what was asked for, and nothing beyond"
        else:
            assert {block["cidr"]: block["except"][0] for block in blocks} == {
                "0.0.0.0/0": "169.254.0.0/16",
                "::/0": "fd00:ec2::/32",
            }


def test_every_container_says_what_it_takes_of_its_nodes_disk(deployment: Deployment) -> None:
    for pod in deployment.pods:
        volumes = {one["name"]: one.get("emptyDir", {}) for one in pod.spec["volumes"]}
        kept = [one for one in volumes.values() if one.get("medium") != "Memory"]
        room = sum(quantity(one.get("sizeLimit", "0")) for one in kept)
        limits = [one["resources"]["limits"]["ephemeral-storage"] for one in pod.containers]
        assert sum(map(quantity, limits)) > room, f"{pod.name} is evicted before its volumes are full"
        for container in pod.containers:
            asked = container["resources"]["requests"]["ephemeral-storage"]
            assert 0 < quantity(asked) <= quantity(container["resources"]["limits"]["ephemeral-storage"])


def test_a_stateful_set_has_a_headless_service_and_a_volume_that_can_grow(deployment: Deployment) -> None:
    for item in deployment.of("StatefulSet"):
        service = deployment.one("Service", item["spec"]["serviceName"])["spec"]
        assert service["clusterIP"] == "None" and service["publishNotReadyAddresses"]
        volumes = deployment.pod("database").spec["volumes"]
        claims = [one["persistentVolumeClaim"]["claimName"] for one in volumes if "persistentVolumeClaim" in one]
        claims += [
            f"{one['metadata']['name']}-{item['metadata']['name']}-{number}"
            for one in item["spec"].get("volumeClaimTemplates", [])
            for number in range(item["spec"]["replicas"])
        ]
        assert claims
        for claim in claims:
            assert deployment.one("PersistentVolumeClaim", claim), "nobody could change the size of another"


def test_only_allowed_namespaces_and_the_servers_own_may_connect(deployments: dict[str, Deployment]) -> None:
    [rule] = deployments["everything"].one("NetworkPolicy", "mlflow")["spec"]["ingress"]
    spaces = [
        source["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
        for source in rule["from"]
        if "namespaceSelector" in source
    ]
    assert spaces == ["ingress-nginx", "notebooks"]
    assert {"podSelector": {}} in rule["from"]
    assert "from" not in deployments["defaults"].one("NetworkPolicy", "mlflow")["spec"]["ingress"][0]


# Scaling, quotas, disruptions


def test_the_autoscaler_finds_its_deployment_and_nothing_else_sets_the_number(deployment: Deployment) -> None:
    scalers = deployment.of("HorizontalPodAutoscaler")
    server = deployment.pod("server").owner
    assert ("replicas" in server["spec"]) is not bool(scalers), "every run would set the autoscaler back"
    for scaler in scalers:
        target = scaler["spec"]["scaleTargetRef"]
        assert target == {"apiVersion": "apps/v1", "kind": "Deployment", "name": server["metadata"]["name"]}
        assert scaler["spec"]["minReplicas"] < scaler["spec"]["maxReplicas"]
        for pod in deployment.matched(server["spec"]["selector"]["matchLabels"]):
            assert all("cpu" in container["resources"]["requests"] for container in pod.spec["containers"])


def test_servers_scale_by_cpu_and_by_memory_only_where_asked_for(deployment: Deployment) -> None:
    for scaler in deployment.of("HorizontalPodAutoscaler"):
        metrics = [metric["resource"]["name"] for metric in scaler["spec"]["metrics"]]
        asked = wish(deployment, "mlflow_server_memory_target", "")
        assert metrics == (["cpu", "memory"] if asked else ["cpu"]), "idle workers alone would pin it at the maximum"


def most_pods(deployment: Deployment, owner: Object) -> int:
    """Counted here anew, so that the resource requirements are held against something."""
    if owner["kind"] in ("Job", "CronJob"):
        # A suspended one runs on request, while the setup or the servers do not.
        return 0 if owner["spec"].get("suspend") else 1
    replicas = int(owner["spec"].get("replicas", 1))
    for scaler in deployment.of("HorizontalPodAutoscaler"):
        if (owner["kind"], owner["metadata"]["name"]) == ("Deployment", scaler["spec"]["scaleTargetRef"]["name"]):
            replicas = scaler["spec"]["maxReplicas"]
    strategy = owner["spec"].get("strategy", {})
    return replicas + (strategy.get("rollingUpdate", {}).get("maxSurge", 0))


def test_the_quota_has_room_for_the_autoscalers_maximum_while_a_roll_out_is_under_way(deployment: Deployment) -> None:
    hard = deployment.one("ResourceQuota")["spec"]["hard"]
    needed: dict[str, Decimal] = dict.fromkeys(hard, Decimal(0))
    for pod in deployment.pods:
        count = most_pods(deployment, pod.owner)
        needed["pods"] += count
        for kind in ("requests", "limits"):
            for resource in ("cpu", "memory"):
                asked = [quantity(one["resources"][kind][resource]) for one in pod.spec["containers"]]
                needed[f"{kind}.{resource}"] += count * sum(asked)
            disk = [quantity(one["resources"][kind]["ephemeral-storage"]) for one in pod.spec["containers"]]
            # A backup by hand works beside the servers.
            needed[f"{kind}.ephemeral-storage"] += max(count, 1) * sum(disk)
    for cluster in deployment.of("Cluster"):
        count = cluster["spec"]["instances"] + 1  # the operator's own jobs
        needed["pods"] += count
        needed["requests.storage"] += count * quantity(cluster["spec"]["storage"]["size"])
        for kind in ("requests", "limits"):
            for resource in ("cpu", "memory"):
                needed[f"{kind}.{resource}"] += count * quantity(cluster["spec"]["resources"][kind][resource])
    claims = [claim["spec"] for claim in deployment.of("PersistentVolumeClaim")]
    needed["persistentvolumeclaims"] += len(claims)
    needed["requests.storage"] += sum(quantity(claim["resources"]["requests"]["storage"]) for claim in claims)
    assert {key: needed[key] for key in hard if quantity(hard[key]) < needed[key]} == {}
    assert set(needed) == set(hard)


def test_no_disruption_budget_forbids_that_a_node_is_drained(deployment: Deployment) -> None:
    for budget in deployment.of("PodDisruptionBudget"):
        assert "minAvailable" not in budget["spec"] and budget["spec"]["maxUnavailable"] >= 1
        # Nor where no server is ready, because the database is away.
        assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
        for pod in deployment.matched(budget["spec"]["selector"]["matchLabels"]):
            assert deployment.most_replicas(pod.owner) > 1
    guarded = {
        pod.name
        for budget in deployment.of("PodDisruptionBudget")
        for pod in deployment.matched(budget["spec"]["selector"]["matchLabels"])
    }
    owners = [pod for pod in deployment.pods if pod.owner["kind"] in ("Deployment", "StatefulSet")]
    assert guarded == {pod.name for pod in owners if deployment.most_replicas(pod.owner) > 1}


def test_a_roll_out_never_has_fewer_servers_than_before(deployment: Deployment) -> None:
    strategy = deployment.pod("server").owner["spec"]["strategy"]
    if (
        deployment.name in ("one-server", "monitored-without-operator")
        or wish(deployment, "mlflow_database_type", "") == "cratedb"
    ):
        assert strategy == {"type": "Recreate"}, "the volume cannot be mounted, or the database used, twice"
    else:
        assert strategy["type"] == "RollingUpdate"
        assert strategy["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def test_two_pods_never_write_to_a_volume_that_one_node_mounts(deployment: Deployment) -> None:
    alone = {
        claim["metadata"]["name"]
        for claim in deployment.of("PersistentVolumeClaim")
        if claim["spec"]["accessModes"] == ["ReadWriteOnce"]
    }
    for pod in deployment.pods:
        mounted = {
            one["persistentVolumeClaim"]["claimName"] for one in pod.spec["volumes"] if "persistentVolumeClaim" in one
        }
        if mounted & alone and not pod.owner["spec"].get("suspend"):
            assert most_pods(deployment, pod.owner) == 1
            if pod.owner["kind"] == "StatefulSet":
                continue  # one pod goes before its successor comes
            if pod.owner["kind"] == "CronJob":
                assert pod.owner["spec"]["concurrencyPolicy"] == "Forbid"
            else:
                assert pod.owner["spec"]["strategy"]["type"] == "Recreate"


def test_volumes_take_the_default_class_unless_one_is_named(deployment: Deployment) -> None:
    specs = [claim["spec"] for claim in deployment.of("PersistentVolumeClaim")]
    named = wish(deployment, "mlflow_storage_class", None)
    shared = wish(deployment, "mlflow_database_repository_storage_class", named)
    assert {spec.get("storageClassName") for spec in specs} <= {named, shared}
    assert named or shared or not [spec for spec in specs if "storageClassName" in spec]


# What a container may do


def test_every_container_asks_for_what_it_needs_and_has_limits(deployment: Deployment) -> None:
    for pod, container in containers(deployment):
        for resource in ("cpu", "memory"):
            asked, limit = (quantity(container["resources"][kind][resource]) for kind in ("requests", "limits"))
            assert 0 < asked <= limit, f"{pod.name} {container['name']}"


def test_the_memory_request_of_a_server_fits_its_workers(deployment: Deployment) -> None:
    profile = wish(deployment, "mlflow_server_profile", "throughput")
    asked = quantity(deployment.server["resources"]["requests"]["memory"])
    assert asked >= MEASURED_MEMORY[profile] * 1024**2


def test_no_container_is_root_or_can_become_it_or_change_itself(deployment: Deployment) -> None:
    for pod, container in containers(deployment):
        security = {**pod.spec["securityContext"], **container["securityContext"]}
        assert security["runAsNonRoot"] is True
        assert security.get("runAsUser") != 0
        assert security["readOnlyRootFilesystem"] is True
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"privileged", "procMount"} & set(security)
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod.spec)
        assert not [volume for volume in pod.spec["volumes"] if "hostPath" in volume]


def test_the_namespace_enforces_what_the_pods_keep_to(deployment: Deployment) -> None:
    assert deployment.one("Namespace")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_the_cluster_chooses_users_where_none_is_named(deployments: dict[str, Deployment]) -> None:
    chosen = {"runAsUser", "runAsGroup", "fsGroup"}
    for pod in deployments["openshift"].pods:
        assert not chosen & set(pod.spec["securityContext"]), pod.name
    for pod in deployments["defaults"].pods:
        assert chosen <= set(pod.spec["securityContext"]), f"{pod.name} must be able to write to its volumes"


def test_no_pod_gets_a_token_of_the_cluster_or_the_addresses_of_services(deployment: Deployment) -> None:
    for pod in deployment.pods:
        assert pod.spec["automountServiceAccountToken"] is False
        assert pod.spec["enableServiceLinks"] is False, "a Service mlflow would set MLFLOW_PORT=tcp://..."


def test_every_image_has_a_version(deployment: Deployment) -> None:
    images = [container["image"] for _pod, container in containers(deployment)]
    images += [cluster["spec"]["imageName"] for cluster in deployment.of("Cluster")]
    for image in images:
        tag = image.rpartition("/")[2].partition(":")[2]
        assert tag and tag != "latest", image


def test_what_a_container_writes_lies_on_a_volume(deployment: Deployment) -> None:
    for pod, container in containers(deployment):
        volumes = {volume["name"] for volume in pod.spec["volumes"]}
        volumes |= {one["metadata"]["name"] for one in pod.owner["spec"].get("volumeClaimTemplates", [])}
        mounts = container["volumeMounts"]
        assert {mount["name"] for mount in mounts} <= volumes
        assert len({mount["mountPath"] for mount in mounts}) == len(mounts)
    writable = [mount["mountPath"] for mount in deployment.server["volumeMounts"] if not mount.get("readOnly")]
    env = deployment.launch["env"]
    written = [env[name] for name in ("prometheus_multiproc_dir", "_MLFLOW_HUEY_STORAGE_PATH") if name in env]
    if not env["_MLFLOW_SERVER_ARTIFACT_DESTINATION"].startswith("s3:"):
        written.append(env["_MLFLOW_SERVER_ARTIFACT_DESTINATION"])
    for path in ["/tmp/x", *written]:
        assert any(f"{path}/".startswith(f"{folder}/") for folder in writable), path


def test_scratch_space_has_a_limit(deployment: Deployment) -> None:
    for pod in deployment.pods:
        for volume in pod.spec["volumes"]:
            assert "sizeLimit" in volume.get("emptyDir", {"sizeLimit": None})


def test_wished_fields_reach_every_pod(deployments: dict[str, Deployment]) -> None:
    deployment = deployments["everything"]
    assert {pod.component for pod in deployment.pods} == {
        "server", "setup", "upgrade", "database", "artifact-store", "backup"
    }  # fmt: skip
    for pod in deployment.pods:
        requested = CASES["everything"].variables["mlflow_pod_spec"]
        assert {key: pod.spec[key] for key in requested} == requested
        assert (pod.labels["team"], pod.labels["cost-center"]) == ("a", "4711")
        assert template_of(pod.owner)["metadata"]["annotations"]["owner"] == "ml@example.com"
    for item in deployment.objects:
        assert item["metadata"]["labels"]["team"] == "a"
    account = deployment.one("ServiceAccount", "mlflow")["metadata"]["annotations"]
    assert account["eks.amazonaws.com/role-arn"] == "arn:aws:iam::1:role/mlflow"
    assert deployment.launch["env"]["TZ"] == "UTC"


# Probes and ends


def test_what_runs_for_long_is_probed(deployment: Deployment) -> None:
    for pod, container in containers(deployment, long_running=True):
        assert {"readinessProbe", "livenessProbe"} <= set(container), pod.name


def test_no_liveness_probe_sees_the_database_because_restarts_do_not_mend_one(deployment: Deployment) -> None:
    for _pod, container in containers(deployment, long_running=True):
        assert "exec" not in container["livenessProbe"]
    path = deployment.server["livenessProbe"].get("httpGet", {}).get("path")
    assert path in (None, wish(deployment, "mlflow_server_static_prefix", "") + "/health")
    # gunicorn answers /health from the threads that wait for the database
    assert (path is None) is (wish(deployment, "mlflow_server_profile", "throughput") == "throughput")


def test_a_server_is_ready_only_while_the_database_answers(deployment: Deployment) -> None:
    assert deployment.server["readinessProbe"]["exec"] == {"command": ["mlflow-ready"]}
    env = {one["name"]: one.get("value", "") for one in deployment.server["env"]}
    database = deployment.launch["env"]["_MLFLOW_SERVER_FILE_STORE"]
    if database.startswith("crate:"):
        assert env["READY_PATH"] == "/api/2.0/mlflow/experiments/search?max_results=1", "/health answers without it"
    else:
        assert env["READY_DATABASE"] == re.sub(r"[+]\w+", "", database), "psql knows no drivers"
    assert (env["READY_PREFIX"] or "") == wish(deployment, "mlflow_server_static_prefix", "")


def test_starting_may_take_as_long_as_the_server_waits_for_its_database(deployment: Deployment) -> None:
    probe = deployment.server["startupProbe"]
    waits = float(option(deployment.server["args"], "--wait-timeout") or 600)
    assert probe["failureThreshold"] * probe["periodSeconds"] >= waits


def test_a_server_has_time_to_finish_its_requests(deployment: Deployment) -> None:
    [command, seconds] = deployment.server["lifecycle"]["preStop"]["exec"]["command"]
    assert command == "sleep" and float(seconds) >= 3, "nodes send new connections for a while"
    argv = deployment.launch["argv"]
    graceful = option(argv, "--graceful-timeout") or option(argv, "--timeout-graceful-shutdown")
    assert graceful == "30"
    assert deployment.pod("server").spec["terminationGracePeriodSeconds"] > float(seconds) + float(graceful)


def test_a_changed_configuration_restarts_who_reads_it(deployments: dict[str, Deployment]) -> None:
    sums = set()
    for deployment in deployments.values():
        for pod in deployment.pods:
            if pod.long_running and any("configMap" in volume for volume in pod.spec["volumes"]):
                annotations = pod.owner["spec"]["template"]["metadata"]["annotations"]
                sums.add((deployment.name, pod.component, annotations["mlops.mlflow/configuration"]))
    servers = {name: found for name, component, found in sums if component == "server"}
    read = {
        name: json.dumps(one.one("ConfigMap", one.pod("server").owner["metadata"]["name"])["data"], sort_keys=True)
        for name, one in deployments.items()
    }
    assert servers.keys() == read.keys()
    assert (
        len(set(servers.values()))
        == len(set(read.values()))
        == len(set(zip(servers.values(), map(read.get, servers), strict=True)))
        > 5
    )


# Secrets


def secret_references(value: Any) -> Iterator[tuple[str, str]]:
    """Every key of a Secret that is named anywhere inside."""
    if isinstance(value, Mapping):
        if "secretKeyRef" in value:
            yield value["secretKeyRef"]["name"], value["secretKeyRef"]["key"]
        for one in value.get("items") or [] if "secretName" in value else []:
            yield value["secretName"], one["key"]
        for source in value["projected"]["sources"] if "projected" in value else []:
            for one in source["secret"]["items"]:
                yield source["secret"]["name"], one["key"]
        for inner in value.values():
            yield from secret_references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from secret_references(inner)


def test_no_secret_is_rendered(deployment: Deployment) -> None:
    # A name is none; it has that kind because the operator takes both parts of a login from Secrets.
    assert [key for one in deployment.of("Secret") for key in one["data"] if key != "username"] == []
    for text in deployment.texts.values():
        assert not re.search(r"://[^/\s:@\"]+:[^/\s@]+@", text), "a URI with a password"


def test_no_secret_stands_in_clear_text_in_an_environment(deployment: Deployment) -> None:
    clear = [
        (one["name"], one["value"])
        for _pod, item in containers(deployment)
        for one in item.get("env", [])
        if "value" in one
    ]
    clear += list(deployment.launch["env"].items())
    for name, value in clear:
        harmless = name == "_MLFLOW_AUTH_ADMIN_BOOTSTRAPPED"
        assert harmless or not SECRET_NAME.search(name), f"{name}={value}"


def test_no_secret_is_an_argument(deployment: Deployment) -> None:
    for pod, container in containers(deployment):
        arguments = " ".join([*container.get("command", []), *container.get("args", [])])
        names = [one["name"] for one in container.get("env", []) if "secretKeyRef" in one.get("valueFrom", {})]
        assert not [name for name in names if f"$({name})" in arguments or f"${{{name}}}" in arguments], pod.name
        assert not re.search(r"--\S*(password|secret|token)(?!-file)\S*=", arguments)


def test_every_key_of_a_secret_is_one_that_is_generated_or_given(deployment: Deployment) -> None:
    known = deployment.case.secrets
    named = {reference for item in deployment.objects for reference in secret_references(item)}
    places = [place for place in deployment.launch["secrets"].values() if "secret" in place]
    assert named | {(place["secret"], place["key"]) for place in places} <= known
    whole = {
        volume["secret"]["secretName"]
        for pod in deployment.pods
        for volume in pod.spec["volumes"]
        if "secret" in volume and "items" not in volume["secret"]
    }
    for cluster in deployment.of("Cluster"):
        whole.add(cluster["spec"]["bootstrap"]["initdb"]["secret"]["name"])
        whole |= {role["passwordSecret"]["name"] for role in cluster["spec"]["managed"]["roles"]}
    assert whole <= {name for name, _key in known}
    assert {name for name, _key in named} | whole == {name for name, _key in known}, "one that nobody reads"


def test_what_the_launch_takes_from_secrets_is_in_the_servers_environment(deployment: Deployment) -> None:
    env = {
        one["name"]: one["valueFrom"]["secretKeyRef"]
        for one in deployment.server["env"]
        if "secretKeyRef" in one.get("valueFrom", {})
    }
    places = {name: place for name, place in deployment.launch["secrets"].items() if "secret" in place}
    assert env == {name: {"name": place["secret"], "key": place["key"]} for name, place in places.items()}


def test_the_summary_names_every_secret_that_must_be_created(deployment: Deployment) -> None:
    told = set(re.findall(r"^ *(\S+), key ([^\s:]+)(?:: .*)?$", deployment.summary, re.MULTILINE))
    assert told == deployment.case.secrets
    assert ("webhook-key: head -c 32" in deployment.summary) == any(key == "webhook-key" for _secret, key in told)


def test_every_other_object_that_is_named_is_rendered(deployment: Deployment) -> None:
    names = {(item["kind"], item["metadata"]["name"]) for item in deployment.objects}
    for pod in deployment.pods:
        if "serviceAccountName" in pod.spec:
            assert ("ServiceAccount", pod.spec["serviceAccountName"]) in names
        for volume in pod.spec["volumes"]:
            if "configMap" in volume:
                assert ("ConfigMap", volume["configMap"]["name"]) in names
            if "persistentVolumeClaim" in volume:
                assert ("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]) in names
        if pod.owner["kind"] == "StatefulSet":
            assert ("Service", pod.owner["spec"]["serviceName"]) in names


def test_hosts_inside_the_cluster_are_rendered_services(deployment: Deployment) -> None:
    ports = {item["metadata"]["name"]: item["spec"]["ports"][0]["port"] for item in deployment.of("Service")}
    ports |= {f"{cluster['metadata']['name']}-rw": 5432 for cluster in deployment.of("Cluster")}
    env = deployment.launch["env"]
    for name in ("_MLFLOW_SERVER_FILE_STORE", "MLFLOW_S3_ENDPOINT_URL"):
        uri = urlsplit(env.get(name, ""))
        host = (uri.hostname or "").partition(".")[0]
        if uri.hostname and not uri.hostname.endswith("example.com"):
            assert ports[host] == uri.port


# The database


def test_only_the_setup_migrates_and_it_alone_is_the_owner(deployment: Deployment) -> None:
    migrating = [(pod.component, one) for pod, one in containers(deployment) if one.get("args", [""])[0] == "schema"]
    [(component, schema)] = migrating
    assert component == "setup"
    owner, server = (
        urlsplit(option(schema["args"], "--uri") or ""),
        urlsplit(deployment.launch["env"]["_MLFLOW_SERVER_FILE_STORE"]),
    )
    assert (owner.username, server.username) == ("mlflow_owner", "mlflow")
    assert (owner.hostname, owner.path) == (server.hostname, server.path)
    assert option(schema["args"], "--grantee") == server.username
    assert deployment.server["args"][:2] == ["exec", "/etc/mlflow/launch.json"]
    places = [
        next(one["valueFrom"]["secretKeyRef"] for one in container["env"] if one["name"] == "PGPASSWORD")
        for container in (schema, deployment.server)
    ]
    assert places[0] != places[1], "two roles, two passwords"


def test_servers_pods_do_not_hold_the_administrators_password(deployment: Deployment) -> None:
    names = {one["name"] for one in deployment.server["env"]} | set(deployment.launch["env"])
    assert "MLFLOW_AUTH_ADMIN_PASSWORD" not in names
    basic = wish(deployment, "mlflow_server_auth", "none") == "basic"
    assert bool(option(deployment.server["args"], "--auth-uri")) is basic
    assert "admin-password" not in str(deployment.pod("server").spec)
    assert ("auth.ini" in deployment.one("ConfigMap", wish(deployment, "mlflow_name", "mlflow"))["data"]) is basic


def test_the_user_database_of_servers_and_setup_is_the_same(deployments: dict[str, Deployment]) -> None:
    for name in ("everything", "cloudnative-pg"):
        deployment = deployments[name]
        schema = deployment.pod("setup").spec["containers"][0]
        uris = [urlsplit(option(one["args"], "--auth-uri") or "") for one in (schema, deployment.server)]
        assert [uri.username for uri in uris] == ["mlflow_owner", "mlflow"]
        assert {(uri.hostname, uri.path) for uri in uris} == {(uris[0].hostname, "/mlflow_auth")}
        configured = deployment.one("ConfigMap", "mlflow")["data"]["auth.ini"]
        assert f"database_uri = {uris[1].geturl()}\n" in configured


def test_all_servers_together_leave_connections_to_others(deployment: Deployment) -> None:
    launch, basic = deployment.launch, wish(deployment, "mlflow_server_auth", "none") == "basic"
    workers = int(option(launch["argv"], "--workers") or 1)
    kept = int(launch["env"]["MLFLOW_SQLALCHEMYSTORE_POOL_SIZE"])
    beyond = int(launch["env"]["MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW"])
    each = workers * (kept + beyond + kept * (2 if basic else 1)) + 1  # and the readiness probe
    servers = most_pods(deployment, deployment.pod("server").owner)
    offered = int(option(deployment.pod("setup").spec["containers"][0]["args"], "--connections") or 0)
    assert servers * each <= offered - 10, "10 are kept for backups, migrations and people"
    for item in deployment.of("ConfigMap"):
        if configured := re.search(r"^max_connections = (\d+)", item["data"].get("postgresql.conf", ""), re.MULTILINE):
            assert offered == int(configured[1]) - 3, "PostgreSQL keeps three for superusers"
    for cluster in deployment.of("Cluster"):
        assert offered == int(cluster["spec"]["postgresql"]["parameters"]["max_connections"]) - 3


# How it is reached


def test_the_server_answers_to_every_name_that_it_has(deployment: Deployment) -> None:
    name, space = wish(deployment, "mlflow_name", "mlflow"), wish(deployment, "mlflow_namespace", "mlflow")
    names = [name, f"{name}.{space}", f"{name}.{space}.svc", f"{name}.{space}.svc.cluster.local", "localhost"]
    names += [host for host in [wish(deployment, "mlflow_server_hostname", "")] if host]
    names += wish(deployment, "mlflow_server_allowed_hosts", [])
    allowed = deployment.launch["env"]["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    assert [form for host in names for form in (host, f"{host}:*") if form not in allowed] == []
    assert "*" not in allowed


def test_the_server_listens_where_its_port_is(deployment: Deployment) -> None:
    argv = deployment.launch["argv"]
    bound = option(argv, "--bind") or f"{option(argv, '--host')}:{option(argv, '--port')}"
    [port] = deployment.server["ports"]
    assert bound == f"0.0.0.0:{port['containerPort']}"
    service = deployment.one("Service", wish(deployment, "mlflow_name", "mlflow"))
    assert service["spec"]["ports"][0]["port"] == wish(deployment, "mlflow_server_port", 5000)


def test_an_ingress_leads_to_the_server(deployments: dict[str, Deployment]) -> None:
    ingress = deployments["everything"].one("Ingress")
    [rule] = ingress["spec"]["rules"]
    [path] = rule["http"]["paths"]
    service = deployments["everything"].one("Service", path["backend"]["service"]["name"])
    assert path["backend"]["service"]["port"]["name"] in {port["name"] for port in service["spec"]["ports"]}
    assert (rule["host"], path["path"], path["pathType"]) == ("mlflow.example.com", "/tracking", "Prefix")
    assert ingress["spec"]["tls"] == [{"hosts": ["mlflow.example.com"], "secretName": "mlflow-tls"}]
    assert ingress["spec"]["ingressClassName"] == "nginx"
    annotations = ingress["metadata"]["annotations"]
    assert annotations["cert-manager.io/cluster-issuer"] == "letsencrypt"
    assert annotations["nginx.ingress.kubernetes.io/proxy-body-size"] == "0"


def test_an_httproute_leads_to_the_server(deployments: dict[str, Deployment]) -> None:
    route = deployments["cloudnative-pg"].one("HTTPRoute")["spec"]
    [backend] = route["rules"][0]["backendRefs"]
    service = deployments["cloudnative-pg"].one("Service", backend["name"])
    assert backend["port"] in {port["port"] for port in service["spec"]["ports"]}
    assert (route["hostnames"], route["parentRefs"]) == (
        ["mlflow.example.com"],
        [{"name": "gateway", "namespace": "gateways"}],
    )


def test_a_route_leads_to_the_server_and_never_without_tls_beside_it(deployments: dict[str, Deployment]) -> None:
    route = deployments["openshift"].one("Route")["spec"]
    service = deployments["openshift"].one("Service", route["to"]["name"])
    assert route["port"]["targetPort"] in {port["name"] for port in service["spec"]["ports"]}
    assert route["host"] == "mlflow.apps.example.com"
    assert route["tls"]["insecureEdgeTerminationPolicy"] == "Redirect"


def test_only_a_load_balancer_is_open_to_the_outside(deployment: Deployment) -> None:
    kinds = {item["metadata"]["name"]: item["spec"].get("type", "ClusterIP") for item in deployment.of("Service")}
    balanced = wish(deployment, "mlflow_server_expose", "none") == "loadbalancer"
    assert kinds.pop(wish(deployment, "mlflow_name", "mlflow")) == ("LoadBalancer" if balanced else "ClusterIP")
    assert set(kinds.values()) <= {"ClusterIP"}
    exposed = {item["kind"] for item in deployment.objects} & {"Ingress", "HTTPRoute", "Route"}
    expected = {"ingress": {"Ingress"}, "httproute": {"HTTPRoute"}, "route": {"Route"}}
    assert exposed == expected.get(wish(deployment, "mlflow_server_expose", "none"), set())


# Artifacts


def test_a_bucket_is_proven_before_servers_need_it(deployment: Deployment) -> None:
    destination = deployment.launch["env"]["_MLFLOW_SERVER_ARTIFACT_DESTINATION"]
    first = deployment.pod("setup").spec.get("initContainers", [])
    if not destination.startswith("s3://"):
        assert first == []
        return
    [bucket] = first
    assert bucket["args"][:2] == ["bucket", f"--uri={destination}"]
    # SeaweedFS makes its own, and a bucket of others is not made by us.
    created = deployment.name != "external" and wish(deployment, "mlflow_artifact_store_type", "s3") != "seaweedfs"
    assert ("--create" in bucket["args"]) is created
    names = {one["name"] for one in bucket["env"]}
    assert {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "MLFLOW_S3_ENDPOINT_URL", "AWS_DEFAULT_REGION"} <= names


def test_a_volume_of_artifacts_is_mounted_where_the_server_looks_for_it(deployments: dict[str, Deployment]) -> None:
    for name in ("shared-volume", "one-server"):
        deployment = deployments[name]
        destination = deployment.launch["env"]["_MLFLOW_SERVER_ARTIFACT_DESTINATION"]
        mounts = {mount["mountPath"]: mount["name"] for mount in deployment.server["volumeMounts"]}
        volumes = {volume["name"]: volume for volume in deployment.pod("server").spec["volumes"]}
        assert volumes[mounts[destination]]["persistentVolumeClaim"]["claimName"] == "mlflow-artifacts"
    assert deployments["shared-volume"].one("PersistentVolumeClaim", "mlflow-artifacts")["spec"]["accessModes"] == [
        "ReadWriteMany"
    ]


def test_direct_artifacts_go_to_the_bucket_from_clients_and_jobs(deployments: dict[str, Deployment]) -> None:
    launch = deployments["everything"].launch
    assert launch["env"]["_MLFLOW_SERVER_ARTIFACT_ROOT"] == "s3://mlflow"
    assert launch["env"]["_MLFLOW_SERVER_SERVE_ARTIFACTS"] == "false"
    assert launch["jobs"]["env"]["MLFLOW_DEFAULT_ARTIFACT_ROOT"] == "s3://mlflow"
    assert deployments["defaults"].launch["env"]["_MLFLOW_SERVER_ARTIFACT_ROOT"] == "mlflow-artifacts:/"


def test_the_job_runner_is_in_the_launch_of_the_profile_full_only(deployment: Deployment) -> None:
    # And where those that may log in are, to be refused another database of theirs.
    users = {"users"} if wish(deployment, "mlflow_server_auth", "none") == "basic" else set()
    assert set(deployment.launch) == {"argv", "env", "secrets", "jobs", "inherits", "keys", *users}
    assert bool(deployment.launch["jobs"]) is (wish(deployment, "mlflow_server_profile", "throughput") == "full")


# Backups


def backups(deployment: Deployment) -> list[Object]:
    """What the schedule starts: other CronJobs are suspended, for operations on request."""
    return [job for job in deployment.of("CronJob") if not job["spec"].get("suspend")]


def test_backups_are_scheduled_where_asked_for_and_never_two_at_once(deployment: Deployment) -> None:
    asked = bool(wish(deployment, "mlflow_backup_enabled", False))
    assert bool(backups(deployment)) is asked
    for job in backups(deployment):
        assert (job["spec"]["schedule"], job["spec"]["timeZone"]) == ("0 2 * * *", "Etc/UTC")
        assert job["spec"]["concurrencyPolicy"] == "Forbid"
        assert job["spec"]["failedJobsHistoryLimit"] > 0, "a failure must be found in the morning"
        [container] = deployment.pod("backup").containers
        assert container["args"][:1] == ["backup"] and {"--prune", "--low-priority"} <= set(container["args"])


def test_a_backup_knows_all_that_the_server_works_on(deployment: Deployment) -> None:
    for job in backups(deployment):
        name = job["metadata"]["name"]
        given = json.loads(deployment.one("ConfigMap", name)["data"]["settings.json"])
        pod = deployment.pod("backup")
        [container] = pod.containers
        env = {one["name"] for one in container["env"] if "valueFrom" in one}
        assert (
            given["database_uri"].partition("@")[2]
            == deployment.launch["env"]["_MLFLOW_SERVER_FILE_STORE"].partition("@")[2]
        )
        assert bool(given.get("auth_uri")) is (wish(deployment, "mlflow_server_auth", "none") == "basic")
        assert "PGPASSWORD" in env
        uri = given["artifacts_uri"]
        assert uri == deployment.launch["env"]["_MLFLOW_SERVER_ARTIFACT_DESTINATION"]
        mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
        if uri.startswith("s3:"):
            assert {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} <= env and given["artifacts_endpoint"]
        else:
            assert mounts[uri]["readOnly"] is True
        if given["destination"].startswith("s3:"):
            assert {"MLFLOW_BACKUP_ACCESS_KEY", "MLFLOW_BACKUP_SECRET_KEY"} <= env
        else:
            assert given["destination"] in mounts
        for path in given.get("secrets", {}).values():
            assert any(path.startswith(mount + "/") for mount in mounts)
        commands.check_keys(given)


def test_a_quota_has_room_for_a_backup_by_hand_where_none_is_scheduled(deployments: dict[str, Deployment]) -> None:
    [scheduled] = backups(deployments["everything"])
    assert not backups(deployments["defaults"])
    needed = requirements.of([{**scheduled, "kind": "Job", "spec": scheduled["spec"]["jobTemplate"]["spec"]}])
    defaults = yaml.safe_load((REPOSITORY / "roles/cluster_prerequisites/defaults/main.yml").read_text())
    assert not requirements.too_small(defaults["cluster_prerequisites_quota_spare"], needed)


def test_a_backup_of_a_volume_that_one_node_mounts_runs_there(deployments: dict[str, Deployment]) -> None:
    spec = deployments["one-server"].pod("backup").spec
    [term] = spec["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    matched = deployments["one-server"].matched(term["labelSelector"]["matchLabels"])
    assert {pod.component for pod in matched} == {"server"}
    assert "affinity" not in deployments["shared-volume"].pod("backup").spec


def test_a_backup_has_an_identity_of_its_own_and_lets_nobody_in(deployment: Deployment) -> None:
    for job in backups(deployment):
        name = job["metadata"]["name"]
        assert deployment.pod("backup").spec["serviceAccountName"] == name
        annotations = deployment.one("ServiceAccount", name)["metadata"].get("annotations", {})
        for key, value in wish(deployment, "mlflow_backup_service_account_annotations", {}).items():
            assert annotations[key] == value
        policy = deployment.one("NetworkPolicy", name)["spec"]
        assert "Ingress" in policy["policyTypes"] and "ingress" not in policy, "the API server does not keep []"
