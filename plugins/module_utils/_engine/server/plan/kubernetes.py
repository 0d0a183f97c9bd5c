# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The platform C(kubernetes): a Deployment behind a Service, or a Service of Knative, set up by a Job, published as
the settings say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ... import names, trust
from ...errors import BadInput
from ...quantities import quantity
from ...secrets import in_pods
from ..settings import Errors, Settings
from . import cluster_needs as needs
from . import common, tls_inside
from .cluster_needs import secrets_of

_KNATIVE = "KnativeService"
# What publishes the servers, by the kind of their workload.
_EXPOSED = {
    "Deployment": ("none", "ingress", "httproute", "loadbalancer", "route"),
    _KNATIVE: ("none", "knative"),
}
_CONFIGURATION = "/etc/mlflow"
_LAUNCH_FILE = f"{_CONFIGURATION}/launch.json"
_PASSWORD_KEY = "admin-password"  # noqa: S105
_OLDEST_MINOR = 27
# What clusters put into pods so that they act under an identity of a cloud, without a key.
_INHERITED = (
    "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_STS_REGIONAL_ENDPOINTS",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_AUTHORITY_HOST",
)  # fmt: skip
# The namespaces from which Knative reaches servers, and the ports at which it does: those of its proxy in each pod.
_SPACES_OF_KNATIVE = ("knative-serving", "kourier-system")
_PORTS_OF_KNATIVE = (8012, 8013, 8022, 8112, 9090, 9091)
# Volumes of Knative's pods may not be mounted at /tmp.
_SCRATCH = {"Deployment": "/tmp", _KNATIVE: "/scratch"}  # noqa: S108
_NUMBERS: dict[str, tuple[int, int | None]] = {
    "replicas": (1, None),
    "max_replicas": (1, None),
    "cpu_target": (0, None),
    "memory_target": (0, None),
    "reserved_connections": (0, None),
    "rollout_timeout": (1, None),
    "run_as": (1, None),
    "scale_target": (1, None),
    "initial_replicas": (0, None),
    "request_timeout": (1, None),
    "pod_retention": (0, None),
}
_DICTS = (
    "labels", "annotations", "pod_spec", "env", "expose_annotations", "service_annotations",
    "service_account_annotations",
)  # fmt: skip

# The starter lets the server answer to it. Knative asks its pods by other names, and allows no such field.
_POD_IP = {"name": "POD_IP", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}}}
# /health says 200 also while no database answers.
_QUERY = "/api/2.0/mlflow/experiments/search?max_results=1"
# MLflow tells its maker of nothing that happens in an operation.
_QUIET = ({"name": "MLFLOW_DISABLE_TELEMETRY", "value": "true"},)


