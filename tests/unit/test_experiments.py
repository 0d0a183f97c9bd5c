"""Experiments: what a script gets, what comes back of it, and that nothing of it is left."""

from __future__ import annotations

import os
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event
from typing import Any
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]  # left out of the stubs

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils import _runner
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import protocol
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput, EngineError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.http import Server
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.progress import silent
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.server import experiment, smoke
from support.processes import has_ended, until

SERVER = Server(url="http://127.0.0.1:1", username="u", password="p-4711")


def run(script: str, **parameters: Any) -> dict[str, Any]:
    return experiment.run(SERVER, script, parameters, silent)


def test_what_it_prints_last_is_its_result_and_parameters_are_arguments() -> None:
    script = "import json, sys; print('first'); print(json.dumps({'argv': sys.argv[1:]}))"
    found = run(script, alpha=0.5, deep=True, only=["a", "b c"])
    assert found["result"] == {"argv": ["--alpha=0.5", "--deep=true", "--only=a", "--only=b c"]}
    assert found["log"][0] == "first" and "failed" not in found


@pytest.mark.parametrize(
    "printed", ["", "print('no JSON')", "print('NaN')", "print('{\"loss\": NaN}')", "print('[' * 100_000)"]
)
def test_without_json_at_the_end_there_is_no_result(printed: str) -> None:
    assert run(f"{printed}\n#")["result"] is None


def test_it_is_a_client_with_the_login_and_without_the_secrets_of_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "database")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "store")
    seen = run("import json, os; print(json.dumps(dict(os.environ)))")["result"]
    assert seen["MLFLOW_TRACKING_URI"] == SERVER.url
    assert (seen["MLFLOW_TRACKING_USERNAME"], seen["MLFLOW_TRACKING_PASSWORD"]) == ("u", "p-4711")
    assert not {"database", "store"} & set(seen.values())
    assert "MLFLOW_TRACKING_PASSWORD" not in os.environ, "afterwards it is as it was"


def test_one_that_fails_says_why_and_its_folder_goes_with_it() -> None:
    script = "import os; print(os.getcwd(), flush=True); open('left', 'w').write('x'); raise ValueError('no rows')"
    found = run(script)
    assert found["failed"] and "ended with 1" in found["msg"] and "ValueError: no rows" in found["msg"]
    assert not Path(found["log"][0]).exists()


def test_an_empty_script_is_refused() -> None:
    with pytest.raises(BadInput, match="is empty"):
        run("  \n")


def test_several_at_once_have_the_login_each_and_the_environment_of_the_process_stays() -> None:
    before = dict(os.environ)
    script = "import json, os, time; time.sleep({}); print(json.dumps(os.environ['MLFLOW_TRACKING_PASSWORD']))"
    with ThreadPoolExecutor(4) as pool:
        found = [pool.submit(run, script.format(number / 10)) for number in range(4)]
        assert dict(os.environ) == before
    assert {one.result()["result"] for one in found} == {"p-4711"}
    assert dict(os.environ) == before


def test_one_of_several_that_takes_too_long_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    """In a thread, where no signal of its time arrives."""
    noted = tmp_path / "pid"
    scripts = {
        "quick": "print(1)",
        "slow": "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"open({str(noted)!r}, 'w').write(str(child.pid)); time.sleep(60)",
    }

    def carry_out(one: Any, say: Any) -> dict[str, Any]:
        options = {"script": scripts[one["name"]], "url": SERVER.url}
        return _runner.here(protocol.Request("experiment", options, deadline=3), say)

    began = time.monotonic()
    quick, slow = experiment.run_all([{"name": "quick"}, {"name": "slow"}], carry_out, 2, silent)
    assert time.monotonic() - began < 20
    assert quick["result"] == 1 and "failed" not in quick
    assert slow["failed"] and "did not end within 3 s" in slow["msg"]
    until(lambda: has_ended(int(noted.read_text())), "what it left has ended")


def test_what_it_leaves_running_ends_with_it(tmp_path: Path) -> None:
    noted = tmp_path / "pid"
    run(
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"open({str(noted)!r}, 'w').write(str(child.pid))"
    )
    until(lambda: has_ended(int(noted.read_text())), "what it left has ended")


@pytest.mark.parametrize("runner", [None, {"type": "host", "name": "mlflow"}])
def test_an_image_is_refused_where_nothing_runs_in_a_container(runner: dict[str, Any] | None) -> None:
    scripts = [{"name": "plain", "image": ""}, {"name": "deep", "image": "torch:1"}]
    with pytest.raises(BadInput, match="The script deep names an image"):
        experiment.require_containers(scripts, runner)
    experiment.require_containers(scripts[:1], runner)
    for kind in ("compose", "kubernetes"):
        experiment.require_containers(scripts, {"type": kind})


def test_several_run_at_once_and_come_back_in_their_order() -> None:
    together = Barrier(2, timeout=10)

    def carry_out(one: Any, _say: Any) -> dict[str, Any]:
        together.wait()
        time.sleep(0.1 if one["name"] == "a" else 0)
        return {"result": one["name"]}

    done = experiment.run_all([{"name": "a"}, {"name": "b"}], carry_out, 2, silent)
    assert [(one["name"], one["result"], one["attempts"]) for one in done] == [("a", "a", 1), ("b", "b", 1)]


def test_no_more_than_allowed_run_at_once() -> None:
    running, most = [0], [0]
    moment = Event()

    def carry_out(_one: Any, _say: Any) -> dict[str, Any]:
        running[0] += 1
        most[0] = max(most[0], running[0])
        moment.wait(0.05)
        running[0] -= 1
        return {}

    experiment.run_all([{"name": str(number)} for number in range(4)], carry_out, 1, silent)
    assert most == [1]


def test_one_that_fails_is_run_again_as_often_as_it_may() -> None:
    said: list[str] = []
    answers = [{"failed": True, "msg": "first"}, EngineError("second"), {"result": 3, "seconds": 0.1}]

    def carry_out(_one: Any, _say: Any) -> dict[str, Any]:
        answer = answers.pop(0)
        if isinstance(answer, EngineError):
            raise answer
        return answer

    [done] = experiment.run_all([{"name": "a", "retries": 2}], carry_out, 1, said.append)
    assert (done["attempts"], done["result"], "failed" in done) == (3, 3, False)
    assert said == ["a: begins", "a: begins again (1)", "a: begins again (2)", "a: has ended after 0.1 s"]
    [lost] = experiment.run_all(
        [{"name": "a", "retries": 1}], lambda _one, _say: {"failed": True, "msg": "no"}, 1, silent
    )
    assert (lost["attempts"], lost["failed"], lost["msg"]) == (2, True, "no")


@pytest.mark.parametrize("url", ["http://mlflow-server-1:5000/p", "http://127.0.0.1:5000", "http://[fd00::5]:5000"])
def test_the_real_client_asks_a_server_through_no_proxy(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Docker gives containers the proxies of its own configuration, and some clusters their pods."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", "internal.example.com")
    host = urllib.parse.urlsplit(url).hostname
    assert not proxy_bypass_environment(host)
    with smoke.client_environment(Server(url)):
        assert proxy_bypass_environment(host)
        assert proxy_bypass_environment("internal.example.com")
        assert not proxy_bypass_environment("s3.example.com")
        assert os.environ["NO_PROXY"] == os.environ["no_proxy"]
    assert "NO_PROXY" not in os.environ and os.environ["no_proxy"] == "internal.example.com"
