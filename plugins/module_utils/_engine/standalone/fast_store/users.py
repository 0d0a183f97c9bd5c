# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who asks and what they may, in one statement a request. What is decided of it, MLflow's own functions decide.

MLflow reads the user three times for a request and the grants as often as it compares something with them. Here a
request reads both once, and nothing is kept for the next one: who lost a right has lost it. MLflow itself keeps the
passwords that it has checked for some time; when one is due, one request checks it and those beside it wait.
"""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

from .attempt import are
from .connections import Connections

_logger = logging.getLogger("mlflow.mlops_mlflow_fast")

with contextlib.suppress(ImportError):
    from flask import g, has_request_context

_USER = """SELECT u.id, u.username, u.password_hash, u.is_admin,
  (SELECT json_agg(json_build_array(r.workspace, p.resource_type, p.resource_pattern, p.permission))
   FROM user_role_assignments a JOIN roles r ON r.id = a.role_id JOIN role_permissions p ON p.role_id = r.id
   WHERE a.user_id = u.id)::text
FROM users u WHERE u.username = %(name)s"""
_EXPERIMENT = "SELECT experiment_id FROM runs WHERE run_uuid = %(run)s"
# Methods of MLflow's store of users that change nothing.
_READS = ("get_", "list_", "has_", "is_", "user_has_", "authenticate_")


def ask_once(tracking: Any) -> None:
    """Of a server with basic authentication whose users are in a database like that of C(tracking), the engine of its
    store; any other stays as it is.
    """
    auth: Any = sys.modules.get("mlflow.server.auth")
    engine = getattr(getattr(auth, "store", None), "engine", None)
    if engine is None or auth.store.read_engine or engine.dialect.name != tracking.dialect.name:
        return
    if isinstance(auth.store.get_user, functools.partial):
        return  # another store of this process has seen to it
    _logger.info("The fast store of mlops.mlflow reads users and grants once a request.")
    known = _OfRequest(auth, Connections(engine))
    auth.store.get_user = functools.partial(known.user, auth.store.get_user)
    auth.store.list_grants = functools.partial(known.grants, auth.store.list_grants)
    for name in dir(type(auth.store)):
        if not name.startswith(("_", *_READS)) and callable(method := getattr(auth.store, name)):
            setattr(auth.store, name, functools.partial(known.changed, method))
    auth._fetch_or_none = functools.partial(_fetch_or_none, auth._fetch_or_none)
    auth._authenticate_cached = functools.partial(_authenticate, auth, _Turns(), auth._authenticate_cached)


class _OfRequest:
    """Users and grants as long as a request lasts."""

    def __init__(self, auth: Any, connections: Connections) -> None:
        self._connections = connections
        self._user = auth.User
        self._grant = sys.modules[type(auth.store).__module__].RoleGrantRow
        self._check = sys.modules[type(auth.store).__module__]._validate_resource_type
        self._of_workspaces = auth.RESOURCE_TYPE_WORKSPACE

    def user(self, stock: Callable[..., Any], username: str) -> Any:
        if not (has_request_context() and are(str, username)):
            return stock(username)
        users, grants = _kept()
        if username not in users:
            try:
                row = self._connections.one(_USER, {"name": username})
            except Exception:
                row = None
            if row is None:
                return stock(username)  # which says what is wrong
            users[username] = self._user(id_=row[0], username=row[1], password_hash=row[2], is_admin=row[3])
            grants[row[0]] = json.loads(row[4]) if row[4] else []
        return users[username]

    def grants(self, stock: Callable[..., Any], user_id: int, workspace: str, resource_types: Any) -> Any:
        found = _kept()[1].get(user_id) if has_request_context() else None
        if found is None:
            return stock(user_id, workspace, resource_types)
        types = set(resource_types)
        for one in types:
            self._check(one)
        types.add(self._of_workspaces)
        return [self._grant(*grant) for where, *grant in found if where == workspace and grant[0] in types]

    def changed(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return method(*args, **kwargs)
        finally:
            if has_request_context():
                g.pop("_mlops_users", None)


def _kept() -> tuple[dict[str, Any], dict[int, Any]]:
    kept: tuple[dict[str, Any], dict[int, Any]] = g.setdefault("_mlops_users", ({}, {}))
    return kept


def _fetch_or_none(stock: Callable[..., Any], fetch: Callable[..., Any], resource_id: str) -> Any:
    """What MLflow decides of a run it decides of its experiment: the rest of the run is not read for that."""
    connections = getattr(getattr(fetch, "__self__", None), "connections", None)
    if connections and fetch.__name__ == "get_run" and are(str, resource_id):
        with contextlib.suppress(Exception):
            if row := connections.one(_EXPERIMENT, {"run": resource_id}):
                return SimpleNamespace(info=SimpleNamespace(experiment_id=str(row[0])))
    return stock(fetch, resource_id)


class _Turns:
    """One after the other, for each key by itself."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: dict[Any, tuple[threading.Lock, list[None]]] = {}

    @contextlib.contextmanager
    def of(self, key: Any) -> Iterator[None]:
        with self._lock:
            turn, waiting = self._taken.setdefault(key, (threading.Lock(), []))
            waiting.append(None)
        try:
            with turn:
                yield
        finally:
            with self._lock:
                waiting.pop()
                if not waiting:
                    del self._taken[key]


def _authenticate(auth: Any, turns: _Turns, stock: Callable[..., Any], username: str, password: str) -> Any:
    """A check of a password takes tens of milliseconds of a processor. Whoever waited finds it done."""
    if auth._USER_AUTH_CACHE is None:
        return stock(username, password)
    key = auth._auth_cache_key(username, password)
    with auth._USER_AUTH_CACHE_LOCK:
        known = auth._USER_AUTH_CACHE.get(key)
    if known is not None:
        return known
    with turns.of(key):
        return stock(username, password)
