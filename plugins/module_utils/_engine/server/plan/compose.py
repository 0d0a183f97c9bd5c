# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The platform C(compose): containers of one compose project, several servers of them behind a load balancer."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

from ...compose import template
from ...errors import BadInput
from ...secrets import IN_CONTAINERS
from .. import opentelemetry
from ..launch import STORED_KEYS
from ..settings import Errors
from . import common

# What no operation alongside the servers needs.
_OF_SERVERS = ("MLFLOW_FLASK_SERVER_SECRET_KEY", *STORED_KEYS.values(), opentelemetry.HEADERS)
_LOAD_BALANCER = "load-balancer"
# What a container can write, beside its volumes.
_TMP = "/tmp"  # noqa: S108
# Containers that run when they are asked for.
_OPERATIONS = ("trial", "schema", "ops")
_GENERATED = ("admin-password", common.FLASK_KEY, *STORED_KEYS)
_ITSELF = ("localhost", "127.0.0.1", "::1")
# A server finishes its requests in so many seconds.
_FINISHING_SECONDS = 45
# Of one host; each has a name and files of its own.
_MOST_SERVERS = 100


def plan(request: common.Request) -> dict[str, Any]:
    """C(plan.plan) for compose. C(plan["compose"]) holds

    C(dir), C(file) (the compose file in it), C(common) (for the filter compose), C(servers) (names of services),
    C(services) (of each server C(name), C(container), C(network) (empty: all), C(zone)), C(balanced) (whether a load
    balancer publishes them), C(load_balancer) (its container; empty without), C(networks), C(subnets) (by network),
    C(images), C(claims) (C(projects), C(containers), C(volumes) that nobody else may have), C(generated) (files of
    secrets that are made where they are missing), C(removed) (those that go with the data), C(published) (address of
    host and container), C(mounts) (folder or volume by what it is for), C(environments) (of server, schema, ops and
    trial).

    Once the engine was asked also C(running) (names of services), C(replaceable) (those of C(services) that are
    replaced one after the other), C(cut_off) (zones of servers without a network, by container), C(reachable) (names of
    the other services), C(settled) (whether all servers run, and nothing has a problem), C(balancing)
    (whether there is a load balancer), C(superfluous) (volumes of servers that are no more).

    C(plan["secrets"]) maps files in C(dir) to what they are copies of.
    """
    _check(request)
    settings = request.settings
    folder = request.folder
    replicas = max(1, settings.number("replicas", 1))
    servers = [f"server-{number + 1}" for number in range(replicas)]
    containers = [f"{request.name}-{server}" for server in servers]
    tls = bool(settings.text("tls_certificate"))
    balanced = replicas > 1 or tls
    balancer = f"{request.name}-{_LOAD_BALANCER}"
    zones = {str(zone): str(subnet or "") for zone, subnet in settings.mapping("zones").items()}
    networks = {f"{request.name}-{zone}": subnet for zone, subnet in zones.items()} or {request.name: ""}
    services = _services(servers, containers, list(zones), list(networks))
    stored = common.stored_places(request, lambda name: {"file": f"{settings.text('secrets_dir')}/{name}"})
    password = settings.text("auth_password_file")
    connections = request.offered_connections - settings.number("reserved_connections")
    launch = common.compute_launch(
        request,
        {
            "python": common.CONTAINER_PYTHON,
            "host": "0.0.0.0",  # noqa: S104
            "port": common.CONTAINER_PORT,
            "allowed_hosts": [
                balancer,
                *containers,
                *([settings.text("hostname")] if settings.text("hostname") else []),
                *settings.items("allowed_hosts"),
            ],
            # One more while they are replaced one after the other would be one too many: the old one goes first.
            "servers": replicas,
            "max_connections": connections,
            "scratch_dir": _TMP,
            "auth": common.auth_place(request, common.CONTAINER_AUTH_FILE, stored.get(common.FLASK_KEY, {})),
            "keys": common.key_places(stored),
        },
    )
    # Files on the host that servers read at their start, by the name of the variable.
    places = {name: place["file"] for name, place in launch.get("secrets", {}).items() if "file" in place}
    inside = {
        **launch,
        "secrets": launch.get("secrets", {}) | {name: {"file": f"{IN_CONTAINERS}/{name}"} for name in places},
    }
    secrets = _secrets(request, places, password)
    urls = _urls(request, containers[0], balancer if balanced else "", tls)
    images = _images(request, balanced)
    runner = {
        "type": "compose",
        "name": request.name,
        "project": f"{folder}/compose.yaml",
        "docker_host": settings.text("docker_host"),
        "published": urls["local"],
        "options": {
            "url": urls["operations"],
            "username": settings.text("auth_admin", "admin") if request.auth else "",
            # Of the host: whoever asks reads it and sends it along. Not every container has it.
            "password_file": password if request.auth else "",
            "database_uri": str(request.database.get("uri") or ""),
            "artifacts": common.artifacts_folder(request),
        },
    }
    return {
        "launch": inside if launch else {},
        "ports": {"listen": common.CONTAINER_PORT, "publish": settings.number("port", common.CONTAINER_PORT)},
        "urls": urls,
        "files": common.launch_files(inside if launch else {}),
        "secrets": secrets,
        "resources": {
            "servers": replicas,
            "offered": request.offered_connections,
            "connections": connections,
            "images": images,
        },
        "schema": common.schema_options_of_containers(request),
        "deployed": _deployed(request),
        "staged": {"runner": {**runner, "project": f"{settings.text('staged_dir')}/compose.yaml"}},
        "compose": {
            "dir": folder,
            "file": f"{folder}/compose.yaml",
            "common": {
                "name": request.name,
                "component": "server",
                "networks": list(networks),
                "labels": dict(settings.mapping("labels")),
            },
            "servers": servers,
            "services": services,
            "balanced": balanced,
            "load_balancer": balancer if balanced else "",
            "networks": list(networks),
            "subnets": networks,
            "images": images,
            "claims": _claims(request, servers, balanced),
            "published": _published(request),
            "generated": [
                *([password] if request.auth else []),
                *(place["file"] for place in stored.values()),
            ],
            # Also those of earlier settings. A file elsewhere is of whoever named it.
            "removed": [f"{settings.text('secrets_dir')}/{name}" for name in _GENERATED],
            **_contents(request, folder, places, secrets),
            **_seen(request, services),
        },
        "connection": common.connection(
            request,
            uri=urls["public"],
            host=settings.text("hostname") or common.reachable(common.listens(request)),
            password={"file": password},
            restored=stored,
            runner=runner,
            workload={
                "inside_uri": urls["inside"],
                "networks": list(networks),
                "load_balancer": balancer if balanced else "",
                "containers": containers,
                "images": images,
            },
        ),
    }


