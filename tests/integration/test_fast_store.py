"""The fast store does what MLflow's own does: the same calls to both, and all answers and tables compared."""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.http import Client
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.server import info
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.standalone import fast_store
from support import fast_store as support
from support.cache import HOME
from support.databases import ADMIN, ADMIN_PASSWORD, Databases
from support.environments import Environments, pinned_version
from support.fast_store.http_requests import Told, request
from support.postgresql import SERVER, PostgreSQL
from support.servers import API, RunningServer

# Calls that go the plain way at least, of those that may: what would be handed on always would be equal, too.
PLAIN = {"log_metric": 0.4, "create_run": 0.2, "log_batch": 0.2, "get_run": 0.3, "_search_runs": 0.4, "set_tag": 0.4}
SOAK_CALLS, SOAK_PORTION = 100_000, 1000


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return support.install(tmp_path_factory.mktemp("fast_store"))


@pytest.fixture
def compare(
    environments: Environments, databases: Databases, plugin: Path
) -> Callable[[int, int, str], dict[str, Any]]:
    def run(seed: int, calls: int, driver: str) -> dict[str, Any]:
        uris = []
        for kind in ("stock", "fast"):
            name = databases.copy(f"equal_{kind}_{driver}_{seed}")
            uris.append(databases.postgresql.uri(name, driver=driver))
        try:
            return support.run(environments.slim / "bin" / "python", plugin, "equality", *uris, str(seed), str(calls))
        finally:
            with databases.postgresql.superuser() as connection:
                for uri in uris:
                    connection.execute(f'DROP DATABASE "{uri.rpartition("/")[2]}" WITH (FORCE)')

    return run


def test_it_is_proven_with_the_version_that_is_deployed() -> None:
    assert pinned_version() in fast_store.PROVEN


@pytest.mark.ci
@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_answers_and_tables_are_those_of_mlflows_store(
    driver: str, compare: Callable[[int, int, str], dict[str, Any]]
) -> None:
    answer = compare(20261127, 300, driver)
    assert answer["differences"] == []
    assert answer["calls"] == 300
    shares = {name: here / (here + handed_on) for name, (here, handed_on) in answer["made"].items() if here + handed_on}
    assert {name: shares.get(name, 0) for name, least in PLAIN.items() if shares.get(name, 0) < least} == {}