def plan(request: common.Request) -> dict[str, Any]:
    """C(plan.plan) for a cluster. C(plan["kubernetes"]) holds

    C(namespace), C(setup) (name of the Job), C(auth_secret) (name of the Secret);
    C(autoscaled), C(exclusive) (the artifacts' volume can be mounted by one server only), C(replicas);
    C(workload) (C(kind), C(api_version), C(api_kind) of the servers' workload, and its C(template));
    C(strategy), C(args), C(env), C(mounts), C(volumes), C(liveness), C(port_name) (parts of the servers' pods, as
    manifests have them), C(scratch) (where they have room for files), C(knative) (C(annotations) of their pods,
    C(labels) of the Service), C(metrics) (of the autoscaler), C(service) (C(type), C(annotations)), C(ingress) (who may
    connect, as a NetworkPolicy has it);
    C(schema) and C(bucket) (C(args) and C(env) of the containers that set up; C(bucket) is {} without one);
    C(operations) (C(env) of the pods of operations by identity: C(schema), C(trial));
    C(secret_env) (places by environment variable of the servers), C(trusted) (whom pods trust, C(trust.places)),
    C(tls) (what C(tls_inside.plan) returns), C(exposed) (C(annotations) of the Ingress),
    C(permissions), C(groups) (of the API, which must be served), C(secret_names), C(external_places) (of Secrets that
    must be there), C(storage_classes), C(shared_classes) (of these, whose volumes several nodes mount);
    C(deployed) (whether servers were there), C(proven) (whether the client proved just those), C(stopped) (whether
    somebody took them all away), C(other_workload) (kind of the workload that the servers are so far, if it is another;
    else empty), C(settled) (whether everything runs).
    C(plan["secrets"]) has the keys of the Secret that the role generates; their values are made there.
    """
    settings = request.settings
    _check(request)
    namespace, secret = settings.text("namespace"), f"{request.name}-auth"
    port, prefix = settings.number("port", common.CONTAINER_PORT), settings.text("static_prefix")
    stored = common.stored_places(request, lambda name: {"secret": secret, "key": name})
    offered = request.offered_connections - settings.number("reserved_connections")
    launch = common.compute_launch(
        request,
        {
            "python": common.CONTAINER_PYTHON,
            # Every address of the pod.
            "host": "0.0.0.0",  # noqa: S104
            "port": common.CONTAINER_PORT,
            **tls_inside.of_launch(request),
            "allowed_hosts": _names(request),
            "servers": _most_servers(request),
            "max_connections": offered,
            "scratch_dir": _SCRATCH[_kind(request)],
            "temporary_dir": _SCRATCH[_KNATIVE] if _kind(request) == _KNATIVE else "",
            "auth": common.auth_place(request, common.CONTAINER_AUTH_FILE, stored.get(common.FLASK_KEY, {})),
            "keys": common.key_places(stored),
            "inherits": list(_INHERITED),
            "namespace": namespace,
        },
    )
    secret_env = {name: place for name, place in secrets_of(launch).items() if "secret" in place}
    # Knative's gateway listens on the port of the scheme, and knows the full name.
    knative = _kind(request) == _KNATIVE
    host = f"{request.name}.{namespace}.svc" + (".cluster.local" if knative else "")
    port = 80 if knative else port
    tls = tls_inside.wanted(request)
    inside = common.url(host, None if knative else port, prefix, tls)
    public = settings.text("url") or _published(request) or inside
    # Where servers come with a request, operations ask as clients do.
    local = inside if knative else common.url("127.0.0.1", common.CONTAINER_PORT, prefix, tls)
    password = {"secret": secret, "key": _PASSWORD_KEY}
    admin = {"MLFLOW_TRACKING_PASSWORD": password} if request.auth else {}
    schema = _schema(request, password)
    own = {
        "namespace": namespace,
        "setup": f"{request.name}-setup",
        "auth_secret": secret,
        "autoscaled": _is_autoscaled(request),
        "exclusive": _is_exclusive(request),
        "replicas": settings.number("replicas", 1),
        "workload": _workload(request),
        "scratch": _SCRATCH[_kind(request)],
        "knative": _of_knative(request),
        "secret_env": secret_env,
        "trusted": trust.places(request.database, request.store, tls_inside.authority(request)),
        "tls": tls_inside.plan(request, host),
        "exposed": {"annotations": tls_inside.of_ingress(request, host) | dict(settings.mapping("expose_annotations"))},
        **_of_pods(request, secret_env),
        **_of_network(request),
        "schema": schema,
        "operations": {
            "schema": [*_QUIET, *schema["env"]],
            "trial": [*_QUIET, *in_pods(secret_env), *in_pods(admin)],
        },
        "bucket": _bucket(request),
        "permissions": needs.permissions(request, knative),
        "groups": needs.groups(request, knative),
        "secret_names": needs.secret_names(request, secret),
        "external_places": needs.external_places(request),
        "storage_classes": common.unique(
            str(one["storage_class"] or "") for one in (request.database, request.store) if "storage_class" in one
        ),
        "shared_classes": (
            [str(request.store.get("storage_class") or "")]
            if request.store.get("access_mode") == "ReadWriteMany"
            else []
        ),
        **_seen(request),
    }
    own_places = [place for one in (request.database, request.store) for place in one.get("secret_places") or []]
    own_places += [*own["trusted"].values(), *tls_inside.places(request)]
    runner = {
        "type": "kubernetes",
        "name": request.name,
        "namespace": namespace,
        "workload": _kind(request),
        "inside": inside,
        "certificates": common.unique(one["secret"] for one in own_places if one.get("key") in trust.CERTIFICATES),
        # Whoever asks reads the password and sends it along: servers' pods do not hold the administrator's.
        "login": {"username": settings.text("auth_admin", "admin"), **password} if request.auth else {},
        "options": {
            "url": local,
            **tls_inside.of_operations(request),
            "database_uri": str(request.database.get("uri") or ""),
            "artifacts": common.artifacts_folder(request),
        },
    }
    places = [*secret_env.values(), *secrets_of(request.owner).values(), *([password] if request.auth else [])]
    places += own_places
    return {
        "launch": launch,
        "ports": {"listen": common.CONTAINER_PORT, "publish": port},
        "urls": {"public": public, "local": "", "inside": inside, "operations": local},
        "files": common.launch_files(launch),
        "secrets": dict.fromkeys([*([_PASSWORD_KEY] if request.auth else []), *stored], ""),
        "schema": common.schema_options_of_containers(request),
        "deployed": _deployed_version(request),
        "staged": {"runner": {**runner, "image": settings.text("image")}},
        "resources": {
            "servers": _most_servers(request),
            "offered": request.offered_connections,
            "connections": offered,
            "images": [settings.text("image")],
        },
        "kubernetes": own,
        "connection": common.connection(
            request,
            uri=public,
            host=host,
            port=port,
            password=password,
            restored=stored,
            runner=runner,
            workload={
                "kind": _kind(request),
                # Everything secret that must be in the cluster, wherever it comes from.
                "secret_places": common.unique(places),
                # For those that ask the servers from other pods.
                "inside_uri": inside,
                "trusted": trust.places({}, {}, tls_inside.authority(request)),
                "ca_path": tls_inside.by_which_clients_verify(request, public == inside),
            },
        ),
    }


