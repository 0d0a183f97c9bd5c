"""Health: what the report concludes from its checks, against a server that answers as it is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import certificates
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput, EngineError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.http import Server
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.server import health, info
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.server.health import Check, NotTried, Report, Wanted
from support.loopback import Answer, Handler, serve, status

GOOD, BAD = Check("good", True, 0.1, "fine"), Check("bad", False, 0.2, "broken")


def fake_mlflow(**overrides: Answer) -> Answer:
    """Answers like a healthy MLflow; an override is named by the last word of the path, with _ for -."""
    stored: dict[str, bytes] = {}

    def respond(handler: Handler) -> None:
        word = handler.path.split("?")[0].rsplit("/", 1)[1]
        if override := overrides.get(word.replace("-", "_")):
            return override(handler)
        bodies = {
            "version": b"3.17.2",
            "server-info": b'{"store_type": "SqlStore"}',
            "search": b'{"experiments": [{"experiment_id": "0"}]}',
        }
        if word == "server-info" and handler.headers["Host"] == "rebinding.invalid":
            return handler.answer(403, b"Invalid Host header")
        return handler.answer(200, stored.get(word, bodies.get(word, b"{}")))

    return respond


def told(text: str) -> Answer:
    def respond(handler: Handler) -> None:
        body = b'{"experiments": []}'
        handler.send_response(200)
        handler.send_header("MLOps-Fast-Store", text)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return respond


def climb(level: str, answer: Answer) -> Report:
    with serve(answer) as loopback:
        return health.check(Server(loopback.url, retries=0, timeout=5.0), Wanted(level))


def test_one_failed_check_makes_the_server_unhealthy_and_is_named() -> None:
    report = Report("ready", [GOOD, BAD])
    assert not report.healthy
    assert report.verdict == "unhealthy at level ready: bad: broken"


def test_all_good_checks_make_it_healthy() -> None:
    report = Report("full", [GOOD, GOOD])
    assert report.healthy and report.reached == "full"
    assert report.verdict == "healthy at level full: 2 checks in 0.20 s"


@pytest.mark.parametrize(
    ("untried", "reached", "words"),
    [
        ("schema", "deep", "healthy at level deep, but level full was not reached: "),
        ("artifacts", "ready", "healthy at level ready, but level full was not reached: "),
        ("process", "", "nothing is wrong, but level full was not reached: "),
    ],
)
def test_a_level_of_which_a_check_could_not_be_tried_is_not_claimed(untried: str, reached: str, words: str) -> None:
    report = Report("full", [GOOD, GOOD], [NotTried(untried, "why not")])
    assert report.healthy and report.reached == reached
    assert report.verdict == f"{words}2 checks in 0.20 s, and not tried were {untried}: why not"
    assert Report.of(report.as_dict()) == report


def test_a_check_that_is_waited_for_is_tried_until_it_holds() -> None:
    states = iter(["STARTING", "STARTING"])
    report = Report("ready", [GOOD])

    def settled() -> str:
        if state := next(states, ""):
            raise EngineError(state)
        return "RUNNING"

    assert report.run("workload", settled, 5) and report.checks[-1].message == "RUNNING"


def test_what_the_platform_shows_is_a_check_like_any_other() -> None:
    report = Report("ready", [GOOD])

    def down() -> str:
        raise EngineError("mlflow-server-1 is cut off")

    assert report.run("published", lambda: "answers") and not report.run("workload", down)
    assert report.verdict == "unhealthy at level ready: workload: mlflow-server-1 is cut off"


def ending_in(days: float) -> dict[str, str]:
    """The certificates of a deployment, of which the database's ends then."""
    end = datetime.now(UTC) + timedelta(days=days)
    authority = certificates.new_authority("a", end - timedelta(days=5 * 365))
    server = certificates.issue(authority, ["db"], end - timedelta(days=3 * 365))
    return {"the Secret m/m-ca": authority.certificate, "the Secret m/m-database-tls": server.certificate}


def test_a_certificate_that_ends_soon_is_no_fault_and_is_spoken_of() -> None:
    report = Report("ready", [GOOD])
    report.inspect_certificates(lambda: ending_in(12.5))
    assert report.healthy and report.reached == "ready"
    assert report.verdict.startswith("healthy at level ready: 2 checks in ")
    assert "that in the Secret m/m-database-tls ends on" in report.verdict
    assert "in 12 days: renew what was given, and deploy again" in report.verdict
    assert report.attention and Report.of(report.as_dict()).attention == report.attention