@pytest.mark.soak
def test_100_000_calls_are_the_same(compare: Callable[[int, int, str], dict[str, Any]]) -> None:
    """In portions; what was done stays done while the plugin and the calls are the same, so that it goes on."""
    sources = [*Path(str(fast_store.__file__)).parent.glob("*.py")]
    sources += [support.PROGRAMS / name for name in ("calls.py", "equality.py")]
    state = HOME / f"fast-store-{hash_of(sources)}.json"
    done: list[int] = json.loads(state.read_text()) if state.exists() else []
    for seed in range(SOAK_CALLS // SOAK_PORTION):
        if seed in done:
            continue
        answer = compare(seed, SOAK_PORTION, ("psycopg", "psycopg2")[seed % 2])
        assert (answer["differences"], answer["calls"]) == ([], SOAK_PORTION), f"seed {seed}"
        done.append(seed)
        state.parent.mkdir(parents=True, exist_ok=True)
        state.write_text(json.dumps(done))


def hash_of(files: list[Path]) -> str:
    return hashlib.sha256("".join(file.read_text() for file in sorted(files)).encode()).hexdigest()[:10]


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_a_break_makes_no_run_twice_and_writers_do_not_stop_each_other(
    driver: str, environments: Environments, databases: Databases, plugin: Path
) -> None:
    uri = databases.postgresql.uri(databases.copy(f"faults_{driver}"), driver=driver)
    answer = support.run(environments.slim / "bin" / "python", plugin, "faults", uri)
    assert answer["once"] == {"said": "", "runs": 1}
    assert answer["twice"] == {"said": "TEMPORARILY_UNAVAILABLE", "runs": 1}
    assert answer["repeated"] == {
        "params": {"p": "1", "q": "1"},
        "tags": {"mlflow.runName": "repeated", "t": "1", "u": "1"},
        "metrics": {"m": 2.0},
        "history": [1.0, 2.0],
    }
    stock = {name: ["SqlAlchemyStore", True] for name in ("client", "job", "read replica", "other pool")}
    assert answer["handed out"] == {
        "server": ["FastStore", True], "workspaces": ["WorkspaceAwareSqlAlchemyStore", True], **stock
    }  # fmt: skip
    assert answer["contradicting"] == {"refused": [15, "INVALID_PARAMETER_VALUE"], "logged": 15}
    assert answer["side by side"] == {"errors": [], "latest": [47.0], "params": 20, "history": 40}


@pytest.fixture
def decide(
    environments: Environments, databases: Databases, plugin: Path, tmp_path: Path
) -> Callable[[int, str], tuple[dict[str, Any], ...]]:
    """What a server with a login decides of so many routes: MLflow's own, and with the plugin."""

    def run(routes: int, driver: str) -> tuple[dict[str, Any], ...]:
        names = databases.copy(f"decisions_{driver}_{routes}"), databases.copy_of_users(f"deciders_{driver}_{routes}")
        env = support.with_a_login(tmp_path, *(databases.postgresql.uri(name, driver=driver) for name in names))
        python = environments.slim / "bin" / "python"
        return tuple(support.run(python, one, "decisions", str(routes), **env) for one in (None, plugin))

    return run


def differences(stock: dict[str, str], fast: dict[str, str]) -> dict[str, tuple[str | None, str | None]]:
    return {key: (stock.get(key), fast.get(key)) for key in stock | fast if stock.get(key) != fast.get(key)}


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_with_a_login_routes_are_open_and_closed_to_whom_they_are_with_mlflow(
    driver: str, decide: Callable[[int, str], tuple[dict[str, Any], ...]]
) -> None:
    stock, fast = decide(150, driver)
    assert (stock["store"], fast["store"]) == ("SqlAlchemyStore", "FastStore")
    assert differences(stock["decisions"], fast["decisions"]) == {}
    assert len(stock["decisions"]) > 1200 and {"carried out", "401", "403"} <= set(stock["decisions"].values())
    # A right that was given, changed or taken away holds for the next request, whoever changed it.
    assert fast["changes"] == stock["changes"] and len(set(stock["changes"])) > 5
    assert stock["statements"] > 12 and fast["statements"] <= 3
    assert stock["checks"] > fast["checks"] == 1


@pytest.mark.soak
def test_every_route_is_open_and_closed_to_whom_it_is_with_mlflow(
    decide: Callable[[int, str], tuple[dict[str, Any], ...]],
) -> None:
    stock, fast = decide(0, "psycopg")
    assert differences(stock["decisions"], fast["decisions"]) == {}
    assert len(stock["decisions"]) > 5000


@pytest.mark.parametrize(("profile", "flavor"), [("throughput", "slim"), ("full", "full")])
def test_it_serves_in_every_profile(
    profile: str,
    flavor: str,
    environments: Environments,
    databases: Databases,
    plugin: Path,
    run_server: Callable[..., RunningServer],
) -> None:
    database = databases.connection(databases.copy(f"fast_{profile}"))
    fast = {"fast_store": "auto", "fast_store_dir": str(plugin)}
    server = run_server(getattr(environments, flavor), profile, database, workers=1, **fast)
    assert info.read(server.server(), count_limit=0)["fast_store"] == "on"
    assert server.check("deep").healthy
    server.stop()  # the next one needs the processor


@pytest.fixture(params=["light", "throughput"])
def with_a_login(
    request: pytest.FixtureRequest, environments: Environments, databases: Databases, plugin: Path, tmp_path: Path
) -> Iterator[RunningServer]:
    users = databases.postgresql.uri(databases.copy_of_users(f"fast_users_{request.param}"), SERVER)
    (tmp_path / "key").write_text("a key of tests")
    auth = {
        "config": support.with_a_login(tmp_path, "", users)["MLFLOW_AUTH_CONFIG_PATH"],
        "secret_key": {"file": str(tmp_path / "key")},
    }
    database = databases.connection(databases.copy(f"fast_login_{request.param}"))
    settings = {"workers": 1, "auth": auth, "fast_store": "on", "fast_store_dir": str(plugin)}
    server = RunningServer(environments.slim, request.param, database, **settings)
    try:
        server.start(username=ADMIN, password=ADMIN_PASSWORD)
        yield server
    finally:
        server.remove()


def test_what_somebody_may_holds_from_the_next_request_on(with_a_login: RunningServer) -> None:
    def somebody(username: str, password: str) -> Client:
        return Client(with_a_login.server(username=username, password=password))

    administrator, dana = somebody(ADMIN, ADMIN_PASSWORD), somebody("dana", "a long password")
    administrator.post(f"{API}/users/create", {"username": "dana", "password": "a long password"})
    experiment = administrator.post(f"{API}/experiments/create", {"name": "hers"}).json()["experiment_id"]
    run = {"experiment_id": experiment, "start_time": 1}
    assert dana.post(f"{API}/runs/create", run, expect=None).status == 403
    grants = "/api/3.0/mlflow/users/permissions"
    right = {"username": "dana", "resource_type": "experiment", "resource_id": experiment, "permission": "EDIT"}
    administrator.post(f"{grants}/grant", right)
    assert dana.post(f"{API}/runs/create", run).json()["run"]
    administrator.post(f"{grants}/revoke", right)
    assert dana.post(f"{API}/runs/create", run, expect=None).status == 403
    assert somebody("dana", "another").get(f"{API}/users/current", expect=None).status == 401
    assert "reads users and grants once a request" in with_a_login.log.read_text()


def test_two_servers_answer_alike_and_one_says_that_it_is_fast(
    environments: Environments,
    databases: Databases,
    postgresql: PostgreSQL,
    plugin: Path,
    run_server: Callable[..., RunningServer],
) -> None:
    names = [databases.copy(f"http_{kind}") for kind in ("stock", "fast")]
    fast: dict[str, Any] = {"fast_store": "on", "fast_store_dir": str(plugin)}
    servers = [
        run_server(environments.slim, "light", databases.connection(name), **settings)
        for name, settings in zip(names, ({}, fast), strict=True)
    ]
    clients = [Client(server.server()) for server in servers]
    told = [Told(), Told()]
    chance = random.Random(20261127)
    for number in range(120):
        method, path, body = request(chance, number)
        answers = [one.answer(client, method, path, body) for client, one in zip(clients, told, strict=True)]
        assert answers[0] == answers[1], (number, path, body)
    assert [info.read(server.server(), count_limit=0)["fast_store"] for server in servers] == ["off", "on"]
    tables = [postgresql.row_counts(name) for name in names]
    assert tables[0] == tables[1]
    assert tables[0]["runs"] > 5 and tables[0]["metrics"] > 10
    # Connections are cut, and the next request is answered.
    with postgresql.superuser() as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (names[1],))
    assert servers[1].check("deep").healthy
    for client in clients:
        client.close()


@pytest.mark.ci
def test_with_another_mlflow_it_steps_aside_and_says_so(
    environments: Environments,
    databases: Databases,
    run_server: Callable[..., RunningServer],
    tmp_path: Path,
) -> None:
    folder = support.install(tmp_path)
    program = folder / "mlops_mlflow_fast" / "__init__.py"
    program.write_text(re.sub(r"PROVEN = \(.*\)", 'PROVEN = ("1.2.3",)', program.read_text()))
    server = run_server(
        environments.slim, "light", databases.connection(databases.copy("aside")),
        fast_store="auto", fast_store_dir=str(folder),
    )  # fmt: skip
    said = info.read(server.server(), count_limit=0)["fast_store"]
    assert said == f"stepped aside: MLflow is {pinned_version()}, and it is proven with 1.2.3"
    assert "The fast store of mlops.mlflow stepped aside" in server.log.read_text()
    assert server.check("deep").healthy