def fits(planned: Mapping[str, Any], observed: Mapping[str, Any]) -> list[str]:
    """What is wrong with a cluster, see C(plan.fits). C(observed) is what mlflow_kubernetes_info returned.

    Quotas are compared with what is rendered: C(kubernetes.requirements.misfits).
    """
    found, own = Errors(), planned["kubernetes"]
    namespace, classes = own["namespace"], list(observed.get("storage_classes") or [])
    unknown = [one for one in own["storage_classes"] if one and one not in classes]
    missing = needs.missing_keys(own["external_places"], observed.get("secrets") or {})
    denied, groups = list(observed.get("denied") or []), list(observed.get("missing_groups") or [])
    found.add(
        f"Kubernetes {observed.get('version')} is too old: 1.{_OLDEST_MINOR} or newer is needed.",
        int(observed.get("minor") or 0) < _OLDEST_MINOR,
    )
    found.add(
        f"The namespace {namespace} is being removed: wait until it is gone.",
        observed.get("namespace") == "Terminating",
    )
    found.add(
        f"Permissions are missing in the namespace {namespace}: {', '.join(denied)}. Let an administrator grant them by"
        f" a Role.",
        bool(denied),
    )
    found.add(
        f"The cluster has no default storage class, and none was named: set mlflow_storage_class to one of"
        f" {', '.join(classes) or '(it has none at all)'}.",
        "" in own["storage_classes"] and not observed.get("default_storage_class"),
    )
    found.add(
        f"The cluster has no storage class {', '.join(unknown)}. It has: {', '.join(classes)}.",
        bool(unknown),
    )
    disks = needs.classes_of_disks(own["shared_classes"], observed)
    found.add(
        f"The storage class {', '.join(disks)} lends a volume to one node at a time, and"
        f" mlflow_artifact_store_access_mode is ReadWriteMany: name the class of a shared file system in"
        f" mlflow_artifact_store_storage_class, or take ReadWriteOnce or a bucket.",
        bool(disks),
    )
    found.add(
        "The cluster does not answer for metrics, which the autoscaler needs: install metrics-server, or set"
        " mlflow_server_max_replicas to mlflow_server_replicas.",
        own["autoscaled"] and not observed.get("metrics"),
    )
    found.add(
        f"The cluster does not serve {', '.join(groups)}: what mlflow_server_expose, mlflow_server_workload or"
        f" mlflow_database_type needs is not installed there.",
        bool(groups),
    )
    other = own["other_workload"]
    found.add(
        f"The servers of {planned['name']} are a {other} so far, and mlflow_server_workload is"
        f" {own['workload']['kind']}: remove the deployment first (the playbook destroy; it keeps the data), and deploy"
        f" again.",
        bool(other),
    )
    found.add(
        f"Secrets are missing in the namespace {namespace} (secret/key): {', '.join(missing)}. Create them first.",
        bool(missing),
    )
    return found.as_list()


