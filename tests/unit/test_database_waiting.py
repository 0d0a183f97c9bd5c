"""Schema: waiting for a database that comes up, and not waiting for what no waiting mends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database import kinds, revisions, schema, waiting
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import (
    DatabaseMissing,
    DatabaseUnavailable,
    SchemaError,
)
from support.clock import Clock

URI = "postgresql+psycopg2://mlflow@db/mlflow"
CURRENT = schema.Schema("current", "head", "head")
EMPTY = schema.Schema("empty", None, "head")
FOREIGN = schema.Schema("foreign", None, "head")
OLDER = schema.Schema("older", "old", "head")
NEWER = schema.Schema("newer", "unknown", "head")
AWAY = DatabaseUnavailable("Connection refused.")
REFUSED = DatabaseMissing("password authentication failed")

Answer: TypeAlias = "schema.Schema | Exception"


class Database:
    """Gives these answers one after the other; the last one for ever."""

    def __init__(self, answers: list[Answer], migrating: list[bool | Exception]) -> None:
        self.looks = 0
        self._answers, self._migrating = answers, migrating

    def read(self, _uri: str, password: str | None, kind: tuple[str, str] = revisions.TRACKING) -> schema.Schema:
        assert password == "kept"
        self.looks += 1
        return self._next(self._answers)

    def at(self, _uri: str, password: str | None) -> Database:
        assert password == "kept"
        return self

    def being_changed(self) -> bool:
        return self._next(self._migrating)

    def _next(self, answers: list[Any]) -> Any:
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock()
    monkeypatch.setattr(waiting, "time", clock)
    yield clock


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Database]:
    def make(*answers: Answer, migrating: tuple[bool | Exception, ...] = (False,)) -> Database:
        made = Database(list(answers), list(migrating))
        monkeypatch.setattr(schema, "read", made.read)
        monkeypatch.setattr(kinds, "database", made.at)
        return made

    return make


def wait(seconds: float = 60) -> list[str]:
    """Wait for the schema; what was said meanwhile."""
    said: list[str] = []
    waiting.wait_until_current(URI, "kept", revisions.TRACKING, "the backend store", seconds, said.append)
    return said


def test_a_current_schema_is_not_waited_for(clock: Clock, database: Callable[..., Database]) -> None:
    database(CURRENT)
    assert (wait(), clock.now) == ([], 0)


def test_it_waits_for_the_database_and_then_for_its_tables(clock: Clock, database: Callable[..., Database]) -> None:
    database(AWAY, AWAY, EMPTY, CURRENT)
    assert wait() == ["Connection refused."] * 2 + [
        "the backend store is empty; a migration job must create its tables"
    ]
    assert clock.now == 3


def test_what_it_waited_for_in_vain_is_told(clock: Clock, database: Callable[..., Database]) -> None:
    database(AWAY)
    with pytest.raises(SchemaError, match=r"Waited 5 s in vain: Connection refused\."):
        wait(5)
    database(EMPTY)
    with pytest.raises(SchemaError, match=r"Waited 5 s in vain: the backend store is empty"):
        wait(5)


@pytest.mark.parametrize("answer", [OLDER, NEWER, FOREIGN, REFUSED], ids=["older", "newer", "foreign", "refused"])
def test_what_no_waiting_mends_ends_it_at_once(answer: Answer, clock: Clock, database: Callable[..., Database]) -> None:
    looked = database(answer)
    with pytest.raises(SchemaError) as refused:
        wait()
    assert "in vain" not in str(refused.value)
    assert (looked.looks, clock.now) == (2, 0), "looked at twice: a migration may have ended between two questions"


def test_tables_that_are_being_made_look_foreign_and_are_waited_for(
    clock: Clock, database: Callable[..., Database]
) -> None:
    database(FOREIGN, FOREIGN, CURRENT, migrating=(True,))
    assert wait() == ["the backend store is being migrated"] * 2


def test_a_migration_that_ended_between_two_questions_is_no_error(
    clock: Clock, database: Callable[..., Database]
) -> None:
    database(FOREIGN, CURRENT)
    assert wait() == []


def test_a_second_migration_gets_its_second_look_too(clock: Clock, database: Callable[..., Database]) -> None:
    database(FOREIGN, EMPTY, FOREIGN, CURRENT)
    assert len(wait()) == 1


def test_a_migration_without_an_end_is_not_waited_for_for_ever(clock: Clock, database: Callable[..., Database]) -> None:
    database(FOREIGN, migrating=(True,))
    with pytest.raises(SchemaError, match=r"Waited 3 s in vain: the backend store is being migrated"):
        wait(3)


def test_a_database_that_goes_away_between_two_questions_is_waited_for(
    clock: Clock, database: Callable[..., Database]
) -> None:
    database(FOREIGN, AWAY, CURRENT, migrating=(AWAY,))
    assert wait() == ["Connection refused."]


def reach(seconds: float) -> list[str]:
    said: list[str] = []
    waiting.wait_until_reachable(URI, "kept", seconds, said.append)
    return said


def test_a_database_that_answers_is_reachable_whatever_it_holds(
    clock: Clock, database: Callable[..., Database]
) -> None:
    database(AWAY, FOREIGN)
    assert reach(5) == ["Connection refused."]


def test_a_database_that_stays_away_is_reported_with_what_it_said_last(
    clock: Clock, database: Callable[..., Database]
) -> None:
    database(AWAY)
    with pytest.raises(DatabaseUnavailable, match=r"^Connection refused\.$"):
        reach(5)
    assert 5 <= clock.now <= 6


def test_a_refusal_is_not_tried_again(clock: Clock, database: Callable[..., Database]) -> None:
    looked = database(REFUSED)
    with pytest.raises(SchemaError, match="authentication failed"):
        reach(60)
    assert looked.looks == 1


def test_what_an_operator_is_making_is_waited_for(clock: Clock, database: Callable[..., Database]) -> None:
    database(AWAY, REFUSED, EMPTY)
    said: list[str] = []
    waiting.wait_until_reachable(URI, "kept", 60, said.append, being_created=True)
    assert said == ["Connection refused.", "password authentication failed"]


def test_what_an_operator_does_not_make_in_time_is_told(clock: Clock, database: Callable[..., Database]) -> None:
    database(REFUSED)
    with pytest.raises(SchemaError, match="authentication failed"):
        waiting.wait_until_reachable(URI, "kept", 5, [].append, being_created=True)
    assert 5 <= clock.now <= 6