def fits(planned: Mapping[str, Any], observed: Mapping[str, Any]) -> list[str]:
    """What is wrong with a Docker Engine, see C(plan.fits). C(observed) is what mlflow_compose_info returned."""
    found = Errors()
    name = planned["name"]
    problem = observed["engine"]["problem"] or observed["compose"]["problem"]
    found.add(problem, bool(problem))
    found.add(misfit := common.port_misfit(planned, observed), bool(misfit))
    found.add(
        f"A subnet is in use already: {'; '.join(observed['overlaps'])}. Set mlflow_zones to another, or leave it"
        f" empty.",
        bool(observed["overlaps"]),
    )
    others = "Set mlflow_name to another, or remove them where nobody needs them."
    found.add(
        f"Containers with these names, or in compose projects with the names of ours, were made by others, and are not"
        f" touched: {', '.join(observed['foreign_containers'])}. {others}",
        bool(observed["foreign_containers"]),
    )
    for kind, untouched in (("networks", ""), ("volumes", ", and are not touched")):
        foreign = [one for one, owner in observed[kind].items() if owner != name]
        found.add(
            f"{kind.capitalize()} with these names were made by others{untouched}: {', '.join(foreign)}. {others}",
            bool(foreign),
        )
    return found.as_list()


def _check(request: common.Request) -> None:
    settings, errors = request.settings, request.errors
    common.check_image(request)
    common.check_range(request, "replicas", 1, _MOST_SERVERS)
    common.check_range(request, "drain_seconds", 0)
    common.check_range(request, "rollout_timeout", 1)
    common.check_range(request, "reserved_connections", 0)
    common.check_volume(request)
    common.check_metrics_dir(request, _TMP)
    common.check_no_tls_inside(request)
    common.check_resources(request, "resources")
    common.check_resources(request, "load_balancer_resources")
    common.check_profile_fits(request)
    common.check_database_is_postgresql(request, "the platform compose")
    common.check_secret_files(request)
    try:
        template.check_name(request.name, "mlflow_name")
    except BadInput as error:
        settings.reject("name", str(error))
    for name in ("run_as", "load_balancer_run_as"):
        errors.add(
            f"mlflow_server_{name} is empty: on the platform compose it must be a user of containers, such as 10001.",
            not settings.text(name),
        )
        common.check_range(request, name, 1)
    for zone, subnet in settings.mapping("zones").items():
        _check_zone(request, str(zone), str(subnet or ""))
    try:
        ipaddress.ip_address(common.listens(request).replace("%", "no zone") or "::")
    except ValueError:
        errors.add(
            f"mlflow_server_host is '{settings.text('host')}'; on the platform compose it must be an address of the"
            f" host, such as 127.0.0.1 or ::1, or empty for all of them."
        )
    zones, replicas = len(settings.mapping("zones")), settings.number("replicas", 1)
    errors.add(
        f"mlflow_server_replicas is {settings.text('replicas')}, but there are {zones} zones: each needs a server.",
        replicas < zones,
    )
    host = str(request.database.get("host") or "")
    errors.add(
        f"The database is at {host}, which in a container is the container itself: name an address in"
        f" mlflow_database_uri at which containers reach it.",
        host in _ITSELF,
    )


