"""What a user who was granted nothing gets of another's things, through every route of the real server: nothing.

The routes are those that the server itself lists. As the administrator the same requests read and change, so that they
are no requests which the server refuses to anybody.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import subprocess
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import ServerError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.http import Client, Response
from support.databases import ADMIN, ADMIN_PASSWORD
from support.environments import Environments
from support.playbooks import REPOSITORY
from support.servers import API, RunningServer

pytestmark = pytest.mark.ci

USER, PASSWORD = "dana", "a long password of hers"
NAMES = ("their-model", "theirs", "their-prompt")
SCRIPTS = REPOSITORY / "tests" / "support"
# Routes by which MLflow itself lets anybody who is logged in have another's, each with the reason. None is known.
ALLOWED: dict[tuple[str, str], str] = {}
# Routes that say nothing of anybody's things, and may take longer than this test waits.
SLOW = {"/ajax-api/3.0/mlflow/gateway/supported-models", "/ajax-api/3.0/mlflow/demo/generate"}


@dataclass
class Shared:
    """A server with things of the administrator, whose contents hold the mark, and their names do not."""

    server: RunningServer
    databases: list[Path]
    mark: str
    ids: dict[str, str]
    routes: list[tuple[str, str]]

    def client(self, username: str, password: str) -> Client:
        return Client(self.server.server(username=username, password=password, retries=0))

    def hash_passwords_fast(self) -> None:
        """Each request proves its password, which MLflow makes slow on purpose: the test would do little else."""
        with closing(sqlite3.connect(self.databases[1])) as users:
            for name, password in ((ADMIN, ADMIN_PASSWORD), (USER, PASSWORD)):
                made = hashlib.pbkdf2_hmac("sha256", password.encode(), b"salt", 1).hex()
                known = (f"pbkdf2:sha256:1$salt${made}", name)
                assert users.execute("UPDATE users SET password_hash = ? WHERE username = ?", known).rowcount == 1
            users.commit()

    def rows(self) -> set[tuple[str, ...]]:
        """All of both databases: table, and column and value of each cell."""
        found: set[tuple[str, ...]] = set()
        for path in self.databases:
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
                tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
                for (table,) in tables:
                    cursor = database.execute(f'SELECT * FROM "{table}"')
                    columns = [one[0] for one in cursor.description]
                    for row in cursor:
                        found.add((table, *(f"{name}={cell}" for name, cell in zip(columns, row, strict=True))))
        return found

    def files(self) -> dict[str, bytes]:
        folder = self.server.artifacts
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def is_theirs(self, row: tuple[str, ...]) -> bool:
        names = {"their-model", "their-prompt", *(self.ids[name] for name in ("run_id", "model_id", "trace_id"))}
        values = {cell.partition("=")[2] for cell in row[1:]}
        of = next((cell for cell in row if cell.startswith("experiment_id=")), "")
        theirs = f"experiment_id={self.ids['experiment_id']}"
        # An experiment that she makes may have any name.
        return of == theirs or (row[0] != "experiments" and bool(names & values))


@pytest.fixture(scope="module")
def shared(environments: Environments, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    folder, mark = tmp_path_factory.mktemp("shared"), f"mark{uuid.uuid4().hex}"
    python = str(environments.slim / "bin" / "python")
    password, configuration, users = folder / "password", folder / "auth.ini", folder / "auth.db"
    password.write_text(ADMIN_PASSWORD)
    configuration.write_text(
        "[mlflow]\n"
        "default_permission = NO_PERMISSIONS\n"
        f"database_uri = sqlite:///{users}\n"
        f"admin_username = {ADMIN}\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
        "grant_default_workspace_access = false\n"
    )
    database: dict[str, str] = {"type": "sqlite", "uri": f"sqlite:///{folder}/mlflow.db"}
    auth: dict[str, Any] = {
        "config": str(configuration),
        "secret_key": {"file": str(password)},
        "database": f"sqlite:///{users}",
    }
    server = RunningServer(environments.slim, "light", database, auth=auth)
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "MLFLOW_DISABLE_TELEMETRY": "true"}

    def in_python(*command: str, **more: str) -> str:
        done = subprocess.run(
            [python, *command], env={**environment, **more}, capture_output=True, text=True, timeout=50, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    try:
        schema = "import sys; from ansible_collections.mlops.mlflow.plugins.module_utils._engine import cli"
        in_python(
            "-c",
            f"{schema}; sys.exit(cli.main(sys.argv[1:]))",
            *("schema", "--uri", database["uri"], "--auth-uri", auth["database"], "--admin-username", ADMIN),
            PYTHONPATH=str(REPOSITORY / ".dev"),
            MLFLOW_AUTH_ADMIN_PASSWORD_FILE=str(password),
        )
        launched = json.loads(server.launch_file.read_text())
        listed = in_python(
            str(SCRIPTS / "routes_of_mlflow.py"), **launched["env"], MLFLOW_FLASK_SERVER_SECRET_KEY="key"
        )
        routes = [(method, rule) for method, rule in map(json.loads, listed.splitlines())]
        server.start(username=ADMIN, password=ADMIN_PASSWORD)
        login = {"MLFLOW_TRACKING_USERNAME": ADMIN, "MLFLOW_TRACKING_PASSWORD": ADMIN_PASSWORD}
        made = in_python(str(SCRIPTS / "private_things.py"), server.url, mark, **login)
        yield Shared(server, [folder / "mlflow.db", users], mark, json.loads(made.splitlines()[-1]), routes)
    finally:
        server.remove()


def request_for(shared: Shared, rule: str, name: str) -> tuple[str, dict[str, Any]]:
    """A path and all that any route may be told, about their things."""
    ids = shared.ids
    values: dict[str, Any] = {
        **ids,
        "name": name,
        "experiment_name": "theirs",
        "new_name": "taken",
        "model_name": name,
        "prompt_name": name,
        "version": "1",
        "alias": "theirs",
        "run_uuid": ids["run_id"],
        "request_id": ids["trace_id"],
        "source_run_id": ids["run_id"],
        "source": f"runs:/{ids['run_id']}/",
        "path": "theirs.txt",
        "artifact_path": f"{ids['experiment_id']}/{ids['run_id']}/artifacts/theirs.txt",
        "key": "t",
        "metric_key": f"m-{shared.mark[:4]}",
        "value": "changed",
        "description": "changed",
        "username": USER,
        "password": PASSWORD,
        "permission": "MANAGE",
        "resource_type": "experiment",
        "resource_id": ids["experiment_id"],
        "timestamp": "1700000000000",
        "max_timestamp_millis": "2000000000000",
        "max_results": "100",
    }
    path = rule
    for part in {part.split("}")[0] for part in rule.split("{")[1:]}:
        path = path.replace(f"{{{part}}}", str(values.get(part, ids["experiment_id"])))
    several: dict[str, Any] = {
        "experiment_ids": [ids["experiment_id"]],
        "run_ids": [ids["run_id"]],
        "trace_ids": [ids["trace_id"]],
        "request_ids": [ids["trace_id"]],
        "model_ids": [ids["model_id"]],
    }
    return path, {**values, **several}


BODY = {
    "tags": [{"key": "t", "value": "changed"}],
    "params": [{"key": "new", "value": "changed"}],
    "metrics": [{"key": "new", "value": 2.0, "timestamp": 1700000000000, "step": 0}],
    "query": 'query {mlflowGetExperiment(input: {experimentId: "1"}) {experiment {name tags {key value}}}}',
    "locations": [{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "1"}}],
}


@dataclass
class Sweep:
    """All routes, asked by one user: those whose answers held the mark, and how often which status was seen."""

    read: set[tuple[str, str]] = field(default_factory=set)
    statuses: Counter[int] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)


def sweep(shared: Shared, username: str, password: str, methods: set[str]) -> Sweep:
    client, found = shared.client(username, password), Sweep()
    for method, rule in shared.routes:
        if method not in methods or rule in SLOW:
            continue
        for name in NAMES if "{name}" in rule or "model" in rule or "prompt" in rule else NAMES[:1]:
            path, values = request_for(shared, rule, name)
            try:
                answer = _ask(client, method, path, values)
            except ServerError as error:
                found.lost.append(f"{method} {path}: {error}")
                continue
            found.statuses[answer.status] += 1
            if shared.mark.encode() in answer.body:
                found.read.add((method, rule))
    return found


def _ask(client: Client, method: str, path: str, values: dict[str, Any]) -> Response:
    if method == "GET":
        return client.get(path, values, expect=None, safe=False)
    sent, kind = json.dumps({**values, **BODY}).encode(), {"Content-Type": "application/json"}
    return client.request(method, path, sent, kind, expect=None, safe=False)


READS, ALL = {"GET"}, {"GET", "POST", "PUT", "PATCH", "DELETE"}


def test_nobody_reads_or_changes_through_any_route_what_he_was_not_granted(shared: Shared) -> None:
    administrator = shared.client(ADMIN, ADMIN_PASSWORD)
    administrator.post(f"{API}/users/create", {"username": USER, "password": PASSWORD})
    shared.hash_passwords_fast()
    assert shared.ids["experiment_id"] == "1", "requests of GraphQL name it"
    before, files = shared.rows(), shared.files()

    theirs = sweep(shared, USER, PASSWORD, ALL)
    print(f"\n{len(shared.routes)} routes, answers by status: {dict(theirs.statuses)}")
    assert sorted(theirs.read - ALLOWED.keys()) == []
    gone = sorted(row for row in before - shared.rows() if shared.is_theirs(row))
    assert gone == [], "it was changed or removed"
    added = sorted(row for row in shared.rows() - before if shared.is_theirs(row))
    assert added == [], f"something was added to it: {added}"
    assert shared.files() == files
    assert theirs.lost == [] and 401 not in theirs.statuses
    shared.client(USER, PASSWORD).get(f"{API}/users/current")

    # The same requests are good ones.
    read = sweep(shared, ADMIN, ADMIN_PASSWORD, READS).read
    assert len(read) >= 20, sorted(read)
    read |= sweep(shared, ADMIN, ADMIN_PASSWORD, ALL).read
    changed = sorted(row for row in before - shared.rows() if shared.is_theirs(row))
    print(len(read), len(changed), len({row[0] for row in changed}))
    assert len({row[0] for row in changed}) >= 5 and shared.files() != files
