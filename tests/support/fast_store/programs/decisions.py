"""What a server with basic authentication decides, for each route, user and thing: `decisions.py ROUTES`.

Runs in MLflow's interpreter, and prints JSON. With the plugin in PYTHONPATH it decides with that, else as MLflow does.
Requests stop where MLflow would carry them out, so that whoever comes second finds the same. What is changed on the way
is changed back. ROUTES: of how many pairs of a route and a thing, 0 for all.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import os
import sys
import threading
import time
from typing import Any

import sqlalchemy
from mlflow.entities import Metric
from mlflow.exceptions import MlflowException
from mlflow.server import app, auth, handlers
from mlflow.server.auth import sqlalchemy_store

PASSWORD = "long enough to pass"
auth.create_app(app)
tracking, registry = handlers._get_tracking_store(), handlers._get_model_registry_store()
ORDINARY = ("reader", "editor", "manager", "caller", "denied", "without", "deputy")
PEOPLE = [("admin", ""), *((name, PASSWORD) for name in ORDINARY), ("nobody", PASSWORD), ("reader", "wrong")]
LEVELS = {"reader": "READ", "editor": "EDIT", "manager": "MANAGE", "caller": "USE", "denied": "DENY"}
statements = 0


def count(*_arguments: Any) -> None:
    global statements
    statements += 1


sqlalchemy.event.listen(sqlalchemy.engine.Engine, "before_cursor_execute", count)


def prepared() -> dict[str, str]:
    """The things, made by whoever comes first; a thing of which users have grants, and one of which none has."""
    if tracking.get_experiment_by_name("granted") is None:
        for name in ("granted", "plain"):
            experiment = tracking.create_experiment(name)
            run = tracking.create_run(experiment, "u", 1, [], name)
            tracking.log_metric(run.info.run_id, Metric("m", 1.0, 1, 1))
            registry.create_registered_model(name)
            registry.create_model_version(name, "dbfs:/none", run.info.run_id)
        granted = str(tracking.get_experiment_by_name("granted").experiment_id)
        for name in ORDINARY:
            auth.store.create_user(name, PASSWORD)
            for kind, pattern in (("experiment", granted), ("registered_model", "granted")):
                if level := LEVELS.get(name):
                    auth.store.grant_user_permission(name, kind, pattern, level)
        # A role, of all experiments and models.
        role = auth.store.create_role("deputies", "default")
        auth.store.add_role_permission(role.id, "experiment", "*", "MANAGE")
        auth.store.add_role_permission(role.id, "registered_model", "*", "EDIT")
        auth.store.assign_role_to_user(auth.store.get_user("deputy").id, role.id)
    found: dict[str, str] = {}
    for name in ("granted", "plain"):
        experiment = str(tracking.get_experiment_by_name(name).experiment_id)
        [run] = tracking.search_runs([experiment], "", 3, 10)
        found |= {f"{name} experiment": experiment, f"{name} run": run.info.run_id}
    return found


def things(ids: dict[str, str]) -> dict[str, dict[str, Any]]:
    """What requests say of each thing, under every name that a route may ask for."""
    found = {}
    for name in ("granted", "plain", "missing"):
        experiment, run = ids.get(f"{name} experiment", "987654321"), ids.get(f"{name} run", "0" * 32)
        found[name] = {
            **dict.fromkeys(("experiment_id", "experimentId", "resource_id"), experiment),
            **dict.fromkeys(("run_id", "run_uuid", "runId"), run),
            **dict.fromkeys(("trace_id", "request_id"), f"tr-{run}"),
            **dict.fromkeys(("name", "model_name", "registered_model_name", "experiment_name"), name),
            **dict.fromkeys(("user_id", "role_id"), 1),
            "experiment_ids": [experiment],
            "model_id": f"m-{run}",
            "path": f"{experiment}/{run}/artifacts/a",
            "artifact_path": f"{experiment}/{run}/a",
            "new_name": f"{name}-2",
            "version": "1",
            "key": "k",
            "metric_key": "m",
            "value": "v",
            "max_results": 5,
            "username": "reader",
            "permission": "READ",
            "resource_type": "experiment",
            "alias": "a",
            "stage": "None",
            "workspace": "default",
            "scorer_name": "s",
            "secret_id": "x",
        }
    return found


def login(name: str, password: str) -> dict[str, str]:
    code = base64.b64encode(f"{name}:{password or ADMIN_PASSWORD}".encode()).decode()
    return {"Authorization": f"Basic {code}"}


def path_of(rule: Any, values: dict[str, Any]) -> str:
    parts = []
    for is_dynamic, data in rule._trace:
        parts.append(str(values.get(data, "x")).strip("/") if is_dynamic else data.lstrip("|"))
    return "".join(parts)


def decided(path: str, method: str, headers: dict[str, str], values: dict[str, Any]) -> str:
    asked: dict[str, Any] = {"json": values} if method != "GET" else {"query_string": values}
    with app.test_request_context(path, method=method, headers=headers, **asked):
        try:
            answer = app.preprocess_request()
        except MlflowException as error:
            return str(error.error_code)
        except Exception as error:
            return type(error).__name__
        return "carried out" if answer is None else str(answer.status_code)


def walked(ids: dict[str, str], routes: int) -> dict[str, str]:
    """In an order of which any beginning has something of everything."""
    values = things(ids)
    asked = sorted(
        {(method, rule.rule, thing, path_of(rule, values[thing]))
         for thing in values for rule in app.url_map.iter_rules() for method in rule.methods - {"HEAD", "OPTIONS"}},
        key=lambda one: hash_of(one[:3]),
    )  # fmt: skip
    found: dict[str, str] = {}
    for number, (method, rule, thing, path) in enumerate(asked[: routes or None]):
        for name, password in PEOPLE:
            # A password that is wrong costs a check each time.
            if password != "wrong" or number % 20 == 0:
                key = f"{method} {rule} {thing} {name} {password == 'wrong'}"
                found[key] = decided(path, method, login(name, password), values[thing])
    return found


def hash_of(one: tuple[str, ...]) -> str:
    return hashlib.sha256("\n".join(one).encode()).hexdigest()


def changed(ids: dict[str, str]) -> list[str]:
    """A right that is given, changed and taken away holds for the next request, however it was changed."""
    client, seen = app.test_client(), []
    api, run, experiment = "/api/2.0/mlflow", ids["plain run"], ids["plain experiment"]
    person = login("without", PASSWORD)

    def look(what: str) -> None:
        written = client.post(
            f"{api}/runs/set-tag", json={"run_id": run, "key": "k", "value": "v"}, headers=person
        ).status_code
        read = client.get(f"{api}/runs/get", query_string={"run_id": run}, headers=person).status_code
        listed = client.post(f"{api}/experiments/search", json={"max_results": 50}, headers=person)
        names = sorted(one["name"] for one in listed.json.get("experiments", []))
        seen.append(f"{what}: {written} {read} {names}")

    def direct(statement: str) -> None:
        """As another server does it, or another process of this one."""
        with auth.store.engine.begin() as connection:
            connection.execute(sqlalchemy.text(statement))

    look("nothing")
    for level in ("EDIT", "MANAGE", "READ", "USE", "DENY"):
        auth.store.grant_user_permission("without", "experiment", experiment, level)
        look(level)
    direct("UPDATE role_permissions SET permission = 'EDIT' WHERE resource_pattern = '" + experiment + "'")
    look("changed beside it")
    auth.store.delete_grants_for_resource("experiment", experiment)
    look("taken away")
    direct("UPDATE users SET is_admin = true WHERE username = 'without'")
    look("administrator")
    direct("UPDATE users SET is_admin = false WHERE username = 'without'")
    look("no administrator any more")
    return seen


def cost(ids: dict[str, str]) -> int:
    """Statements of a metric of an ordinary user."""
    connections, client = getattr(tracking, "connections", None), app.test_client()
    body = {"run_id": ids["granted run"], "key": "m", "value": 2.0, "timestamp": 2, "step": 2}
    if connections:
        fast = type(connections)
        stock = fast.all

        def counted(self: Any, *given: Any) -> Any:
            count()
            return stock(self, *given)

        fast.all = counted
    before = statements
    status = client.post("/api/2.0/mlflow/runs/log-metric", json=body, headers=login("editor", PASSWORD)).status_code
    assert status == 200, status
    return statements - before


def checks_of_a_password() -> int:
    """How often eight requests at once check a password that is due."""
    stock, calls, together = sqlalchemy_store.check_password_hash, itertools.count(), threading.Barrier(8)

    def check(*given: Any) -> bool:
        next(calls)
        time.sleep(0.2)
        return bool(stock(*given))

    def ask() -> None:
        with app.test_request_context("/", headers=login("editor", PASSWORD)):
            together.wait()
            assert app.preprocess_request() is None

    sqlalchemy_store.check_password_hash = check
    auth._USER_AUTH_CACHE.clear()
    threads = [threading.Thread(target=ask) for _number in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    sqlalchemy_store.check_password_hash = stock
    return next(calls)


ADMIN_PASSWORD = os.environ["TEST_ADMIN_PASSWORD"]
ids = prepared()
# First, because users keep a role of their own of what they were given once.
changes = changed(ids)
decisions = walked(ids, int(sys.argv[1]))
print(
    json.dumps(
        {
            "decisions": decisions,
            "changes": changes,
            "statements": cost(ids),
            "checks": checks_of_a_password(),
            "store": type(tracking).__name__,
        }
    )
)