def test_good_certificates_are_a_check_that_held_and_none_at_all_is_no_check() -> None:
    report = Report("ready", [GOOD])
    report.inspect_certificates(dict)
    assert [check.name for check in report.checks] == ["good"]
    report.inspect_certificates(lambda: ending_in(31))
    assert report.checks[-1].message == "2 are good for more than 30 days" and not report.attention


def test_a_certificate_that_has_ended_is_a_fault() -> None:
    report = Report("ready", [GOOD])
    report.inspect_certificates(lambda: ending_in(-1))
    assert report.verdict.startswith(
        "unhealthy at level ready: certificates: of the certificates that in the Secret m/"
    )


@pytest.mark.parametrize("level", ["ready", "full"])
def test_who_cannot_read_certificates_says_so_and_claims_nothing(level: str) -> None:
    def forbidden() -> dict[str, str]:
        raise EngineError("Secrets may not be read.")

    report = Report(level, [GOOD])
    report.inspect_certificates(forbidden)
    assert report.healthy and report.reached != "full"
    assert "could not look at the certificates: Secrets may not be read." in report.verdict


def test_without_any_check_nothing_is_healthy() -> None:
    assert not Report("ready").healthy
    assert not Report("ready", not_tried=[NotTried("schema", "why not")]).healthy


def test_the_report_does_not_look_like_a_skipped_task_to_ansible() -> None:
    found = Report("full", [GOOD], [NotTried("schema", "no database_uri")]).as_dict()
    assert found["not_tried"] == [{"name": "schema", "reason": "no database_uri"}]
    assert not {"skipped", "failed", "unreachable"} & set(found)


def test_an_unknown_level_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BadInput, match="live, ready, deep, full"):
        Wanted("deepest")


def test_each_level_includes_those_before_it() -> None:
    seen: list[list[str]] = [[check.name for check in climb(level, fake_mlflow()).checks] for level in health.LEVELS]
    for lower, higher in pairwise(seen):
        assert higher[: len(lower)] == lower and len(higher) > len(lower)


def test_an_artifact_that_comes_back_changed_is_caught() -> None:
    report = climb("deep", fake_mlflow())  # this server answers {} to every GET of an artifact
    assert [check.name for check in report.checks if not check.ok] == ["artifacts"]
    assert "gave back something else" in report.verdict


def test_a_server_without_an_artifact_proxy_is_not_blamed_for_it() -> None:
    without = status(200, b'{"store_type": "SqlStore", "artifact_serving_enabled": false}')
    report = climb("deep", fake_mlflow(server_info=without))
    assert report.healthy
    assert [skip.name for skip in report.not_tried] == ["artifacts"]


@pytest.mark.parametrize(
    "said",
    [
        b'{"detail":"Artifact serving is disabled. Run `mlflow server` with `--serve-artifacts` to enable."}',
        b"Endpoint: /x disabled due to the mlflow server running with `--no-serve-artifacts`. To enable artifacts",
    ],
    ids=["uvicorn", "gunicorn"],
)
def test_nor_is_one_that_says_so_only_when_it_is_asked_for_an_artifact(said: bytes) -> None:
    """As MLflow 3.17.2, whose server-info does not tell it."""
    healthy = fake_mlflow()

    def respond(handler: Handler) -> None:
        return handler.answer(503, said) if "/mlflow-artifacts/" in handler.path else healthy(handler)

    report = climb("deep", respond)
    assert report.healthy and report.reached == "ready"
    assert [skip.name for skip in report.not_tried] == ["artifacts"]


def test_one_whose_artifacts_are_out_of_order_is_unhealthy() -> None:
    healthy = fake_mlflow()

    def respond(handler: Handler) -> None:
        return handler.answer(503, b"no store") if "/mlflow-artifacts/" in handler.path else healthy(handler)

    assert "artifacts: PUT" in climb("deep", respond).verdict


def test_a_database_without_an_experiment_leaves_the_write_untried() -> None:
    report = climb("deep", fake_mlflow(search=status(200, b"{}")))
    assert "database_write" in [skip.name for skip in report.not_tried]
    assert "database_write" not in [check.name for check in report.checks]