def _check_zone(request: common.Request, zone: str, subnet: str) -> None:
    try:
        template.check_name(zone, "A zone of mlflow_zones")
    except BadInput as error:
        request.errors.add(str(error))
    try:
        ipaddress.ip_network(subnet or "10.0.0.0/8")
    except ValueError:
        request.errors.add(
            f"The subnet of the zone {zone} in mlflow_zones is '{subnet}', which is no network such as 10.20.0.0/24."
        )


def _secrets(request: common.Request, places: Mapping[str, str], password: str) -> dict[str, str]:
    """Folders, so that each container sees its own only: servers, the schema's (the owner), operations, trial."""
    files: dict[str, str] = {}
    for name, file in places.items():
        files |= {f"secrets/server/{name}": file, f"secrets/trial/{name}": file}
        if name not in _OF_SERVERS and name not in request.settings.mapping("secret_env"):
            files[f"secrets/ops/{name}"] = file
    for name, place in (request.owner.get("secrets") or {}).items():
        files[f"secrets/schema/{name}"] = str(place.get("file") or "")
    if request.auth:
        files["secrets/schema/MLFLOW_AUTH_ADMIN_PASSWORD"] = password
        files["secrets/ops/MLFLOW_TRACKING_PASSWORD"] = password
        files["secrets/trial/MLFLOW_TRACKING_PASSWORD"] = password
    if certificate := request.settings.text("tls_certificate"):
        files["load-balancer/certificate.pem"] = certificate
        files["load-balancer/certificate.pem.key"] = request.settings.text("tls_key")
    return files


def _urls(request: common.Request, first: str, balancer: str, tls: bool) -> dict[str, str]:
    settings = request.settings
    prefix, port = settings.text("static_prefix"), settings.number("port", common.CONTAINER_PORT)
    local = common.url(common.reachable(common.listens(request)), port, prefix, tls)
    host = settings.text("hostname") or common.named(request)
    named = common.url(host, port, prefix, tls) if host else ""
    # Through the load balancer, as clients do, unless that would need its certificate to be trusted.
    asked = balancer if balancer and not tls else first
    return {
        "public": settings.text("url") or named or local,
        "local": local,
        "inside": common.url(balancer or first, common.CONTAINER_PORT, prefix, tls),
        "operations": common.url(asked, common.CONTAINER_PORT, prefix),
    }


def _images(request: common.Request, balanced: bool) -> list[str]:
    settings = request.settings
    own = [settings.text("image"), *([settings.text("load_balancer_image")] if balanced else [])]
    return common.unique([*own, *common.listed(request.database, "images"), *common.listed(request.store, "images")])


def _services(servers: list[str], containers: list[str], zones: list[str], networks: list[str]) -> list[dict[str, str]]:
    """Servers in turn in the zones."""
    return [
        {
            "name": server,
            "container": container,
            "zone": zones[number % len(zones)] if zones else "",
            "network": networks[number % len(zones)] if zones else "",
        }
        for number, (server, container) in enumerate(zip(servers, containers, strict=True))
    ]


def _claims(request: common.Request, servers: list[str], balanced: bool) -> dict[str, list[str]]:
    """Names that this deployment is about to give, which nobody else may have."""
    services = [*servers, *([_LOAD_BALANCER] if balanced else []), *_OPERATIONS]
    own = {
        "projects": [f"{request.name}-server"],
        "containers": [f"{request.name}-{service}" for service in services],
        "volumes": [
            *_scratch(request, servers),
            *([str(request.store["claim"])] if request.store.get("claim") else []),
        ],
    }
    return {
        kind: [*names, *common.listed(request.database, kind), *common.listed(request.store, kind)]
        for kind, names in own.items()
    }