def _check(request: common.Request) -> None:
    settings, errors = request.settings, request.errors
    expose, hostname = settings.text("expose", "none"), settings.text("hostname")
    for name, (least, most) in _NUMBERS.items():
        common.check_range(request, name, _least_replicas(request) if name == "replicas" else least, most)
    for name in _DICTS:
        settings.mapping(name)
    common.check_image(request)
    kind = settings.text("workload", "Deployment")
    if kind not in _EXPOSED:
        settings.reject("workload", f"mlflow_server_workload is '{kind}'; offered are {' and '.join(_EXPOSED)}.")
    offered = _EXPOSED[_kind(request)]
    errors.add(
        f"mlflow_server_expose is '{expose}'; offered of a {_kind(request)} are {', '.join(offered[:-1])} and"
        f" {offered[-1]}.",
        expose not in offered,
    )
    metric = settings.text("scale_metric", "concurrency")
    errors.add(
        f"mlflow_server_scale_metric is '{metric}'; offered are concurrency and rps.",
        metric not in ("concurrency", "rps"),
    )
    errors.add(
        f"mlflow_server_hostname is empty, but mlflow_server_expose is {expose}: the server answers only to names that"
        f" it was told.",
        expose != "none" and not hostname,
    )
    errors.add(
        "mlflow_server_gateway must name the Gateway of the HTTPRoute: {name: gateway, namespace: gateways}.",
        expose == "httproute" and not settings.mapping("gateway").get("name"),
    )
    for variable, name in _names_of_objects(settings):
        try:
            names.object_name(name, variable)
        except BadInput as error:
            errors.add(str(error))
    errors.add(
        "mlflow_server_tls_certificate is for hosts: on Kubernetes give mlflow_server_tls_secret.",
        bool(settings.text("tls_certificate") and settings.text("tls_key")),
    )
    replicas, most = settings.number("replicas", 1), settings.number("max_replicas", 1)
    errors.add(
        "The volume of the artifacts is ReadWriteOnce, so only one server can mount it: set"
        " mlflow_artifact_store_access_mode to ReadWriteMany, mlflow_artifact_store_type to s3, or"
        " mlflow_server_replicas and mlflow_server_max_replicas to 1.",
        request.store.get("access_mode") == "ReadWriteOnce" and most > 1,
    )
    common.check_volume(request)
    least = _least_replicas(request)
    errors.add(
        f"mlflow_server_replicas is {settings.text('replicas')}; it must be at least {least} and at most"
        f" mlflow_server_max_replicas, which is {settings.text('max_replicas')}.",
        not least <= replicas <= most,
    )
    common.check_resources(request, "resources")
    common.check_profile_fits(request)
    common.check_metrics_dir(request, _SCRATCH[_kind(request)])
    try:
        quantity(settings.text("scratch_size"))
    except BadInput as error:
        errors.add(f"mlflow_server_scratch_size: {error}")
    common.check_secret_env(request, "a Secret and its key: {secret: NAME, key: KEY}", "secret", "key")
    tls_inside.check(request, _kind(request) == _KNATIVE)
    common.check_database_is_postgresql(request, "Kubernetes")
    common.check_one_server(request, _kind(request))


def _names_of_objects(settings: Settings) -> list[tuple[str, str]]:
    """What of others the settings name, by variable."""
    gateway = settings.mapping("gateway")
    named = {f"gateway {key}": gateway[key] for key in ("name", "namespace") if key in gateway}
    named |= {name: settings.text(name) for name in ("tls_secret", "ingress_class") if settings.text(name)}
    listed = [("allowed_namespaces", one) for one in settings.items("allowed_namespaces")]
    return [(f"mlflow_server_{name}", str(text)) for name, text in [*named.items(), *listed]]


def _kind(request: common.Request) -> str:
    """What the servers' workload is; the default where the settings name none that there is."""
    kind = request.settings.text("workload", "Deployment")
    return kind if kind in _EXPOSED else "Deployment"


def _workload(request: common.Request) -> dict[str, str]:
    kind = _kind(request)
    api = (f"{needs.GROUP_OF_KNATIVE}/v1", "Service") if kind == _KNATIVE else ("apps/v1", kind)
    template = f"kubernetes/{'knative_service' if kind == _KNATIVE else 'deployment'}.yaml.j2"
    return {"kind": kind, "api_version": api[0], "api_kind": api[1], "template": template}


def _least_replicas(request: common.Request) -> int:
    return 0 if _kind(request) == _KNATIVE else 1


def _is_autoscaled(request: common.Request) -> bool:
    # Knative does it by itself.
    return _kind(request) != _KNATIVE and request.settings.number("max_replicas", 1) > request.settings.number(
        "replicas", 1
    )


def _is_exclusive(request: common.Request) -> bool:
    """Whether the old server must go before the new one comes: only one can mount the volume, or use the database."""
    return request.store.get("access_mode") == "ReadWriteOnce" or request.adapter is not None


