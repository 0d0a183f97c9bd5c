"""Records what a real CrateDB says in each scenario, for the stand-in.

    TEST_CRATEDB_URL=http://127.0.0.1:4200 CRATEDB_REPOSITORY=FOLDER python -m support.cratedb.record [SCENARIO…]

The CrateDB runs on this machine, with FOLDER as its path.repo and the superuser C(crate) trusted from here, as it is by
itself. All that it has in our schemas is removed.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database import kinds
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database.cratedb import CrateDB
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.http import Client, Response

from support.cratedb import scenarios
from support.cratedb.stand_in import RECORDED, Names

_PREPARED = (
    f"DROP SCHEMA IF EXISTS {scenarios.SCHEMA}_operator CASCADE",
    f"DROP SCHEMA IF EXISTS {scenarios.SCHEMA} CASCADE",
    *(f"DROP USER IF EXISTS {user}" for user in scenarios.PASSWORDS),
    *(f"CREATE USER {user} WITH (password = '{word}')" for user, word in scenarios.PASSWORDS.items()),
    f"GRANT AL, DQL, DML, DDL TO {scenarios.OWNER}",
    *(
        f"CREATE TABLE {scenarios.SCHEMA}.{table} (id INT) CLUSTERED INTO 1 SHARDS"
        for table in scenarios.TABLES
    ),
    *(
        f"INSERT INTO {scenarios.SCHEMA}.{table} (id) VALUES ({row})"
        for table, rows in scenarios.TABLES.items()
        for row in range(rows)
    ),
)  # fmt: skip


def prepare(url: str) -> None:
    for statement in _PREPARED:
        body = json.dumps({"stmt": statement}).encode()
        urlopen(Request(f"{url}/_sql", body, {"Content-Type": "application/json"}), timeout=120).close()


def database(url: str) -> CrateDB:
    place = url.removeprefix("http://")
    found = kinds.database(
        f"crate://{scenarios.OWNER}@{place}/?schema={scenarios.SCHEMA}", scenarios.PASSWORDS[scenarios.OWNER]
    )
    assert isinstance(found, CrateDB)
    return found


def main() -> None:
    url, recorded = os.environ["TEST_CRATEDB_URL"], json.loads(RECORDED.read_text())
    request = Client.request
    for name in sys.argv[1:] or scenarios.ALL:
        exchanges: list[dict[str, Any]] = []
        names = Names()

        def noted(
            self: Client,
            method: str,
            path: str,
            body: bytes = b"",
            *rest: Any,
            _exchanges: Any = exchanges,
            _names: Names = names,
            **more: Any,
        ) -> Response:
            answer = request(self, method, path, body, *rest, **more)
            said = {name: value for name, value in answer.json().items() if name != "duration"}
            key = _names.key_of(json.loads(body))
            _exchanges.append({"key": key, "status": answer.status, "answer": _names.general(said)})
            return answer

        prepare(url)
        Client.request = noted
        try:
            with tempfile.TemporaryDirectory() as folder:
                result = scenarios.ALL[name](database(url), Path(folder) / "work")
        finally:
            Client.request = request
        recorded[name] = exchanges
        print(name, json.dumps(result, default=str))
    RECORDED.write_text(json.dumps(recorded, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
