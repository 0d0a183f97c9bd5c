# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PRIVATE to the collection: how modules carry out operations, here or where a deployment's runner says.

Argument specs here match the doc fragment runner.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ._engine import cli, operations, protocol, secrets
from ._engine import deadline as time_limit
from ._engine.connection import RunnerConnection
from ._engine.errors import EngineError
from ._engine.progress import Say, silent
from ._kubernetes import LOGIN_ARGS, cluster_of
from ._module import masked, secret_of

RUNNER_ARGS: dict[str, Any] = {
    "runner": {"type": "dict"},
    "cluster": {"type": "dict", "options": LOGIN_ARGS, "default": {}},
    "reservation": {"type": "str", "default": ""},
}
# What modules that ask no server may be given in files.
_SECRETS = ("password", "admin_password", "access_key", "secret_key")
# What a host's runner starts: named here, so that Ansible sends it along with the module.
_SENT_ALONG = (cli.main,)


def carry_out(
    module: AnsibleModule,
    operation: str,
    options: Mapping[str, Any],
    *,
    deadline: float = 0.0,
    say: Say = silent,
    image: str = "",
) -> dict[str, Any]:
    """One operation, where the module's options say.

    :param options: beyond those that say which server; what is None is not given.
    :param image: of its container, instead of that which the runner has.
    :returns: what it found; C(failed) and C(msg) where it found something wrong.
    """
    known = protocol.OPERATIONS[operation].options
    params = module.params
    own = {name: params.get(name) for name in ("url", "ca_path", "client_cert", "client_key", "timeout", "username")}
    given = {name: value for name, value in {**own, **options}.items() if value is not None and name in known}
    login = {"password": secret_of(module, "password"), "token": params.get("token")}
    if not params["runner"]:
        if "validate_certs" in known and "validate_certs" in params:
            given["validate_certs"] = params["validate_certs"]
        return here(_request(module, operation, given, login, deadline), say)
    return in_deployment(module, operation, given, login=login, deadline=deadline, say=say, image=image)


def carry_out_without_server(
    module: AnsibleModule, operation: str, options: Mapping[str, Any], *, deadline: float = 0.0, say: Say = silent
) -> dict[str, Any]:
    """One operation that asks no server, where the module's options say.

    :param options: what is None is not given.
    """
    given = {name: value for name, value in options.items() if value is not None}
    if module.params["runner"]:
        return in_deployment(module, operation, given, deadline=deadline, say=say)
    for option in _SECRETS:  # what stands in their files is masked in all output
        with contextlib.suppress(EngineError):
            secret_of(module, option)
    return here(_request(module, operation, given, {}, deadline), say, os.environ)


def here(request: protocol.Request, say: Say, env: Mapping[str, str] | None = None) -> dict[str, Any]:
    """One operation in this process.

    :raises EngineError: it cannot be done, or its time is over.
    """
    try:
        with time_limit.kept(request):
            return operations.run(request, say, env)
    except protocol.Ended as error:
        raise EngineError(str(error)) from None


def in_deployment(
    module: AnsibleModule,
    operation: str,
    options: Mapping[str, Any],
    *,
    login: Mapping[str, str | None] | None = None,
    deadline: float = 0.0,
    say: Say = silent,
    image: str = "",
) -> dict[str, Any]:
    """One operation where the module's runner says, which also says what C(options) do not."""
    place = RunnerConnection.parse({**module.params["runner"], **({"image": image} if image else {})})
    known = protocol.OPERATIONS[operation].options
    told = {name: value for name, value in place.options.items() if name in known and value not in (None, "")}
    login = dict(login or {})
    runner = _runner(module, place)
    # Of this host: where the operation runs the file may not be there, or not be readable for the data's owner.
    if file := told.pop("password_file", None):
        runner.require()  # a deployment that is gone has no file either, and that is not the reason
        login["password"] = login.get("password") or masked(module, secrets.read(file, "password_file of the runner"))
    request = _request(module, operation, {**told, **options}, login, deadline)
    return runner.run(request, say)


def password_place(module: AnsibleModule) -> str:
    """Where the password lies that the module's operations log in with, for people; empty where that is not known."""
    if not module.params["runner"]:
        return str(module.params.get("password_file") or "")
    where = RunnerConnection.parse(module.params["runner"])
    login = where.place.get("login") or {}
    secret = f"the Secret {where.place.get('namespace')}/{login.get('secret')}, key {login.get('key')}" if login else ""
    return str(where.options.get("password_file") or secret)


def deployment_of(module: AnsibleModule) -> protocol.Runner | None:
    """Where the module's operations run, if it is a deployment's runner."""
    where = module.params["runner"]
    return _runner(module, RunnerConnection.parse(where)) if where else None


def _request(
    module: AnsibleModule,
    operation: str,
    options: Mapping[str, Any],
    login: Mapping[str, str | None],
    deadline: float,
) -> protocol.Request:
    secret = {name: value for name, value in login.items() if value}
    # A load test asks a deployment's runner, too, and is part of no upgrade.
    reservation = module.params.get("reservation") or ""
    return protocol.Request(operation, options, module.check_mode, deadline, secret, reservation)


def _runner(module: AnsibleModule, where: RunnerConnection) -> protocol.Runner:
    place = where.place
    if where.type == "kubernetes":
        from ._engine.kubernetes.runner import KubernetesRunner

        return KubernetesRunner(
            cluster_of(module, module.params.get("cluster")),
            str(place["namespace"]),
            str(place["name"]),
            dict(place.get("login") or {}),
            str(place.get("image") or ""),
            str(place.get("workload") or "Deployment"),
            str(place.get("inside") or ""),
            list(place.get("certificates") or []),
        )
    if where.type == "compose":
        from ._engine.compose.client import use
        from ._engine.compose.runner import ComposeRunner

        use(str(place.get("docker_host") or ""))
        image = str(place.get("image") or "")
        return ComposeRunner(str(place["name"]), str(place["project"]), where.published, image)
    from ._engine.host.runner import HostRunner

    return HostRunner(
        name=str(place["name"]),
        directory=str(place["directory"]),
        python=str(place.get("python") or ""),
        user=str(place.get("user") or ""),
        supervision=str(place.get("supervision") or "auto"),
        address=where.published,
    )
