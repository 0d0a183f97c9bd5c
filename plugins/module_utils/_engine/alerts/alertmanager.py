# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The configuration of an Alertmanager: routes and receivers are the user's, and are checked before anything starts.

What an Alertmanager refuses by itself, its own amtool says. Checked here is what it would accept: a receiver that
nobody is ever sent to, and a secret in a file that everybody who may look at the deployment can read.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ..errors import BadInput
from ..paths import absolute_path
from ..secrets import IN_CONTAINERS

VARIABLE = "mlflow_monitoring_alertmanager_config"
FILES = "mlflow_monitoring_alertmanager_secrets"
# Alerts are shown, and nobody is told.
_NOBODY: dict[str, Any] = {"route": {"receiver": "nobody"}, "receivers": [{"name": "nobody"}]}
# Keys whose value is a secret. Each has a sister with _file behind it.
_SECRET = re.compile(r"(?:.*_)?(?:password|secrets?|token|token_id|key|credentials|webhook_url|slack_api_url)")
# Elsewhere an api_url is the address of a service.
_ADDRESSED_BY_SECRET = re.compile(r"\.slack_configs\.\d+\.api_url$")
_LOGIN_IN_URL = re.compile(r"://[^/@\s]*:[^/@\s]+@")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def configuration(given: Any) -> dict[str, Any]:
    """What Alertmanager gets: the user's, or one that tells nobody."""
    return dict(given) if given else _NOBODY


def errors(given: Any, files: Any, contained: bool = True) -> list[str]:
    """All that is wrong with it, in sentences.

    :param given: a configuration of Alertmanager; empty for none.
    :param files: secrets that are files of the host, by the name that they have below C(/run/secrets).
    :param contained: whether it runs in a container. On a host it finds files where they are.
    """
    if not given:
        return []
    if not isinstance(given, Mapping) or not isinstance(given.get("route"), Mapping):
        return [f"{VARIABLE} has no route: it is a configuration of Alertmanager, with route and receivers."]
    known = {f"{IN_CONTAINERS}/{name}" for name in files} if isinstance(files, Mapping) else set()
    return [*_routing(given), *_secrets(given, known if contained else None)]


def copies(files: Any) -> dict[str, str]:
    """The files of the host, by the path of their copy in the project.

    :raises BadInput: a name or a path is none.
    """
    if not isinstance(files, Mapping):
        raise BadInput(f"{FILES} must be a dict of names, and of the files on the host that hold these secrets.")
    for name, path in files.items():
        if not _NAME.fullmatch(str(name)):
            raise BadInput(f"{FILES} has '{name}', which is no name of a file: use letters, digits, '.', '_' and '-'.")
        absolute_path(str(path), f"{FILES}.{name}")
    return {f"secrets/alertmanager/{name}": str(path) for name, path in files.items()}


def _routing(given: Mapping[str, Any]) -> Iterator[str]:
    listed = given.get("receivers")
    names = [str(one.get("name") or "") if isinstance(one, Mapping) else "" for one in listed or []]
    if not isinstance(listed, list) or not names or not all(names):
        yield f"{VARIABLE}.receivers must be a list of receivers, each with a name."
        return
    told = set()
    for where, receiver in _receivers(given["route"], "route"):
        told.add(receiver)
        if receiver not in names:
            yield (
                f"{VARIABLE}.{where} goes to the receiver '{receiver}', which is not there: give it to receivers, or "
                f"name one of {', '.join(sorted(set(names)))}."
            )
    if not given["route"].get("receiver"):
        yield f"{VARIABLE}.route has no receiver: name the one that gets what no other route takes."
    for name in sorted(set(names)):
        if names.count(name) > 1:
            yield f"{VARIABLE}.receivers has '{name}' twice: give each a name of its own."
        if name not in told:
            yield (
                f"{VARIABLE}.receivers has '{name}', and no route goes there, so that it is never told: add a route "
                f"with receiver: {name}, or leave it out."
            )


def _receivers(route: Mapping[str, Any], where: str) -> Iterator[tuple[str, str]]:
    """The receiver of a route and of those below it, where they name one: others go where the route above goes."""
    if receiver := route.get("receiver"):
        yield where, str(receiver)
    for number, inner in enumerate(route.get("routes") or []):
        if isinstance(inner, Mapping):
            yield from _receivers(inner, f"{where}.routes.{number}")


def _secrets(given: Mapping[str, Any], known: Collection[str] | None) -> Iterator[str]:
    place, listed = (f"{IN_CONTAINERS}/NAME", f" and name that in {FILES}") if known is not None else ("its path", "")
    for where, value in _values({name: given.get(name) for name in ("global", "receivers")}, VARIABLE):
        key = where.rpartition(".")[2]
        if key.endswith("_file"):
            if value not in known if known is not None else not str(value).startswith("/"):
                wanted = f"{place}, with NAME and its file in {FILES}" if known is not None else "an absolute path"
                yield f"{where} is '{value}'; it must be {wanted}."
        elif _SECRET.fullmatch(key) or _ADDRESSED_BY_SECRET.search(where) or _LOGIN_IN_URL.search(str(value)):
            yield (
                f"{where} is a secret, and would be readable: write it to a file{listed}, then set {key}_file to "
                f"{place} instead."
            )


def _values(value: Any, where: str) -> Iterator[tuple[str, Any]]:
    """Every value that is set, with the keys that lead to it."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _values(inner, f"{where}.{key}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _values(inner, f"{where}.{number}")
    elif value not in (None, ""):
        yield where, value
