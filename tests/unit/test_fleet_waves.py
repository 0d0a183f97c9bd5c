"""A roll-out in waves: so many instances at a time, stopped where they do not get ready, and gone on with there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.fleet import deploy, patience, waiting
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.fleet.declaration import declare
from support.fake_cluster import ApiException
from support.fleet_cluster import CONFIGURATIONS, SAMPLE, SERVICES, Api, objects

NAMES = [f"t-{number}" for number in range(1, 8)]
ORDER = (CONFIGURATIONS, SERVICES)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_FIRST_SECONDS", 0.001)
    monkeypatch.setattr(patience, "_MOST_SECONDS", 0.01)
    monkeypatch.setattr(waiting, "_EVERY_SECONDS", 0.01)


class Rolled(Api):
    """An API server whose servers get ready unless they are of an instance in C(broken)."""

    def __init__(self) -> None:
        super().__init__()
        self.broken: set[str] = set()

    def _listed(self, path: str, query: dict[str, str], *, metadata_only: bool) -> dict[str, Any]:
        for where, item in self.objects.items():
            if where.startswith(SERVICES):
                is_ready = item["metadata"]["name"] not in self.broken
                item["status"]["conditions"] = [
                    {"type": "Ready", "status": "True" if is_ready else "False", "message": "no image"}
                ]
        return super()._listed(path, query, metadata_only=metadata_only)

    def applied(self) -> list[str]:
        """Instances whose servers were applied since the calls were cleared, in order."""
        return [path.rpartition("/")[2] for path in self.changes if path.startswith(SERVICES)]


def run(api: Api, names: Iterable[str] = NAMES, timeout: int = 600, **more: Any) -> dict[str, Any]:
    """C(timeout) is a setting that all instances share."""
    api.calls.clear()
    items = objects()
    items[2]["spec"]["template"]["spec"]["timeoutSeconds"] = timeout
    options = {"wave": 2, "wait_seconds": 0.05, "concurrency": 1, **more}
    instances = declare([{"name": name} for name in names], limit=100)
    request = deploy.Request("tenants", "tenants", SAMPLE, options.pop("objects", items), instances, **options)
    return deploy.deploy(api.cluster, request)


@pytest.fixture
def api() -> Rolled:
    found = Rolled()
    assert run(found)["counts"]["created"] == len(NAMES)
    return found


def test_each_wave_is_ready_before_the_next_one_begins(api: Rolled) -> None:
    done = run(api, timeout=700)
    assert (done["updated"], done["untried"]) == (NAMES, [])
    waits = [number for number, (method, path) in enumerate(api.calls) if method == "GET" and path == SERVICES]
    applied = [number for number, (method, path) in enumerate(api.calls) if method == "PATCH"]
    for wave in (applied[start : start + 2] for start in range(0, len(NAMES), 2)):
        assert any(wave[-1] < wait for wait in waits)
        assert not any(wave[0] < wait < wave[-1] for wait in waits), "one wave is applied without a pause"


def test_it_stops_at_the_first_wave_that_does_not_get_ready_and_says_where(api: Rolled) -> None:
    api.broken = {"t-4"}
    done = run(api, timeout=700)
    assert api.applied() == NAMES[:4]
    assert done["failures"] == [{"name": "t-4", "reason": "KnativeService t-4: not ready: no image"}]
    assert (done["updated"], done["untried"]) == (NAMES[:4], NAMES[4:])
    assert done["counts"]["untried"] == 3 and done["failed"]
    assert "stopped after wave 2 of 4: the 3 instances from t-5 on are as they were" in done["msg"]


def test_the_next_run_waits_for_what_is_not_ready_and_goes_on_from_there(api: Rolled) -> None:
    api.broken = {"t-4"}
    run(api, timeout=700)
    still = run(api, timeout=700)
    assert api.changes == [] and still["changed"] is False, "it does not go past the wave that failed"
    assert still["untried"] == NAMES[4:] and [one["name"] for one in still["failures"]] == ["t-4"]
    assert "stopped before the first of 2 waves" in still["msg"]
    api.broken = set()
    done = run(api, timeout=700)
    assert api.applied() == NAMES[4:] and "failed" not in done
    assert run(api, timeout=700)["changed"] is False


def test_other_settings_put_the_failed_wave_right_first(api: Rolled) -> None:
    """The usual way: the image was wrong, and is named rightly now."""
    api.broken = {"t-1"}
    assert run(api, timeout=700)["untried"] == NAMES[2:]
    api.broken = set()
    assert run(api, timeout=800)["updated"] == NAMES


def test_one_that_is_refused_stops_it_as_well(api: Rolled) -> None:
    refusal = ApiException(422, "spec.template is invalid")
    api.fault = lambda method, path, _number: refusal if method == "PATCH" and path.endswith("/t-1") else None
    done = run(api, timeout=700)
    assert api.applied()[-1] == "t-2" and done["untried"] == NAMES[2:]


def test_so_many_failures_stop_nothing(api: Rolled) -> None:
    api.broken = {"t-1", "t-6"}
    done = run(api, timeout=700, wave_failures=1)
    assert (api.applied(), done["untried"]) == (NAMES[:6], ["t-7"])
    assert run(api, timeout=700, wave_failures=2)["untried"] == []
    assert api.applied() == ["t-7"]


def test_without_waves_a_failure_stops_nobody(api: Rolled) -> None:
    api.broken = {"t-1"}
    done = run(api, timeout=700, wave=0)
    assert api.applied() == NAMES and done["untried"] == []
    assert "the others stand" in done["msg"]


def test_nothing_is_pruned_where_it_stopped(api: Rolled) -> None:
    api.broken = {"t-1"}
    done = run(api, NAMES[:6], timeout=700, prune=True)
    assert done["pruned"] == [] and "Service t-7" in done["kept"]
    api.broken = set()
    assert "Service t-7" in run(api, NAMES[:6], timeout=700, prune=True)["pruned"]


def test_servers_that_were_stopped_are_not_waited_for(api: Rolled) -> None:
    for name in ("t-1", "t-5"):
        api.objects[f"{CONFIGURATIONS}/{name}"]["metadata"]["annotations"]["mlops.mlflow/stopped"] = "{}"
        del api.objects[f"{SERVICES}/{name}"]
    done = run(api, timeout=700)
    assert done["stopped"] == ["t-1", "t-5"] and "failed" not in done


def test_a_wave_is_chosen_by_its_names_and_many_by_their_fleet(api: Rolled, monkeypatch: pytest.MonkeyPatch) -> None:
    def selectors() -> set[str]:
        found = {query["labelSelector"] for _path, query in api.asked if "labelSelector" in query}
        api.asked.clear()
        return found

    selectors()
    run(api, timeout=700)
    assert "mlops.mlflow/fleet=tenants,app.kubernetes.io/instance in (t-1,t-2)" in selectors()
    monkeypatch.setattr(waiting, "_CHOSEN", 1)
    run(api, timeout=800)
    assert "mlops.mlflow/fleet=tenants" in selectors()


def test_each_wave_has_the_whole_time(api: Rolled, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[float] = []
    begin = patience.Patience.begin

    def begin_anew(self: patience.Patience) -> None:
        begun.append(self._seconds)
        begin(self)

    monkeypatch.setattr(patience.Patience, "begin", begin_anew)
    run(api, timeout=700, seconds=7.0)
    assert begun == [7.0] * (1 + 4 + 1), "to read, for each wave, and to remove"


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"wave": -1}, "wave is -1 and wave_failures is 0; both must be 0 or more"),
        ({"wave_failures": -1}, "wave_failures is -1"),
        ({"wait_seconds": 0.0}, "wave needs wait_timeout"),
    ],
)
def test_what_cannot_be_a_wave_is_refused(more: dict[str, Any], error: str) -> None:
    api = Api()
    with pytest.raises(BadInput, match=error):
        run(api, **more)
    assert api.calls == []


@pytest.mark.parametrize(("initial", "refused"), [("0", True), ("1", False), (None, False)])
def test_instances_that_are_ready_without_a_server_prove_nothing(initial: str | None, refused: bool) -> None:
    api, items = Api(), objects()
    scale = {} if initial is None else {"autoscaling.knative.dev/initial-scale": initial}
    items[2]["spec"]["template"]["metadata"]["annotations"] = scale
    if refused:
        with pytest.raises(BadInput, match="Set mlflow_server_initial_replicas to 1"):
            run(api, objects=items)
        assert api.calls == []
    assert run(api, objects=items, wave=2 * (not refused))["counts"]["created"] == len(NAMES)
