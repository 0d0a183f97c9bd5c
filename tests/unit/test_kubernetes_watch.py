"""Watch: objects as they are now, whatever ends a watch; a log line by line."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes import watch
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes.client import Cluster, ClusterError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes.watch import Selection, Watch
from support.fake_cluster import ApiException, Object, Stream

PODS = "/api/v1/namespaces/team-a/pods"


def thing(name: str, version: str, **more: Any) -> Object:
    return {"metadata": {"name": name, "resourceVersion": version}, **more}


def told(kind: str, name: str, version: str) -> Object:
    return {"type": kind, "object": thing(name, version)}


class Api:
    """An API server that answers lists with C(lists) and watches with C(streams), the last ones for ever."""

    def __init__(self, lists: list[Any], streams: list[Any]) -> None:
        self.lists, self.streams = lists, streams
        self.asked: list[dict[str, str]] = []
        self.configuration = type("Configuration", (), {"host": "https://cluster:6443"})()

    def call_api(self, path: str, _method: str, **options: Any) -> Any:
        query = dict(options["query_params"])
        self.asked.append({"path": path, **query})
        answers = self.streams if "watch" in query or "follow" in query else self.lists
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def watched_from(self) -> list[str]:
        return [query["resourceVersion"] for query in self.asked if "watch" in query]


def listed(version: str, *items: Object) -> Any:
    body = {"metadata": {"resourceVersion": version}, "items": list(items)}
    return type("Answer", (), {"data": json.dumps(body)})()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_POLL_SECONDS", 0.01)
    monkeypatch.setattr(watch, "_RETRY_SECONDS", 0.01)


def names(seen: Watch) -> list[str]:
    return sorted(item["metadata"]["name"] for item in seen.objects("pods"))


def until(seen: Watch, reached: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not reached():
        assert time.monotonic() < end, f"seen are {names(seen)}"
        seen.change(0.05)


def watching(api: Api) -> Watch:
    return Watch(Cluster(api), {"pods": Selection(PODS, {"labelSelector": "a=b"})})


def test_what_is_there_is_listed_once_and_changes_are_told() -> None:
    events = [told("ADDED", "b", "6"), told("MODIFIED", "a", "7"), told("DELETED", "b", "8")]
    api = Api([listed("5", thing("a", "4"))], [Stream(events)])
    with watching(api) as seen:
        assert names(seen) == ["a"]
        assert seen.change(5) and names(seen) == ["a", "b"]
        assert seen.change(5) and seen.objects("pods")[0]["metadata"]["resourceVersion"] == "7"
        assert seen.change(5) and names(seen) == ["a"]
        assert not seen.change(0.05)
    assert api.watched_from == ["5"] and len(api.asked) == 2
    assert all(query["labelSelector"] == "a=b" for query in api.asked)


def test_a_watch_that_ends_after_its_time_goes_on_from_what_was_told_last_without_a_new_list() -> None:
    first = [told("ADDED", "b", "6"), {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "40"}}}]
    api = Api([listed("5")], [Stream(first, ends=True), Stream([told("ADDED", "c", "41")])])
    with watching(api) as seen:
        until(seen, lambda: names(seen) == ["b", "c"])
    assert api.watched_from == ["5", "40"]
    assert sum("watch" not in query for query in api.asked) == 1


@pytest.mark.parametrize(
    "gone",
    [
        Stream([{"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old resource version"}}]),
        ApiException(410, "too old resource version"),
    ],
    ids=["told in the watch", "answered at once"],
)
def test_where_what_it_goes_on_from_is_too_old_everything_is_listed_anew(gone: Any) -> None:
    api = Api([listed("5", thing("a", "4")), listed("90", thing("z", "80"))], [gone, Stream([])])
    with watching(api) as seen:
        until(seen, lambda: names(seen) == ["z"])
    assert api.watched_from == ["5", "90"]


@pytest.mark.parametrize("cut", [ConnectionResetError("reset"), TimeoutError("timed out")], ids=["cut", "silent"])
def test_a_connection_that_is_lost_is_made_anew_from_where_it_was(cut: Exception) -> None:
    streams = [
        Stream([told("MODIFIED", "a", "6"), cut]),
        ApiException(503, "starting"),
        Stream([told("ADDED", "b", "8")]),
    ]
    api = Api([listed("5", thing("a", "4"))], streams)
    with watching(api) as seen:
        until(seen, lambda: names(seen) == ["a", "b"])
    assert api.watched_from == ["5", "6", "6"]
    assert sum("watch" not in query for query in api.asked) == 1


def test_silence_is_no_absence_however_long_it_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing happens, an API server may say nothing, and each silence ends the connection."""
    monkeypatch.setattr(watch, "_PATIENCE_SECONDS", 0.02)
    silences = [Stream([TimeoutError("timed out")]) for _number in range(8)]
    api = Api([listed("5")], [*silences, Stream([told("ADDED", "a", "6")])])
    with watching(api) as seen:
        until(seen, lambda: names(seen) == ["a"])


def test_an_api_server_that_stays_away_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_PATIENCE_SECONDS", 0.1)
    api = Api([listed("5"), ConnectionRefusedError("refused")], [ConnectionRefusedError("refused")])
    with watching(api) as seen, pytest.raises(ClusterError, match="cannot be reached: refused"):
        until(seen, lambda: False)


def test_who_may_not_watch_polls() -> None:
    api = Api([listed("5"), listed("6"), listed("7", thing("a", "7"))], [ApiException(403, "no watch")])
    with watching(api) as seen:
        until(seen, lambda: names(seen) == ["a"])


def test_what_cannot_be_listed_is_an_error_at_once() -> None:
    with (
        pytest.raises(ClusterError, match=r"refused GET .*: you may not"),
        watching(Api([ApiException(403, "you may not")], [])),
    ):
        pass


def test_a_watch_that_is_ended_at_once_is_not_begun_again_in_a_tight_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_RETRY_SECONDS", 0.1)
    api = Api([listed("5")], [Stream([], ends=True)])
    with watching(api) as seen:
        end = time.monotonic() + 0.35
        while time.monotonic() < end:
            seen.change(0.05)
    assert len(api.watched_from) <= 5


def test_a_log_is_told_line_by_line_also_where_its_last_line_is_not_ended() -> None:
    class Log(Stream):
        def stream(self, _amount: Any, **_options: Any) -> Any:
            yield from (b"first\nsec", b"ond\nla", b"st")

    api = Api([listed("5")], [Log([])])
    with Watch(Cluster(api), {}) as seen:
        seen.follow_log("team-a", "pod-1", "backup")
        lines: list[str] = []
        while len(lines) < 3:
            assert seen.change(5)
            lines += seen.take_lines()
    assert lines == ["first", "second", "last"]
    assert api.asked == [{"path": f"{PODS}/pod-1/log", "container": "backup", "follow": "true"}]


def test_an_answer_that_was_read_to_its_end_needs_no_shut_down() -> None:
    """urllib3 has taken the connection back by then, and says so with an error."""

    class Answer:
        def stream(self, *_how: Any, **_more: Any) -> Iterator[bytes]:
            yield b"done\n"

        def shutdown(self) -> None:
            raise RuntimeError("Cannot shutdown as connection has already been released to the pool")

    cluster = Cluster.__new__(Cluster)
    cluster._open = lambda *_asked, **_more: Answer()
    ends: list[Callable[[], None]] = []
    assert list(cluster.follow_log("n", "pod", "c", ends.append)) == ["done"]
    ends[0]()
