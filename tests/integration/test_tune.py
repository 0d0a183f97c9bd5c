"""A PostgreSQL that many runs have made slow: what is wrong is said, what is safe is done, and MLflow profits."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database import indexes
from support.databases import Databases
from support.environments import Environments
from support.host.deployment import Deployment
from support.playbooks import PlayResult, run_module
from support.postgresql import OWNER, OWNER_PASSWORD, SERVER, PostgreSQL

ALL = list(indexes.OFFERED)
RUNS, EXPERIMENT = 60_000, 7
# What a year of runs leaves, as MLflow would have written it.
FILL = f"""
INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage, creation_time, last_update_time)
  VALUES ({EXPERIMENT}, 'busy', 'mlflow-artifacts:/{EXPERIMENT}', 'active', 0, 0);
INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time,
    lifecycle_stage, artifact_uri, experiment_id)
  SELECT lpad(to_hex(n), 32, '0'), 'run ' || n, 'LOCAL', '', '', 'u', 'FINISHED', 1000 + n, 'active',
    'mlflow-artifacts:/{EXPERIMENT}/' || n, {EXPERIMENT} FROM generate_series(1, {RUNS}) n;
INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid)
  SELECT 'loss', n::float / {RUNS}, 1000 + n, 0, false, lpad(to_hex(n), 32, '0') FROM generate_series(1, {RUNS}) n;
INSERT INTO params (key, value, run_uuid)
  SELECT 'lr', (n % 5000)::text, lpad(to_hex(n), 32, '0') FROM generate_series(1, {RUNS}) n;
"""
# The page's order, the default one, a metric and a param: each as the real store asks for it.
SEARCH = """
import sys
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
store = SqlAlchemyStore(sys.argv[1], "mlflow-artifacts:/")
experiment = sys.argv[2]
def ids(filter_string="", order_by=()):
    return [run.info.run_id for run in store.search_runs([experiment], filter_string, 1, 20, list(order_by))]
for _ in range(3):
    print(ids(order_by=["attributes.start_time DESC"]))
    print(ids())
    print(sorted(ids("metrics.loss > 0.99995")))
    print(sorted(ids("params.lr = '77'")))
