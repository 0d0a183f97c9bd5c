"""What docs/moving_here.md says of artifacts that a chart's server has left in Azure Blob."""

from __future__ import annotations

import re
import sqlite3

from support.playbooks import REPOSITORY

OLD = "wasbs://artifactroot@mlflow0aa3981a.blob.core.windows.net/mlflow/"
COLUMNS = {
    "experiments": ["artifact_location"],
    "runs": ["artifact_uri"],
    "logged_models": ["artifact_location"],
    "model_versions": ["source", "storage_location"],
}


def test_locations_of_the_old_server_become_the_business_of_the_new_one_and_others_stay() -> None:
    page = (REPOSITORY / "docs/moving_here.md").read_text()
    [block] = re.findall(r"```sql\n(.+?)```", page, re.DOTALL)
    first, statements = block.split("\n", 1)
    assert first == f"\\set old '{OLD}'"
    with sqlite3.connect(":memory:") as database:
        for table, columns in COLUMNS.items():
            database.execute(f"CREATE TABLE {table} ({', '.join(columns)})")
            for value in (f"{OLD}7/abc/artifacts", "s3://elsewhere/7", None):
                marks = ", ".join("?" * len(columns))
                database.execute(f"INSERT INTO {table} VALUES ({marks})", [value] * len(columns))
        # As psql quotes a variable.
        database.executescript(statements.replace(":'old'", f"'{OLD}'"))
        for table, columns in COLUMNS.items():
            for column in columns:
                found = [row[0] for row in database.execute(f"SELECT {column} FROM {table}")]
                assert found == ["mlflow-artifacts:/7/abc/artifacts", "s3://elsewhere/7", None], (table, column)