def test_a_database_that_refuses_to_write_is_caught() -> None:
    report = climb("deep", fake_mlflow(set_experiment_tag=status(500, b'{"message": "read-only"}')))
    assert "database_write: POST" in report.verdict and "read-only" in report.verdict


def test_when_nothing_answers_only_that_is_said() -> None:
    report = climb("full", status(500, b"broken"))
    assert [check.name for check in report.checks] == ["process"]


def test_an_answer_that_is_no_json_is_a_failed_check_and_no_crash() -> None:
    report = climb("ready", fake_mlflow(search=status(200, b"<html>a proxy's page</html>")))
    assert [check.name for check in report.checks if not check.ok] == ["database_read"]


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"null"])
def test_json_of_another_shape_is_a_failed_check_and_no_crash(body: bytes) -> None:
    report = climb("ready", fake_mlflow(search=status(200, body), server_info=status(200, body)))
    assert {"capabilities", "database_read"} <= {check.name for check in report.checks if not check.ok}


def test_a_server_that_refuses_its_own_web_page_is_unhealthy() -> None:
    def refuse(handler: Handler) -> None:
        origin = handler.headers.get("Origin")
        assert origin in (None, f"http://{handler.headers['Host']}"), "as browsers say it"
        if origin:
            return handler.answer(403, b"Cross-origin request blocked")
        return handler.answer(200, b'{"experiments": [{"experiment_id": "0"}]}')

    report = climb("deep", fake_mlflow(search=refuse))
    assert "web_page" in [check.name for check in report.checks if not check.ok]
    assert "browsers cannot use the web page" in report.verdict and "mlflow_server_allowed_hosts" in report.verdict


def test_who_may_not_look_is_told_so_and_not_that_the_server_is_broken() -> None:
    refused = status(401, b"You are not authenticated")
    report = climb("ready", fake_mlflow(version=refused, search=refused))
    assert not report.healthy
    assert report.verdict.startswith("not allowed to look at level ready: version: ")
    assert "mlflow_server_auth_password_file" in report.verdict
    report.password_place = "/srv/secrets/admin-password"
    assert "put the new one into /srv/secrets/admin-password, and deploy again" in report.verdict
    broken = climb("ready", fake_mlflow(version=refused, search=status(500, b"broken")))
    assert broken.verdict.startswith("unhealthy at level ready: ")


def test_of_a_server_that_sleeps_nothing_is_tried_and_no_level_is_claimed() -> None:
    report = health.of_sleeping("ready", "it sleeps")
    tried = [skip.name for skip in report.not_tried]
    assert tried == ["process", "version", "capabilities", "database_read"], "what the platform shows is another's"
    report.checks.append(GOOD)
    assert report.healthy and report.reached == ""
    assert report.verdict.startswith("nothing is wrong, but level ready was not reached: ")
    assert "it sleeps" in report.verdict


def test_a_gateway_that_knows_no_such_host_refuses_it_as_well() -> None:
    def gateway(handler: Handler) -> None:
        foreign = handler.headers["Host"] == "rebinding.invalid"
        handler.answer(404 if foreign else 200, b"" if foreign else b'{"store_type": "SqlStore"}')

    checks = {one.name: one for one in climb("full", fake_mlflow(server_info=gateway)).checks}
    assert checks["foreign_host"].ok and "nobody answers" in checks["foreign_host"].message


@pytest.mark.parametrize("text", ["on", "stepped aside: MLflow is 3.18.0, and it is proven with 3.17.2"])
def test_health_and_info_say_whether_the_fast_store_serves(text: str) -> None:
    checks = {one.name: one for one in climb("ready", fake_mlflow(search=told(text))).checks}
    assert checks["database_read"].ok
    assert f"the fast store {'is on' if text == 'on' else text}" in checks["database_read"].message
    with serve(fake_mlflow(search=told(text))) as loopback:
        assert info.read(Server(loopback.url), count_limit=0)["fast_store"] == text


def test_a_server_that_says_nothing_of_it_has_no_fast_store() -> None:
    with serve(fake_mlflow()) as loopback:
        assert info.read(Server(loopback.url), count_limit=0)["fast_store"] == "off"


def test_what_a_server_says_of_its_store_is_one_short_line() -> None:
    with serve(fake_mlflow(search=told("x" * 5000))) as loopback:
        assert len(info.read(Server(loopback.url), count_limit=0)["fast_store"]) <= 200
