"""A Prometheus and an Alertmanager of a deployment's own: what they are given, and what is refused before that."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.mlops.mlflow.plugins.filter.own_prometheus import own_prometheus
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.alerts import prometheus
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.compose import configuration
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.compose.client import DockerError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput
from support.playbooks import LOCAL_HOST, REPOSITORY, WITHOUT_FORKS, run_playbook

OPTIONS: dict[str, Any] = {
    "name": "team",
    "platform": "compose",
    "port": "9090",
    "alertmanager_port": 9093,
    "exporter_port": "9500",
    "interval": "30",
    "days": "30",
    "size": "5Gi",
    "rules": {"groups": [{"name": "own", "rules": []}]},
    "server_metrics": "/tmp/metrics",
    "alertmanager_config": {},
    "alertmanager_secrets": {},
}
SERVER: dict[str, Any] = {
    "runner": {"type": "compose", "published": "http://127.0.0.1:5000"},
    "workload": {"inside_uri": "https://team-load-balancer:5000", "containers": ["team-server-1", "team-server-2"]},
}
MAIL = {"name": "mail", "email_configs": [{"to": "a@example.com"}]}
CHAT = {"name": "chat", "slack_configs": [{"api_url_file": "/run/secrets/chat"}]}
PATH = "mlflow_monitoring_alertmanager_config"


def computed(server: Any = SERVER, **options: Any) -> dict[str, Any]:
    return prometheus.compute({**OPTIONS, **options}, server)


def scraped(server: Any = SERVER, **options: Any) -> list[dict[str, Any]]:
    found = computed(server, **options)["files"]["configuration/prometheus/prometheus.yml"]
    return [target for job in found["scrape_configs"] for target in job["static_configs"]]


def routed(*receivers: Any, **route: Any) -> dict[str, Any]:
    return {"route": {"receiver": receivers[0]["name"], **route}, "receivers": list(receivers)}


def test_each_server_is_scraped_by_itself_whatever_is_before_them() -> None:
    assert scraped() == [
        {"targets": ["team-exporter:9500"], "labels": {"job": "mlflow-ops", "deployment": "team"}},
        {"targets": ["team-server-1:5000", "team-server-2:5000"], "labels": {"job": "mlflow", "deployment": "team"}},
    ]
    assert len(scraped(server_metrics="")) == 1, "servers that export nothing would be down for ever"


LOGIN = {**SERVER, "runner": {**SERVER["runner"], "options": {"username": "admin", "password_file": "/s/admin"}}}


def test_servers_with_a_login_are_scraped_with_it_and_nobody_else_gets_the_password() -> None:
    found = computed(LOGIN, alertmanager_secrets={"chat": "/etc/chat"})
    exporter, servers = found["files"]["configuration/prometheus/prometheus.yml"]["scrape_configs"]
    assert servers["basic_auth"] == {"username": "admin", "password_file": "/run/secrets/password"}
    assert "basic_auth" not in exporter
    assert found["copies"] == {
        "secrets/prometheus/password": "/s/admin",
        "secrets/alertmanager/chat": "/etc/chat",
    }
    assert found["with_secrets"] == ["alertmanager", "prometheus"]
    assert computed(LOGIN, server_metrics="")["copies"] == {}, "nobody would read it"
    [servers] = computed(LOGIN, platform="host", targets=[{"targets": ["a:5000"], "labels": {"job": "mlflow"}}])[
        "variables"
    ]["prometheus_scrape_configs"]
    assert servers["basic_auth"]["password_file"] == "/s/admin"


def test_what_is_kept_is_bounded_in_time_and_on_the_disk() -> None:
    command = computed(days="1.5", size="1Gi")["commands"]["prometheus"]
    assert "--storage.tsdb.retention.time=36h" in command and "--storage.tsdb.retention.size=1073741824B" in command


def test_neither_has_a_login_and_so_both_are_on_loopback_alone_and_cannot_be_told_to_quit() -> None:
    found = computed(port=9190)
    assert found["published"] == {"prometheus": "127.0.0.1:9190:9090", "alertmanager": "127.0.0.1:9093:9093"}
    assert found["uris"]["prometheus"] == "http://127.0.0.1:9190"
    words = " ".join(found["commands"]["prometheus"])
    assert "lifecycle" not in words and "admin" not in words


def test_without_receivers_alerts_are_shown_and_nobody_is_told() -> None:
    routing = computed()["files"]["configuration/alertmanager/alertmanager.yml"]
    assert routing == {"route": {"receiver": "nobody"}, "receivers": [{"name": "nobody"}]}


def test_the_files_are_yaml_and_one_without_rules_is_none() -> None:
    told = {**OPTIONS, "alertmanager_config": routed(CHAT), "alertmanager_secrets": {"chat": "/etc/chat"}}
    found = own_prometheus(told, SERVER)
    texts = {path.rpartition("/")[2]: yaml.safe_load(text) for path, text in found["files"].items()}
    assert texts["mlflow.yml"] == OPTIONS["rules"] and texts["alertmanager.yml"]["receivers"] == [CHAT]
    assert found["copies"] == {"secrets/alertmanager/chat": "/etc/chat"}
    assert len(own_prometheus({**OPTIONS, "rules": {}}, SERVER)["files"]) == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"interval": 0}, "mlflow_monitoring_prometheus_interval is 0; it must be at least 1"),
        ({"days": 0.5}, "mlflow_monitoring_prometheus_days is 0.5; it must be at least 1"),
        ({"days": "long"}, "mlflow_monitoring_prometheus_days must be a number"),
        ({"size": "5GB"}, "mlflow_monitoring_prometheus_size: '5GB' is no Kubernetes quantity"),
        ({"size": "1Mi"}, "mlflow_monitoring_prometheus_size is 1Mi; it must be at least 100Mi"),
        ({"port": "web"}, "mlflow_monitoring_prometheus_port must be a whole number"),
        ({"port": 9093}, "Two programs cannot have one port: mlflow_monitoring_prometheus_port 9093, mlflow_monitorin"),
        ({"alertmanager_port": 9500}, "mlflow_monitoring_port 9500"),
        ({"port": 5000}, "mlflow_server_port 5000"),
        ({"alertmanager_secrets": ["/etc/chat"]}, "mlflow_monitoring_alertmanager_secrets must be a dict"),
        ({"alertmanager_secrets": {"../chat": "/etc/chat"}}, "has '../chat', which is no name of a file"),
        ({"alertmanager_secrets": {"chat": "chat"}}, "mlflow_monitoring_alertmanager_secrets.chat is 'chat'; it must"),
        ({"alertmanager_config": ["route"]}, f"{PATH} has no route"),
        ({"alertmanager_config": {"receivers": [MAIL]}}, f"{PATH} has no route"),
        ({"alertmanager_config": {"route": {"receiver": "mail"}}}, f"{PATH}.receivers must be a list of receivers"),
        ({"alertmanager_config": {**routed(MAIL), "receivers": [{}]}}, "each with a name"),
        ({"alertmanager_config": {**routed(MAIL), "route": {"group_by": ["x"]}}}, f"{PATH}.route has no receiver"),
        (
            {"alertmanager_config": {**routed(MAIL), "route": {"receiver": "post"}}},
            f"{PATH}.route goes to the receiver 'post', which is not there: give it to receivers, or name one of mail.",
        ),
        (
            {"alertmanager_config": routed(MAIL, routes=[{"routes": [{"receiver": "pager"}]}])},
            f"{PATH}.route.routes.0.routes.0 goes to the receiver 'pager'",
        ),
        (
            {"alertmanager_config": routed(MAIL, {"name": "pager"})},
            f"{PATH}.receivers has 'pager', and no route goes there, so that it is never told: add a route with",
        ),
        ({"alertmanager_config": routed(MAIL, MAIL)}, "has 'mail' twice"),
        (
            {"alertmanager_config": routed(CHAT)},
            f"{PATH}.receivers.0.slack_configs.0.api_url_file is '/run/secrets/chat'; it must be /run/secrets/NAME",
        ),
        (
            {"alertmanager_config": routed({"name": "x", "sns_configs": [{"sigv4": {"secret_key": "S3CRET"}}]})},
            "secret",
        ),
    ],
)
def test_what_could_not_work_is_refused_in_one_sentence(options: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=re.escape(words)):
        computed(**options)


@pytest.mark.parametrize(
    ("receiver", "key"),
    [
        ({"slack_configs": [{"api_url": "https://hooks.example.com/S3CRET"}]}, "slack_configs.0.api_url"),
        ({"email_configs": [{"auth_password": "S3CRET"}]}, "email_configs.0.auth_password"),
        ({"pagerduty_configs": [{"routing_key": "S3CRET"}]}, "pagerduty_configs.0.routing_key"),
        ({"telegram_configs": [{"bot_token": "S3CRET"}]}, "telegram_configs.0.bot_token"),
        ({"discord_configs": [{"webhook_url": "https://d.example.com/S3CRET"}]}, "discord_configs.0.webhook_url"),
        ({"webhook_configs": [{"url": "https://a:S3CRET@example.com"}]}, "webhook_configs.0.url"),
        (
            {"webhook_configs": [{"http_config": {"authorization": {"credentials": "S3CRET"}}}]},
            "webhook_configs.0.http_config.authorization.credentials",
        ),
    ],
)
def test_a_secret_in_the_open_is_refused_and_not_said(receiver: dict[str, Any], key: str) -> None:
    with pytest.raises(BadInput) as refused:
        computed(alertmanager_config=routed({"name": "x", **receiver}))
    assert f"{PATH}.receivers.0.{key} is a secret" in str(refused.value) and "S3CRET" not in str(refused.value)
    assert f"{key.rpartition('.')[2]}_file to /run/secrets/NAME" in str(refused.value)


def test_an_address_is_no_secret_and_all_that_is_wrong_is_said_at_once() -> None:
    jira = {"name": "x", "jira_configs": [{"api_url": "https://jira.example.com", "project": "OPS"}]}
    hook = {"name": "y", "webhook_configs": [{"url": "http://hook.example.com:8080/a"}]}
    computed(alertmanager_config=routed(jira, hook, routes=[{"receiver": "y"}]))
    with pytest.raises(BadInput) as refused:
        computed(alertmanager_config=routed(MAIL, MAIL, CHAT))
    for words in ("'mail' twice", "'chat', and no route", "api_url_file"):
        assert words in str(refused.value)


# On a host, where the roles of another collection run them


TARGETS = [{"targets": ["127.0.0.1:9500"], "labels": {"job": "mlflow-ops", "deployment": "team"}}]
HOST: dict[str, Any] = {"platform": "host", "targets": TARGETS}


def test_a_host_gives_the_roles_of_the_collection_what_containers_would_be_given() -> None:
    rules = {"groups": [{"name": name, "rules": [{"record": name, "expr": "1"}]} for name in ("a", "b")]}
    mail = {**routed(MAIL), "inhibit_rules": [{"equal": ["deployment"]}]}
    found = computed(**HOST, rules=rules, alertmanager_config=mail, days=1)["variables"]
    assert found["prometheus_web_listen_address"] == "127.0.0.1:9090"
    assert found["alertmanager_web_listen_address"] == "127.0.0.1:9093"
    assert found["prometheus_scrape_configs"] == [{"job_name": "mlflow-ops", "static_configs": TARGETS}]
    assert found["prometheus_alertmanager_config"] == [{"static_configs": [{"targets": ["127.0.0.1:9093"]}]}]
    assert [rule["record"] for rule in found["prometheus_alert_rules"]] == ["a", "b"]
    assert (found["prometheus_storage_retention"], found["prometheus_storage_retention_size"]) == ("24h", "5368709120B")
    assert (found["alertmanager_route"], found["alertmanager_receivers"]) == (mail["route"], [MAIL])
    assert (found["alertmanager_inhibit_rules"], found["alertmanager_time_intervals"]) == (mail["inhibit_rules"], [])


def test_every_variable_is_passed_on_by_the_role() -> None:
    tasks = (REPOSITORY / "roles/mlflow_monitoring/tasks/host/prometheus.yml").read_text()
    passed = re.findall(r'^    (\w+): "{{ _mlflow_monitoring_roles\.(\w+) }}"$', tasks, re.MULTILINE)
    assert {said for said, _read in passed} == set(computed(**HOST)["variables"])
    assert [one for one in passed if one[0] != one[1]] == []


def test_on_a_host_files_with_secrets_are_where_they_are() -> None:
    chat = {"name": "chat", "slack_configs": [{"api_url_file": "/etc/mlflow/chat"}]}
    computed(**HOST, alertmanager_config=routed(chat))
    for key, value, words in (
        ("api_url_file", "chat", "api_url_file is 'chat'; it must be an absolute path"),
        ("api_url", "https://x", "write it to a file, then set api_url_file to its path instead"),
    ):
        with pytest.raises(BadInput, match=re.escape(words)):
            computed(**HOST, alertmanager_config=routed({"name": "chat", "slack_configs": [{key: value}]}))
    with pytest.raises(BadInput, match="has global, templates, which the role of Alertmanager does not take on a host"):
        computed(**HOST, alertmanager_config={**routed(MAIL), "global": {}, "templates": []})


# What the role refuses: one run of Ansible tells all, a host for each.
ENABLED = {"mlflow_monitoring_prometheus_enabled": "true"}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no-collection": (
        {**ENABLED, "mlflow_platform": "host"},
        "mlflow_monitoring_prometheus_enabled needs the collection prometheus.prometheus on a host, which is not",
    ),
    "in-a-cluster": (
        {**ENABLED, "mlflow_platform": "kubernetes"},
        "mlflow_monitoring_prometheus_enabled is for hosts and compose: set it to false.",
    ),
    "unrouted": ({**ENABLED, PATH: routed(MAIL, {"name": "pager"})}, "has 'pager', and no route goes there"),
    "twice": (
        {"mlflow_monitoring_rules": {"groups": [{"name": "one", "rules": []}, {"name": "one", "rules": []}]}},
        "mlflow_monitoring_rules has two groups of one name, of which Prometheus would take neither: one, one.",
    ),
}
# Where it is off, nobody minds what is said of it.
ACCEPTED = {"off": {PATH: routed(MAIL, {"name": "pager"})}}
# A line of a rules file of others, and whether it names a group of the deployment team.
LINES = {
    "block": ("  - name: mlflow-server-team", True),
    "flow": ("- {name: mlflow-server-team, rules: []}", True),
    "json": ('{"groups": [{"rules": [], "name": "mlflow-server-team"}]}', True),
    "quoted": ("- name: 'mlflow-database-team' # by hand", True),
    "of-another": ("  - name: mlflow-server-team-two", False),
    "of-all": ("  - name: mlflow-server", False),
    "no-group": ("  - alert: mlflow-server-team", False),
}
ROLE = "mlops.mlflow.mlflow_monitoring"
TASKS = [
    {"ansible.builtin.include_role": {"name": ROLE, "tasks_from": entry}, "when": f"entry == '{entry}'"}
    for entry in ("connection", "prometheus")
]
PLAY = [{"hosts": "all", "gather_facts": False, "tasks": TASKS}]


@pytest.fixture(scope="module")
def messages(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("refused")
    (folder / "play.yml").write_text(json.dumps(PLAY))
    told: dict[str, dict[str, Any]] = {name: given for name, (given, _words) in REFUSED.items()} | ACCEPTED
    hosts = {name: {"entry": "connection", **given} for name, given in told.items()}
    for name, (line, _found) in LINES.items():
        for made in ("rules", "targets"):
            (folder / name / made).mkdir(parents=True)
        (folder / name / "rules" / "of-others.yml").write_text(f"groups:\n{line}\n")
        # That of an earlier deploy is ours.
        (folder / name / "rules" / "team-monitoring.yml").write_text("groups:\n- name: mlflow-server-team\n")
        hosts[name] = {"entry": "prometheus", "mlflow_monitoring_prometheus_dir": str(folder / name)}
    common = {
        **LOCAL_HOST,
        "mlflow_name": "team",
        "mlflow_platform": "compose",
        "mlflow_image": "any",
        "mlflow_monitoring_server": SERVER,
    }
    inventory = {"all": {"hosts": {name: {**common, **given} for name, given in hosts.items()}}}
    (folder / "hosts.json").write_text(json.dumps(inventory))
    run = run_playbook(Path(folder, "play.yml"), folder / "hosts.json", program=WITHOUT_FORKS)
    assert run.code
    return [str(failure.get("msg")) for failure in run.failures]


@pytest.mark.parametrize("name", REFUSED)
def test_the_role_refuses_it_before_anything_is_changed(messages: list[str], name: str) -> None:
    assert len([one for one in messages if REFUSED[name][1] in one]) == 1, messages


@pytest.mark.parametrize("name", LINES)
def test_rules_of_others_that_have_our_names_are_refused_where_prometheus_would_take_both(
    messages: list[str], name: str
) -> None:
    words = f"/{name}/rules/of-others.yml has groups of rules with the names of those of team"
    assert len([one for one in messages if words in one]) == LINES[name][1], messages


def test_nothing_else_is_refused(messages: list[str]) -> None:
    assert len(messages) == len(REFUSED) + len([line for line, found in LINES.values() if found]), messages


# Checking and reloading, with a stand-in for docker that keeps what it was called with


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a docker that says what lies there in C(inspect), C(run) and C(exec), and with C(code) fails."""
    folder = tmp_path / "docker"
    folder.mkdir()
    program = folder / "docker"
    program.write_text(
        f"#!/bin/sh\ncd {folder}\n"
        'case "$1" in image|container) what=inspect;; *) what=$1;; esac\n'
        'printf "%s\\n" "$@" >> arguments\n'
        'case "$*" in *"kill -HUP"*) cp after exec;; run*) cat > given;; esac\n'
        'cat "$what" 2>/dev/null\n'
        'if [ "$1" = run ]; then exit "$(cat code)"; fi\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    (folder / "inspect").write_text('[{"Id": "1"}]')
    (folder / "code").write_text("0")
    return folder


def check(text: str = "groups: []") -> bool:
    return configuration.check("prometheus:1", ["promtool", "check", "rules"], text, "mlflow_monitoring_rules")


def test_a_text_is_checked_by_who_will_read_it_with_no_rights_and_in_no_argument(docker: Path) -> None:
    assert check("# a text\n") is True
    arguments = (docker / "arguments").read_text().split("\n")
    assert (docker / "given").read_text() == "# a text\n" and "# a text" not in arguments
    for flag in ("--network=none", "--read-only", "--cap-drop=ALL", "--pull=never", "--user=65534:65534", "--rm"):
        assert flag in arguments
    assert arguments[-4:-1] == ["promtool", "check", "rules"]


def test_what_it_refuses_is_said_in_its_words(docker: Path) -> None:
    (docker / "run").write_text("  FAILED:\n1:15: parse error: unexpected end of input\n")
    (docker / "code").write_text("1")
    with pytest.raises(
        BadInput, match="mlflow_monitoring_rules is refused by promtool check rules: FAILED: 1:15: parse"
    ):
        check()


def test_an_image_that_is_not_there_yet_is_not_started(docker: Path) -> None:
    (docker / "inspect").write_text("[]")
    assert check() is False
    assert "run" not in (docker / "arguments").read_text().split("\n")


def page(seconds: float) -> str:
    return (
        "# TYPE prometheus_config_last_reload_success_timestamp_seconds gauge\n"
        f"prometheus_config_last_reload_success_timestamp_seconds {seconds}\n"
        "prometheus_config_last_reload_successful 1\n"
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "configuration"
    (found / "rules").mkdir(parents=True)
    (found / "rules" / "mlflow.yml").write_text("groups: []")
    return found


def reload(folder: Path, timeout: float = 30, dry_run: bool = False) -> bool:
    return configuration.reload("team-prometheus", "http://127.0.0.1:9090/metrics", folder, timeout, dry_run)


def test_files_that_are_newer_than_what_it_has_read_are_read_and_others_not(docker: Path, folder: Path) -> None:
    (docker / "exec").write_text(page(time.time() - 60))
    (docker / "after").write_text(page(time.time() + 60))
    assert reload(folder) is True
    assert "kill -HUP 1" in (docker / "arguments").read_text()
    (docker / "arguments").unlink()
    assert reload(folder) is False
    assert "kill" not in (docker / "arguments").read_text()


def test_a_file_that_is_gone_is_a_change_as_well(docker: Path, folder: Path) -> None:
    now = time.time()
    for path in (folder, folder / "rules", folder / "rules" / "mlflow.yml"):
        os.utime(path, (now - 60, now - 60))
    (docker / "exec").write_text(page(now - 30))
    assert reload(folder) is False
    (folder / "rules" / "mlflow.yml").unlink()
    (docker / "after").write_text(page(now + 60))
    assert reload(folder) is True


def test_who_goes_on_with_what_it_had_is_an_error_with_its_words(docker: Path, folder: Path) -> None:
    (docker / "exec").write_text(page(time.time() - 60))
    (docker / "after").write_text(page(time.time() - 60))
    (docker / "logs").write_text('level=error msg="Failed to apply configuration"\n')
    with pytest.raises(DockerError, match=r"goes on with the configuration that it had.*Failed to apply configuration"):
        reload(folder, timeout=0)


def test_a_check_run_sends_no_signal_and_needs_no_container(docker: Path, folder: Path) -> None:
    (docker / "inspect").write_text("[]")
    assert reload(folder, dry_run=True) is False
    state = {"Status": "running", "ExitCode": 0, "StartedAt": "2026-01-01T00:00:00Z"}
    (docker / "inspect").write_text(json.dumps([{"Name": "/x", "State": state, "Config": {"Image": "i"}}]))
    (docker / "exec").write_text(page(0))
    assert reload(folder, dry_run=True) is True
    assert "kill" not in (docker / "arguments").read_text()


def test_who_does_not_say_when_it_last_read_is_an_error(docker: Path, folder: Path) -> None:
    (docker / "exec").write_text("nothing\n")
    with pytest.raises(DockerError, match="does not say at http://127"):
        reload(folder)
