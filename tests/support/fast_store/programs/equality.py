"""The same calls to MLflow's store and to the fast one, each on its own database: whether all is the same after.

Runs in MLflow's interpreter: `equality.py URI-OF-STOCK URI-OF-FAST SEED CALLS`, with the plugin's folder in PYTHONPATH.
Prints JSON: the differences, how many calls were made, and how many of each kind the fast store did itself.
"""

from __future__ import annotations

import json
import random
import re
import sys
import uuid
from typing import Any

import sqlalchemy
from calls import Calls
from mlflow.store.tracking import sqlalchemy_store
from mlops_mlflow_fast.attempt import made
from mlops_mlflow_fast.store import FastStore

# Calls between two looks at all tables; now and then all connections are cut there.
PORTION = 100
# What cannot be the same: Python's addresses of objects.
ADDRESS = re.compile(r"0x[0-9a-f]+")
DIFFERENCES = 20


class Same:
    """What is random or of the clock is the same for both."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        uuid.uuid4 = self._uuid
        sqlalchemy_store.get_current_time_millis = lambda: 1_700_000_000_000 + self._number

    def begin(self, number: int) -> None:
        self._number = number
        random.seed(f"{self.seed} {number}")
        self._random = random.Random(f"{self.seed} {number} uuid")

    def of_runs(self) -> None:
        """A run that MLflow's own method makes gets what is random anew, also after the fast store tried."""
        original = sqlalchemy_store.SqlAlchemyStore.create_run

        def create_run(store: Any, *arguments: Any) -> Any:
            self.begin(self._number)
            return original(store, *arguments)

        sqlalchemy_store.SqlAlchemyStore.create_run = create_run

    def _uuid(self) -> uuid.UUID:
        return uuid.UUID(int=self._random.getrandbits(128), version=4)


def plain(value: Any) -> Any:
    """An answer as JSON; of lists of metrics, parameters and tags MLflow promises no order."""
    if isinstance(value, (str, int, float, bytes, type(None))):
        return repr(value)
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in sorted(value.items())}
    if isinstance(value, (list, tuple)):
        items = [plain(item) for item in value]
        unordered = bool(value) and type(value[0]).__name__ in ("Metric", "Param", "RunTag", "ExperimentTag")
        found: Any = {"items": sorted(items, key=json.dumps) if unordered else items}
        return found | ({"token": repr(value.token)} if hasattr(value, "token") else {})
    return {"is": type(value).__name__, **plain(vars(value))}


def apart(one: Any, other: Any, place: str = "") -> list[str]:
    """Where two answers differ."""
    if type(one) is type(other) and isinstance(one, dict) and set(one) == set(other):
        return [text for key in one for text in apart(one[key], other[key], f"{place}.{key}")]
    if type(one) is type(other) and isinstance(one, list) and len(one) == len(other):
        return [
            text for key, pair in enumerate(zip(one, other, strict=True)) for text in apart(*pair, f"{place}.{key}")
        ]
    return [] if one == other else [f"{place}: {json.dumps(one)[:600]} != {json.dumps(other)[:600]}"]


def history(answer: Any) -> Any:
    """Those that are alike by what MLflow orders by may change places."""
    if isinstance(answer.get("items"), list):
        answer["items"].sort(key=json.dumps)
    return answer


def made_by(store: Any, call: Any) -> tuple[Any, Any]:
    try:
        answer = call(store)
    except Exception as error:
        code = getattr(error, "error_code", "")
        return None, {"error": type(error).__name__, "code": code, "text": ADDRESS.sub("", str(error))}
    return answer, plain(answer)


def tables(engine: Any) -> dict[str, list[str]]:
    with engine.connect() as connection:
        names = sqlalchemy.inspect(engine).get_table_names()
        rows = {name: connection.execute(sqlalchemy.text(f'SELECT t::text FROM "{name}" t')) for name in names}
        return {name: sorted(row[0] for row in found) for name, found in rows.items()}


def cut(engine: Any) -> None:
    """As a restart of the server or of a firewall does; who asks is cut, too, and nobody minds."""
    with engine.connect() as connection:
        connection.execute(
            sqlalchemy.text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )


def main() -> None:
    seed, number_of_calls = int(sys.argv[3]), int(sys.argv[4])
    same = Same(seed)
    same.begin(0)
    same.of_runs()
    stock = sqlalchemy_store.SqlAlchemyStore(sys.argv[1], "s3://bucket/root")
    fast = FastStore(sys.argv[2], "s3://bucket/root")
    observers = [sqlalchemy.create_engine(uri, poolclass=sqlalchemy.NullPool) for uri in sys.argv[1:3]]
    calls, chance, differences = Calls(seed), random.Random(seed), []
    for number in range(1, number_of_calls + 1):
        name, call = calls.next()
        answers = []
        for store in (stock, fast):
            same.begin(number)
            answers.append(made_by(store, call))
        calls.heard(name, answers[0][0])
        one, other = (history(said) if name == "get_metric_history" else said for _answer, said in answers)
        if one != other:
            differences.append({"number": number, "call": name, "apart": apart(one, other)[:3]})
        if number % PORTION == 0 or number == number_of_calls:
            of_stock, of_fast = (tables(engine) for engine in observers)
            for table in sorted(of_stock | of_fast):
                only = [sorted(set(of_stock[table]) ^ set(of_fast[table]))[:5]]
                if of_stock[table] != of_fast[table]:
                    differences.append({"number": number, "table": table, "rows": only})
            if chance.random() < 0.5:
                cut(observers[1])
        if len(differences) >= DIFFERENCES:
            break
    json.dump({"differences": differences, "calls": number, "made": made}, sys.stdout)


if __name__ == "__main__":
    main()