def _scratch(request: common.Request, servers: list[str]) -> list[str]:
    return [f"{request.name}-{server}-{template.SCRATCH}" for server in servers]


def _published(request: common.Request) -> str:
    host, port = common.literal(common.listens(request)), request.settings.number("port", common.CONTAINER_PORT)
    return f"{host}:{port}:{common.CONTAINER_PORT}" if host else f"{port}:{common.CONTAINER_PORT}"


def _contents(
    request: common.Request, folder: str, places: Mapping[str, str], secrets: Mapping[str, str]
) -> dict[str, Any]:
    """What the template writes into services."""
    settings = request.settings
    user, balancer_user = (settings.number(name) for name in ("run_as", "load_balancer_run_as"))
    drain = settings.number("drain_seconds", 2)
    pgpassword = {"PGPASSWORD_FILE": f"{IN_CONTAINERS}/PGPASSWORD"} if "PGPASSWORD" in places else {}
    login = {"MLFLOW_TRACKING_PASSWORD_FILE": f"{IN_CONTAINERS}/MLFLOW_TRACKING_PASSWORD"} if request.auth else {}
    database_env, store_env = request.database.get("env") or {}, request.store.get("env") or {}
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true"}
    return {
        "identity": f"{user}:{user}",
        "load_balancer_identity": f"{balancer_user}:{balancer_user}",
        "stop_grace_period": f"{_FINISHING_SECONDS + drain}s",
        "drain_seconds": drain,
        "environments": {
            "server": {
                # For the health check. The password is read from the file.
                "READY_DATABASE": re.sub(r"[+]psycopg2?:", ":", str(request.database.get("uri") or "")),
                "READY_PREFIX": settings.text("static_prefix"),
                **pgpassword,
            },
            "trial": {**pgpassword, **login, **quiet},
            "schema": {**_text(database_env), **_files(secrets, "schema"), **quiet},
            "ops": {**_text({**database_env, **store_env}), **_files(secrets, "ops"), **quiet},
        },
        "mounts": {
            "configuration": f"{folder}/configuration",
            "load_balancer": f"{folder}/load-balancer",
            **{name: f"{folder}/secrets/{name}" for name in ("server", "trial", "schema")},
            # Empty where no operation needs a secret.
            "ops": f"{folder}/secrets/ops" if _files(secrets, "ops") else "",
            "artifacts": str(request.store.get("claim") or ""),
        },
    }


def _text(env: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in env.items()}


def _files(secrets: Mapping[str, str], whose: str) -> dict[str, str]:
    """Environment that says where a container reads its secrets."""
    names = [path.rpartition("/")[2] for path in secrets if path.startswith(f"secrets/{whose}/")]
    return {f"{name}_FILE": f"{IN_CONTAINERS}/{name}" for name in names}


def _deployed(request: common.Request) -> str:
    """Version of the servers that are there, running or not."""
    versions = [one.get("version") for one in request.found.get("containers") or [] if one["component"] == "server"]
    return str(next(filter(None, versions), ""))


def _seen(request: common.Request, services: list[dict[str, str]]) -> dict[str, Any]:
    """What is there already. Only servers that run can be replaced one after the other."""
    there = request.found.get("containers") or []
    own = [one for one in there if one["component"] == "server" and one["state"] == "running"]
    running = [one["service"] for one in own if str(one["service"]).startswith("server-")]
    servers = [one["name"] for one in services]
    alone = {str(one["name"]): str(one["zone"]) for one in own if not one["networks"]}
    kept = _scratch(request, servers)
    of_servers = re.compile(rf"{re.escape(request.name)}-server-\d+-")
    return {
        "running": running,
        # At the first deployment all start at once.
        "replaceable": [one for one in services if one["name"] in running] if len(running) > 1 else [],
        "cut_off": alone,
        "reachable": [one["name"] for one in services if one["container"] not in alone],
        "settled": set(servers) <= set(running) and not any(one["problem"] for one in there),
        "balancing": any(one["service"] == _LOAD_BALANCER for one in there),
        "superfluous": [
            volume for volume in request.found.get("scratch") or [] if of_servers.match(volume) and volume not in kept
        ],
    }