def _most_servers(request: common.Request) -> int:
    """With the one that a roll-out adds."""
    return request.settings.number("max_replicas", 1) + (0 if _is_exclusive(request) else 1)


def _names(request: common.Request) -> list[str]:
    """The names that the server answers to."""
    service = f"{request.name}.{request.settings.text('namespace')}"
    hostname = request.settings.text("hostname")
    own = [request.name, service, f"{service}.svc", f"{service}.svc.cluster.local"]
    return [*own, *([hostname] if hostname else []), *request.settings.items("allowed_hosts")]


def _published(request: common.Request) -> str:
    """The URL of what publishes the server; empty where nothing does."""
    settings = request.settings
    expose, hostname = settings.text("expose", "none"), settings.text("hostname")
    if expose == "none" or not hostname:
        return ""
    # That of the scheme, but where the servers' own Service is published.
    port = settings.number("port", common.CONTAINER_PORT) if expose == "loadbalancer" else None
    # A load balancer passes on what servers talk.
    tls = bool(settings.text("tls_secret")) or (expose == "loadbalancer" and tls_inside.wanted(request))
    return common.url(hostname, port, settings.text("static_prefix"), tls)


def _of_pods(request: common.Request, secret_env: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    settings, database, store = request.settings, request.database, request.store
    prefix = settings.text("static_prefix")
    args = ["exec", _LAUNCH_FILE]
    if common.flag(database, "being_created"):
        args.append("--being-created")
    if request.auth:
        args.append(f"--auth-uri={database.get('auth_uri')}")
    mounts = [
        {"name": "configuration", "mountPath": _CONFIGURATION, "readOnly": True},
        {"name": "tmp", "mountPath": _SCRATCH[_kind(request)]},
    ]
    volumes: list[dict[str, Any]] = [
        {"name": "configuration", "configMap": {"name": request.name}},
        {"name": "tmp", "emptyDir": {"sizeLimit": settings.text("scratch_size")}},
    ]
    if "claim" in store:
        mounts.append({"name": "artifacts", "mountPath": store.get("uri")})
        volumes.append({"name": "artifacts", "persistentVolumeClaim": {"claimName": store["claim"]}})
    own_mounts, own_volumes = tls_inside.of_pods(request)
    mounts, volumes = mounts + own_mounts, volumes + own_volumes
    scheme = tls_inside.scheme(request)
    port = {"port": scheme, **({"scheme": "HTTPS"} if scheme == "https" else {})}
    return {
        "port_name": scheme,
        "strategy": (
            {"type": "Recreate"}
            if _is_exclusive(request)
            else {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
        ),
        "args": args,
        "env": [
            *_of_readiness(request),
            {"name": "READY_PREFIX", "value": prefix},
            *([{"name": "READY_TLS", "value": "yes"}] if scheme == "https" else []),
            *([] if _kind(request) == _KNATIVE else [_POD_IP]),
            *in_pods(secret_env),
        ],
        "mounts": mounts,
        "volumes": volumes,
        # gunicorn answers /health from the same threads that wait for the database, so its port is asked.
        "liveness": {
            **(
                {"tcpSocket": {"port": scheme}}
                if settings.text("profile") == "throughput"
                else {"httpGet": {"path": f"{prefix}/health", **port}}
            ),
            "periodSeconds": 10,
            "timeoutSeconds": 10,
            "failureThreshold": 6,
        },
        "metrics": [
            {
                "type": "Resource",
                "resource": {"name": name, "target": {"type": "Utilization", "averageUtilization": target}},
            }
            for name in ("cpu", "memory")
            if (target := settings.number(f"{name}_target"))
        ],
    }


def _of_readiness(request: common.Request) -> list[dict[str, str]]:
    """What the readiness probe asks besides the server: PostgreSQL itself, or a query of the server's."""
    if request.adapter:
        return [{"name": "READY_PATH", "value": _QUERY}]
    uri = str(request.database.get("uri") or "")
    return [{"name": "READY_DATABASE", "value": re.sub("[+]psycopg2?:", ":", uri)}]


def _of_knative(request: common.Request) -> dict[str, Any]:
    """What only pods of Knative have. C(concurrency) counts requests that are under way: by C(rps) a long upload looks
    idle. The timeout is also how long pods have to end."""
    settings = request.settings
    scaling = {
        "metric": settings.text("scale_metric", "concurrency"),
        "target": settings.number("scale_target", 10),
        "min-scale": settings.number("replicas"),
        "max-scale": settings.number("max_replicas", 1),
        "initial-scale": max(settings.number("initial_replicas"), settings.number("replicas")),
        "scale-to-zero-pod-retention-period": f"{settings.number('pod_retention')}s",
    }
    return {
        "annotations": {f"autoscaling.knative.dev/{name}": str(value) for name, value in scaling.items()},
        "timeout": settings.number("request_timeout", 600),
        # Reached from inside of the cluster alone.
        "labels": (
            {} if settings.text("expose") == "knative" else {"networking.knative.dev/visibility": "cluster-local"}
        ),
    }


def _from_knative() -> list[dict[str, Any]]:
    """Who may connect to pods of Knative: clients never do, but its gateway and what stands in for sleeping pods."""
    return [
        {
            "ports": [{"port": port, "protocol": "TCP"} for port in _PORTS_OF_KNATIVE],
            "from": [
                {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": space}}}
                for space in _SPACES_OF_KNATIVE
            ],
        }
    ]


def _of_network(request: common.Request) -> dict[str, Any]:
    settings = request.settings
    balanced = settings.text("expose") == "loadbalancer"
    namespaces = settings.items("allowed_namespaces")
    rule: dict[str, Any] = {"ports": [{"port": tls_inside.scheme(request), "protocol": "TCP"}]}
    if namespaces:
        rule["from"] = [
            {"podSelector": {}},
            *(
                {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
                for namespace in namespaces
            ),
        ]
    return {
        "service": {
            "type": "LoadBalancer" if balanced else "ClusterIP",
            "annotations": {
                **settings.mapping("service_annotations"),
                **(settings.mapping("expose_annotations") if balanced else {}),
            },
        },
        "ingress": _from_knative() if _kind(request) == _KNATIVE else [rule],
    }


def _schema(request: common.Request, password: Mapping[str, str]) -> dict[str, Any]:
    """The container that creates the schema: the only thing that may, under the owner's role."""
    owner = request.owner
    args = [
        "schema",
        f"--uri={owner.get('uri')}",
        f"--wait-timeout={common.SCHEMA_SECONDS}",
        f"--connections={request.offered_connections}",
        # A manifest is the same whoever applies it, so it cannot say as part of which upgrade. Who starts servers that
        # are stopped has asked before.
        "--while-reserved",
    ]
    if common.flag(request.database, "being_created"):
        args.append("--being-created")
    if request.grantee:
        args.append(f"--grantee={request.grantee}")
    env = [*_env(request.database), *in_pods(secrets_of(owner))]
    if request.auth:
        admin = request.settings.text("auth_admin", "admin")
        args += [f"--auth-uri={owner.get('auth_uri')}", f"--admin-username={admin}"]
        env += in_pods({"MLFLOW_AUTH_ADMIN_PASSWORD": password})
    return {"args": args, "env": env}


def _bucket(request: common.Request) -> dict[str, Any]:
    """The container that proves the bucket; {} without one."""
    options = common.bucket_options(request)
    if not options:
        return {}
    args = ["bucket", f"--uri={options['uri']}", f"--wait-timeout={options['wait_timeout']}"]
    if options["create"]:
        args.append("--create")
    return {"args": args, "env": [*_env(request.store), *in_pods(secrets_of(request.store))]}


def _env(one: Mapping[str, Any]) -> list[dict[str, Any]]:
    values = one.get("env") or {}
    return [{"name": name, "value": str(value)} for name, value in values.items()]


def _servers(request: common.Request) -> list[Mapping[str, Any]]:
    """The workload of the servers as it was seen; none before."""
    return [
        one
        for one in request.found.get("workloads") or []
        if one.get("kind") == _kind(request) and one.get("name") == request.name
    ]


def _other_workload(request: common.Request) -> str:
    """The kind of workload that the servers are so far, if it is another."""
    found = [one for one in request.found.get("workloads") or [] if one.get("name") == request.name]
    return next((str(one["kind"]) for one in found if one["kind"] != _kind(request)), "")


def _deployed_version(request: common.Request) -> str:
    return next((str(one.get("version") or "") for one in _servers(request)), "")


def _seen(request: common.Request) -> dict[str, Any]:
    servers, setup = _servers(request), (request.found.get("jobs") or {}).get(f"{request.name}-setup") or {}
    return {
        "deployed": bool(servers),
        "stopped": any(one.get("stopped") for one in servers),
        "other_workload": _other_workload(request),
        "proven": any(one.get("proven") for one in servers),
        "settled": bool(servers) and not request.found.get("unsettled") and setup.get("state") == "complete",
    }
