# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Plan: what a server deployment is on each platform, computed from what the user said and from what was seen.

Pure: the same input gives the same plan, nothing is asked or changed. Roles' templates read settings and plan, and
compute nothing. May import launch, connections and the platforms' names; never what runs or asks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...errors import BadInput
from .. import moved
from ..settings import Errors, Settings
from . import common, compose, host, kubernetes

_Planner = Callable[[common.Request], dict[str, Any]]
_Fits = Callable[[Mapping[str, Any], Mapping[str, Any]], list[str]]
_PLATFORMS: dict[str, tuple[_Planner, _Fits]] = {
    "host": (host.plan, host.fits),
    "compose": (compose.plan, compose.fits),
    "kubernetes": (kubernetes.plan, kubernetes.fits),
}


def plan(
    platform: str,
    settings: Mapping[str, Any],
    database: Mapping[str, Any],
    store: Mapping[str, Any],
    observed: Mapping[str, Any] | None = None,
    staged: bool = False,
) -> dict[str, Any]:
    """Plan one deployment. Call it again when more was seen.

    :param platform: C(host), C(compose) or C(kubernetes).
    :param settings: the role's variables without the prefix C(mlflow_server_), of any type that a survey may give;
        C(auth_password_length) instead of the password, and C(inventory_hostname). See roles/mlflow_server/vars.
    :param database: connection of the database, see C(connection.Connection).
    :param store: connection of the artifact store.
    :param observed: what was seen so far, each key left out or {} before: by the name of the platform what its module
        returned (mlflow_host_info, mlflow_compose_info, mlflow_kubernetes_info), and C(max_connections), which the
        database itself said.
    :param staged: plan it in C(staged_dir) instead of C(dir), beside what runs, as an upgrade does on compose.
    :returns: a dict with these keys on every platform:

        ========== ======================================================================================
        name       of the deployment
        target     the host as the inventory calls it, for messages
        launch     C(argv), C(env), C(secrets) and C(jobs), as the server's starter reads them; {} with errors
        listens    address on which clients connect, as the user gave it; may be empty (any)
        ports      C(listen): where the server listens, in its container where it has one;
                   C(publish): where clients connect (of the host, or of the Service)
        urls       C(public): what others use; C(local): from this host, empty where there is none;
                   C(inside): from the deployment's own network; C(operations): what operations ask
        files      text by name, of what was computed and is written for the server (C(launch.json); none with errors)
        secrets    what is put where: platform's own, see host, compose and kubernetes
        schema     options of modules under the role that may change it: C(reads) of mlflow_schema_info, C(writes) of
                   mlflow_schema
        bucket     options of mlflow_bucket; {} where artifacts are in none
        auth       C(enabled); C(database_uri) as auth.ini has it, C(username) (empty without), C(cache_seconds)
        staged     C(runner): as in C(connection), but with what an upgrade prepares alongside that which serves
        version    that the server must answer
        deployed   version of the servers that were seen; empty where none are, or they do not say
        errors     validation errors of the settings, each a sentence that names the variables; [] where there are none
        misfits    what C(fits) says of C(observed[platform]), and data that lies elsewhere than that of the deployment
                   which was seen, unless C(accept_other_data); [] before it was seen
        connection C(mlflow_server_connection), the same keys on every platform:
                   C(type), C(uri), C(host), C(port), C(env), C(secrets), C(version), C(profile), C(scalable) (whether
                   there can be another number of servers), C(database) (C(type), C(uri)), C(restored_secrets) (places
                   by name, of what a restored database needs), C(runner), C(workload), C(schema) (C(uri),
                   C(password_file): of who owns the tables)
        resources  C(servers): at most at the same time; C(offered): connections of the database for all roles;
                   C(connections): those for all servers (0: not known, or no limit); C(images): of the deployment
        ========== ======================================================================================

        and one with the platform's name, which holds what only that one has.
    :raises BadInput: there is no such platform. Everything else that is wrong is in C(errors).
    """
    if platform not in _PLATFORMS:
        raise BadInput(f"mlflow_server_platform '{platform}' is not offered; offered are {', '.join(_PLATFORMS)}.")
    compute, misfits = _PLATFORMS[platform]
    seen = observed or {}
    found = seen.get(platform) or {}
    errors = Errors()
    request = common.Request(
        settings=Settings(settings, errors),
        database=database if isinstance(database, Mapping) else {},
        store=store if isinstance(store, Mapping) else {},
        found=found,
        max_connections=int(seen.get("max_connections") or 0),
        staged=staged,
        errors=errors,
    )
    common.check(request)
    planned = compute(request)
    # For those who work on the database under the role that owns it.
    planned["connection"]["schema"] = {
        name: value for name, value in planned["schema"]["reads"].items() if name in ("uri", "password_file")
    }
    planned = {**_shared(request), **planned, "errors": errors.as_list()}
    return {**planned, "misfits": [*misfits(planned, found), *_moved(request, planned)] if found else []}


def fits(planned: Mapping[str, Any], observed: Mapping[str, Any]) -> list[str]:
    """What is wrong with where the deployment would be: sentences, [] where nothing is.

    :param planned: what C(plan) returned.
    :param observed: what the platform's module returned.
    """
    platform = planned["connection"]["runner"]["type"]
    return _PLATFORMS[platform][1](planned, observed)


def _moved(request: common.Request, planned: Mapping[str, Any]) -> list[str]:
    if request.settings.flag("accept_other_data"):
        return []
    return moved.moved(request.found.get("launch") or {}, planned["launch"], "mlflow_server_accept_other_data")


def _shared(request: common.Request) -> dict[str, Any]:
    settings = request.settings
    auth_uri = str(request.database.get("auth_uri") or "")
    return {
        "name": request.name,
        "listens": common.listens(request),
        "target": settings.text("inventory_hostname", "this host"),
        "bucket": common.bucket_options(request),
        "auth": {
            "enabled": request.auth,
            "username": settings.text("auth_admin", "admin") if request.auth else "",
            # For a file whose reader takes % for its own.
            "database_uri": auth_uri.replace("%", "%%"),
            "cache_seconds": settings.number("auth_cache_seconds", 60),
        },
        "version": settings.text("version"),
    }
