"""The stand-in of CrateDB in the test cluster: what it must not be more lenient about than the real one was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.cratedb import running

OWNER, SERVER = ("mlflow_owner", "owner-4711"), ("mlflow", "server-4711")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[running.Running]:
    with running.started(tmp_path_factory.mktemp("cratedb")) as found:
        for user, password in (OWNER, SERVER):
            assert found.ask(f"CREATE USER {user} WITH (password = ?)", password)[0] == 200
        assert found.ask("GRANT AL, DQL, DML, DDL TO mlflow_owner")[0] == 200
        for statement in (
            'CREATE TABLE IF NOT EXISTS "spans" (id BIGINT NOT NULL, name TEXT, done BOOLEAN, more OBJECT(DYNAMIC), '
            "length BIGINT GENERATED ALWAYS AS ((id * 2)), PRIMARY KEY (id))",
            "GRANT DQL, DML ON SCHEMA mlflow TO mlflow",
        ):
            assert found.ask(statement, user=OWNER[0], password=OWNER[1])[0] == 200
        yield found


@pytest.mark.parametrize(
    ("user", "password", "statement", "status", "words"),
    [
        ("mlflow", "wrong", "SELECT 1", 401, 'password authentication failed for user "mlflow"'),
        ("nobody", "", "SELECT 1", 401, "password authentication failed"),
        (*SERVER, "DROP TABLE spans", 401, "Missing 'DDL' privilege for user 'mlflow'"),
        (*SERVER, "CREATE TABLE mine (id INT)", 401, "Missing 'DDL' privilege for user 'mlflow'"),
        (*SERVER, "ALTER TABLE mlflow.spans RENAME TO gone", 401, "Missing 'DDL' privilege for user 'mlflow'"),
        (*SERVER, "SELECT count(*) FROM sys.health", 404, "Schema 'sys' unknown"),
        (*OWNER, "SELECT * FROM nowhere", 404, "Relation 'nowhere' unknown"),
        (*OWNER, "SELECT * FROM other.spans", 404, "unknown"),
        (*OWNER, "COPY spans TO DIRECTORY '/tmp'", 400, "SQLParseException"),
    ],
)
def test_what_the_real_one_refuses_is_refused(
    server: running.Running, user: str, password: str, statement: str, status: int, words: str
) -> None:
    found = server.ask(statement, user=user, password=password)
    assert (found[0], words in found[1]["error"]["message"]) == (status, True), found


def test_rows_are_as_mlflow_expects_them(server: running.Running) -> None:
    add = "INSERT INTO spans (id, name, done, more) VALUES (?, ?, ?, ?)"
    assert server.ask(add, 1, "Ab%", True, {"mlflow.model": {"a": 1}})[1]["rowcount"] == 1
    assert server.ask(add, 1, "again", True, None)[1]["error"]["code"] == 4091
    found = server.ask("SELECT done, more, length, more['mlflow.model']['a'] FROM mlflow.spans WHERE id = ?", "1")[1]
    assert found["rows"] == [[True, {"mlflow.model": {"a": 1}}, 2, 1]]
    matched = "SELECT name LIKE 'A_\\%', name LIKE 'a%', name ILIKE 'a%', 'it''s CURRENT_TIMESTAMP' FROM spans"
    assert server.ask(matched)[1]["rows"] == [[1, 0, 1, "it's CURRENT_TIMESTAMP"]]
    dated = server.ask("INSERT INTO spans (id, name) VALUES (now(), $1) RETURNING id", "c")[1]["rows"]
    assert dated[0][0] > 1e12
    assert server.ask("UPDATE spans SET name = 'b' WHERE id = 2")[1]["rowcount"] == 0


def test_a_restored_table_is_as_it_was(server: running.Running) -> None:
    rows = "SELECT id, name, done, more, length FROM {} ORDER BY id"
    assert server.ask("INSERT INTO spans (id, name, more) VALUES (7, 'kept', ?)", {"a": [1]})[0] == 200
    before = server.ask(rows.format("spans"))[1]["rows"]
    folder = server.repository / "here"
    folder.mkdir()
    for statement, *values in (
        ("CREATE REPOSITORY r TYPE fs WITH (location = ?, compress = true, readonly = ?)", str(folder), False),
        ('CREATE SNAPSHOT "r"."dump" TABLE "mlflow"."spans" WITH (wait_for_completion = true)',),
        (
            "RESTORE SNAPSHOT r.dump TABLES WITH (wait_for_completion = true, schema_rename_replacement = ?, "
            "table_rename_replacement = ?)",
            "mlflow",
            "again_$1",
        ),
    ):
        assert server.ask(statement, *values)[0] == 200, statement
    assert before and server.ask(rows.format("again_spans"))[1]["rows"] == before
    assert server.ask("INSERT INTO again_spans (id) VALUES (7)")[1]["error"]["code"] == 4091


def test_a_server_asks_for_tables_that_are_there_without_the_right_to_make_them(server: running.Running) -> None:
    statement = "-- As mlflow-cratedb has it.\n\nCREATE TABLE IF NOT EXISTS {} (id INT);"
    user, password = SERVER
    assert server.ask(statement.format("spans"), user=user, password=password)[0] == 200
    assert server.ask(statement.format("others"), user=user, password=password)[0] == 401


def test_what_was_acknowledged_is_there_after_it_was_killed(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("killed")
    with running.started(folder) as first:
        for statement in ("CREATE TABLE kept (id INT PRIMARY KEY)", "INSERT INTO kept (id) VALUES (4711)"):
            assert first.ask(statement)[0] == 200
        first.kill()
    with running.started(folder) as second:
        assert second.ask("SELECT id FROM kept")[1]["rows"] == [[4711]]