"""


@pytest.fixture
def busy(postgresql: PostgreSQL, databases: Databases, request: pytest.FixtureRequest) -> Iterator[str]:
    name = databases.copy(f"tune_{abs(hash(request.node.name)) % 10**8}")
    with postgresql.superuser(name) as connection:
        connection.execute(FILL)
    yield name
    with postgresql.superuser() as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def tune(environments: Environments, databases: Databases, postgresql: PostgreSQL) -> Callable[..., dict[str, Any]]:
    def run(name: str, *options: str, driver: str = "psycopg", **arguments: Any) -> dict[str, Any]:
        given = {"uri": postgresql.uri(name, driver=driver), "password_file": str(databases.owner_password_file)}
        python = environments.slim / "bin" / "python"
        return run_module("mlflow_tune", given | arguments, *options, interpreter=python)

    return run


def states(result: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["state"] for one in result["indexes"]}


def acts(result: dict[str, Any]) -> set[tuple[str, str]]:
    return {(one["act"], one["name"]) for one in result["work"]}


def shown(result: PlayResult) -> list[str]:
    return str(result.of("Show what there is and what was done")["msg"]).splitlines()


def used(postgresql: PostgreSQL, name: str) -> dict[str, int]:
    with postgresql.superuser(name) as connection:
        connection.execute("SELECT pg_stat_clear_snapshot()")
        rows = connection.execute(
            "SELECT indexrelname, idx_scan FROM pg_stat_user_indexes WHERE starts_with(indexrelname, %s)",
            (indexes.PREFIX,),
        ).fetchall()
    return {str(index).removeprefix(indexes.PREFIX): int(scans) for index, scans in rows}


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_searches_of_mlflows_own_store_use_what_was_built_and_find_the_same(
    driver: str,
    busy: str,
    tune: Callable[..., dict[str, Any]],
    postgresql: PostgreSQL,
    environments: Environments,
    tmp_path: Path,
) -> None:
    def search() -> str:
        command = [str(environments.slim / "bin" / "python"), "-c", SEARCH, postgresql.uri(busy, driver=driver)]
        given = {"PATH": os.environ["PATH"], "PGPASSWORD": OWNER_PASSWORD, "HOME": str(tmp_path)}
        done = subprocess.run(
            [*command, str(EXPERIMENT)], env=given, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    wished = tune(busy, "--check", driver=driver, indexes=ALL)
    assert wished["changed"] is True, wished
    assert {("create", indexes.PREFIX + name) for name in ALL} <= acts(wished)
    assert set(states(wished).values()) == {"absent"}, "check mode has built something"
    before = search()

    built = tune(busy, driver=driver, indexes=ALL)
    assert states(built) == dict.fromkeys(ALL, "present")
    assert [one["problem"] for one in built["work"] if one["problem"]] == []
    assert search() == before
    end = time.monotonic() + 20
    while min((found := used(postgresql, busy)).values()) == 0 and time.monotonic() < end:
        time.sleep(0.5)  # the statistics of a session are there a moment after it
    assert set(found) == set(ALL) and min(found.values()) > 0, found

    again = tune(busy, driver=driver, indexes=ALL)
    assert again["changed"] is False and again["work"] == [], again
    left = tune(busy, driver=driver)
    assert left["changed"] is False and states(left) == dict.fromkeys(ALL, "present"), "nobody named indexes"
    fewer = tune(busy, driver=driver, indexes=["runs_as_listed"])
    assert {name for name, state in states(fewer).items() if state == "present"} == {"runs_as_listed"}


def test_dead_rows_are_cleaned_and_tables_without_statistics_analyzed(
    busy: str, tune: Callable[..., dict[str, Any]], postgresql: PostgreSQL
) -> None:
    with postgresql.superuser(busy) as connection:
        connection.execute("ALTER TABLE params SET (autovacuum_enabled = false)")
        connection.execute("ALTER TABLE latest_metrics SET (autovacuum_enabled = false)")
    with postgresql.superuser(busy) as connection:
        connection.execute("DELETE FROM params WHERE run_uuid > lpad(to_hex(30000), 32, '0')")
    time.sleep(1)
    result = tune(busy)
    assert ("vacuum", "params") in acts(result), result["work"]
    table = next(one for one in result["tables"] if one["name"] == "params")
    assert table["dead"] == 0 and table["rows"] == 30_000, table
    with postgresql.superuser(busy) as connection:
        rows = connection.execute("SELECT reltuples FROM pg_class WHERE relname = 'latest_metrics'").fetchone()
    assert rows == (RUNS,), "the planner knows nothing of a table that was just filled"


@pytest.mark.ci
def test_what_costs_more_than_it_gives_is_refused_with_the_reason(
    databases: Databases, tune: Callable[..., dict[str, Any]], postgresql: PostgreSQL
) -> None:
    name = databases.copy("tune_empty")
    result = tune(name, indexes=ALL)
    assert states(result) == {
        "runs_by_time": "present",
        "runs_as_listed": "present",
        "params_by_value": "refused",
        "metrics_by_value": "refused",
    }
    why = next(one["why"] for one in result["indexes"] if one["name"] == "metrics_by_value")
    assert why == "latest_metrics has 0 rows, and a filter on values is quick without it below 50,000"
    assert f"The index metrics_by_value was not built: {why}." in result["findings"]
    assert tune(name, indexes=ALL)["changed"] is False, "what is refused changes nothing, each time"


def test_statements_are_shown_without_values_and_decide_what_an_index_costs(
    environments: Environments, tmp_path: Path
) -> None:
    """The PostgreSQL of the system, which has pg_stat_statements."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not found:
        pytest.skip("needs a PostgreSQL with pg_stat_statements, such as Debian's package postgresql")
    server = PostgreSQL(found[-1].parents[1])
    try:
        server.create()
        server.start("shared_preload_libraries=pg_stat_statements")
        server.create_roles()
        databases = Databases(server, environments.slim / "bin" / "python", tmp_path)
        name = databases.copy("counted")
        with server.superuser(name) as connection:
            connection.execute("CREATE EXTENSION pg_stat_statements")
            connection.execute(f"GRANT pg_read_all_stats TO {OWNER}")
            connection.execute(FILL)
            connection.execute("ALTER ROLE mlflow PASSWORD 'of-nobody-else'")
            for step in range(50):
                connection.execute("UPDATE latest_metrics SET step = %s WHERE run_uuid = 'no'", (step,))
                connection.execute("SELECT 'private-value' FROM runs WHERE name = 'private-value'")
        given = {"uri": server.uri(name), "password_file": str(databases.owner_password_file)}
        result = run_module("mlflow_tune", given | {"indexes": ALL}, interpreter=environments.slim / "bin" / "python")
    finally:
        server.remove()
    assert result["statements"], result
    said = str(result["statements"])
    assert "private-value" not in said and "of-nobody-else" not in said and "ALTER ROLE" not in said
    assert states(result)["metrics_by_value"] == "refused"
    why = next(one["why"] for one in result["indexes"] if one["name"] == "metrics_by_value")
    assert "51 writes to latest_metrics would be dearer, and 0 searches would profit" in why


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_what_is_cut_off_ends_in_the_database_too_and_leaves_no_half_index(
    driver: str, busy: str, tune: Callable[..., dict[str, Any]], postgresql: PostgreSQL
) -> None:
    with postgresql.superuser(busy) as holder:
        holder.autocommit = False
        holder.execute("UPDATE runs SET name = 'x' WHERE run_uuid = 'no'")  # what building waits for
        began = time.monotonic()
        result = tune(busy, driver=driver, indexes=["runs_as_listed"], deadline=3)
        assert result.get("failed") and "within 3 s" in result["msg"], result
        assert time.monotonic() - began < 30
        with postgresql.superuser(busy) as connection:
            running = connection.execute(
                "SELECT query FROM pg_stat_activity WHERE datname = %s AND query LIKE 'CREATE INDEX%%'"
                " AND state = 'active'",
                (busy,),
            ).fetchall()
        assert running == []
        holder.rollback()
    assert states(tune(busy, driver=driver, indexes=["runs_as_listed"]))["runs_as_listed"] == "present"


def test_who_does_not_own_the_tables_is_told_so(
    busy: str, tune: Callable[..., dict[str, Any]], postgresql: PostgreSQL, databases: Databases
) -> None:
    result = tune(busy, uri=postgresql.uri(busy, SERVER), password_file=str(databases.server_password_file))
    assert result.get("failed") and f"The user {SERVER} does not own" in result["msg"], result
    assert result["msg"].endswith("Take their owner.")


def test_other_databases_and_names_are_refused_in_one_sentence(
    tune: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    sqlite = tune("x", uri=f"sqlite:///{tmp_path}/x.db", password_file=None)
    assert sqlite["msg"] == "There is nothing to tune in a database of the kind sqlite: only PostgreSQL is looked at."
    assert "runs_by_colour" in tune("x", indexes=["runs_by_colour"])["msg"]


def test_the_playbook_says_first_and_does_when_told(
    environments: Environments, databases: Databases, postgresql: PostgreSQL
) -> None:
    tracking = postgresql.create_database("tune_playbook")
    deployment = Deployment(
        environments,
        "light",
        **databases.variables(tracking, tracking),
        mlflow_database_indexes=["runs_by_time", "runs_as_listed"],
    )
    deployment.install_itself()
    try:
        deployment.deploy().succeeded()
        looked = deployment.play("tune").succeeded()
        assert "Would          build the index mlops_runs_as_listed: for the list of runs on the web page" in shown(
            looked
        )
        assert "-e mlflow_tune=true" in str(looked.of("Say how it is done")["msg"])
        assert used(postgresql, tracking) == {}
        done = deployment.play("tune", mlflow_tune="true").succeeded()
        assert any(line.startswith("Did            build the index mlops_runs_as_listed") for line in shown(done))
        again = deployment.play("tune", mlflow_tune="true").succeeded()
        assert [task for task, found in again.results if found.get("changed")] == []
        deployment.deploy().succeeded()
        assert set(used(postgresql, tracking)) == {"runs_by_time", "runs_as_listed"}
    finally:
        deployment.remove()
