"""Advice can be typed as it is printed, and reaches the deployment that it is about."""

from __future__ import annotations

import json
import re
import shlex
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import advice
from ansible_collections.mlops.mlflow.plugins.plugin_utils.command import Called
from support.playbooks import REPOSITORY


@pytest.fixture(autouse=True)
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which a person types."""
    (tmp_path / "playbooks").mkdir()
    for name in ("local", "health", "destroy"):
        (tmp_path / "playbooks" / f"{name}.yml").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def called(clone: Path, *, playbook: str = "playbooks/local.yml", **how: Any) -> Called:
    arguments = {"args": (playbook,), "inventory": [str(clone / "inventories" / "mine")], **how.pop("arguments", {})}
    return Called(arguments=arguments, **how)


def test_inventory_and_playbook_are_said_as_a_person_types_them(clone: Path) -> None:
    assert called(clone).command("health", {}) == "ansible-playbook -i inventories/mine playbooks/health.yml"


def test_an_inventory_elsewhere_keeps_its_whole_path(clone: Path) -> None:
    said = called(clone, arguments={"inventory": ["/etc/mlops/hosts", "a.example.com,"]}).command("health", {})
    assert said == "ansible-playbook -i /etc/mlops/hosts -i a.example.com, playbooks/health.yml"


@pytest.mark.parametrize("playbook", ["mlops.mlflow.local", "site.yml", "playbooks/scale.yml"])
def test_where_no_such_file_is_beside_the_running_one_it_is_the_collections(clone: Path, playbook: str) -> None:
    assert called(clone, playbook=playbook).command("gc", {}).endswith(" mlops.mlflow.gc")


def test_the_deployments_variables_are_repeated_and_those_of_one_run_are_not(clone: Path) -> None:
    variables = {
        "mlflow_name": "second",
        "mlflow_data_dir": "/srv/a b",
        "mlflow_server_env": {"A": "it's"},
        "mlflow_upgrade": "true",
        "mlflow_remove_data": True,
        "mlflow_snapshot": "x",
    }
    words = shlex.split(called(clone, extra=[variables]).command("destroy", {"mlflow_destroy": True}))
    assert [word for before, word in pairwise(words) if before == "-e"] == [
        "mlflow_name=second",
        '{"mlflow_data_dir": "/srv/a b"}',
        '{"mlflow_server_env": {"A": "it\'s"}}',
        "mlflow_destroy=true",
    ]


@pytest.mark.parametrize(
    "variables",
    [
        {"mlflow_server_auth_password": "hunter2"},
        {"ansible_become_pass": "hunter2"},
        {"mlflow_server_secret_env": {"LICENSE": "hunter2"}},
        {"mine": {"db": [{"password": "hunter2"}]}},
        {"s3_secret_key": "hunter2"},
        {"token": "hunter2"},
        {"mlflow_server_env": {"HTTPS_PROXY": "http://me:hunter2@proxy.example.com:3128"}},
        {"mine": ["https://a.example", "s3://key:hun/hunter2@bucket"]},
        {"artifacts": "https://a.blob.example/x?sig=hunter2"},
    ],
)
def test_of_a_secret_only_the_name_is_said(clone: Path, variables: dict[str, Any]) -> None:
    said = called(clone, extra=[variables]).command("health", {})
    assert "hunter2" not in said
    assert f"-e {next(iter(variables))}=..." in said


def test_the_file_of_a_secret_is_said(clone: Path) -> None:
    variables = {"mlflow_server_auth_password_file": "/root/pw"}
    assert "-e mlflow_server_auth_password_file=/root/pw" in called(clone, extra=[variables]).command("health", {})


def test_what_it_takes_to_reach_the_host_is_repeated(clone: Path) -> None:
    arguments = {
        "subset": "b*",
        "become": True,
        "become_method": "sudo",
        "connection": "ssh",
        "remote_user": "ops",
        "vault_ids": ["prod@prompt"],
        "ask_vault_pass": False,
        "check": True,
    }
    said = called(clone, arguments=arguments, extra=[str(clone / "prod.yml")]).command("health", {})
    assert said == (
        "ansible-playbook -i inventories/mine --limit 'b*' --vault-id prod@prompt --user ops --become"
        " -e @prod.yml playbooks/health.yml"
    )


def test_where_other_hosts_take_part_it_is_about_one(clone: Path) -> None:
    assert "--limit second" in called(clone, host="second").command("destroy", {"mlflow_destroy": True})


def test_who_typed_make_is_told_make(clone: Path) -> None:
    how: dict[str, Any] = {"by_make": True, "arguments": {"inventory": [str(clone / "inventories" / "local")]}}
    assert called(clone, **how).command("health", {}) == "make health"
    destroy = {"mlflow_destroy": True, "mlflow_remove_data": True}
    assert called(clone, **how).command("destroy", destroy) == "make destroy VARS=mlflow_remove_data=true"
    said = called(clone, by_make=True, extra=[{"mlflow_server_port": "5001"}]).command("destroy", destroy)
    assert said == "make destroy INVENTORY=inventories/mine 'VARS=mlflow_server_port=5001 mlflow_remove_data=true'"


@pytest.mark.parametrize(
    ("inventories", "extra"),
    [
        (["my hosts"], {}),
        (["it's"], {}),
        (["$(id)"], {}),
        (["first", "second"], {}),
        (["local"], {"mlflow_server_allowed_hosts": ["a.example", "b.example"]}),
        (["local"], {"mlflow_server_env": {"A": "$HOME"}}),
        (["local"], {"mlflow_server_log": "it's a log"}),
        (["local"], {"mlflow_server_log": "two\nlines"}),
    ],
)
def test_what_make_would_take_apart_is_run_from_the_clones_environment(
    clone: Path, inventories: list[str], extra: dict[str, Any]
) -> None:
    paths = [str(clone / "inventories" / name) for name in inventories]
    arguments = {"inventory": paths}
    said = called(clone, by_make=True, arguments=arguments, extra=[extra]).command("destroy", {"mlflow_destroy": True})
    program, *words = shlex.split(said)
    assert program.endswith("/ansible-playbook") and words[-1] == "playbooks/destroy.yml"
    assert [word for before, word in pairwise(words) if before == "-i"] == [
        f"inventories/{name}" for name in inventories
    ]
    assert [word for before, word in pairwise(words) if before == "-e"][:-1] == [
        json.dumps({name: value}) for name, value in extra.items()
    ]


def test_what_make_has_no_target_for_is_run_from_the_clones_environment(clone: Path) -> None:
    said = called(clone, by_make=True).command("scale", {"mlflow_server_replicas": 3})
    assert said.endswith("/ansible-playbook -i inventories/mine -e mlflow_server_replicas=3 mlops.mlflow.scale")


def test_files_and_variables_keep_their_order_because_the_last_one_wins(clone: Path) -> None:
    extra = [{"mlflow_name": "first"}, str(clone / "second.yml"), {"mlflow_server_port": 5001}]
    said = called(clone, extra=extra).command("health", {})
    assert "-e mlflow_name=first -e @second.yml -e mlflow_server_port=5001 playbooks" in said


def test_make_is_told_the_files_too(clone: Path) -> None:
    said = called(clone, by_make=True, extra=[str(clone / "second.yml")]).command("destroy", {"mlflow_destroy": True})
    assert said == "make destroy INVENTORY=inventories/mine VARS=@second.yml"


def test_a_message_that_advises_a_command_is_shown_with_the_whole_of_it(clone: Path) -> None:
    (clone / "playbooks" / "upgrade.yml").touch()
    how = called(clone, extra=[{"mlflow_name": "second"}, {"mlflow_upgrade": "true"}])
    unread = advice.command("upgrade", mlflow_upgrade=True, mlflow_upgrade_unknown=True)
    said = how.typed(f"Read them: {unread} - or give it up: {advice.command('upgrade', mlflow_upgrade_release='a-1')}")
    begin = "ansible-playbook -i inventories/mine -e mlflow_name=second"
    assert said == (
        f"Read them: {begin} -e mlflow_upgrade=true -e mlflow_upgrade_unknown=true playbooks/upgrade.yml"
        f" - or give it up: {begin} -e mlflow_upgrade_release=a-1 playbooks/upgrade.yml"
    )


def test_a_message_without_a_command_stays_as_it_is(clone: Path) -> None:
    assert called(clone).typed("ansible-playbook: not found, -e x=1") == "ansible-playbook: not found, -e x=1"


def test_no_message_advises_a_bare_option() -> None:
    """Typed so it would reach the deployment of another inventory. C(advice.command) and the lookups say the whole."""
    bare = re.compile(r"(?<!ansible-playbook )-e mlflow_|run the playbook (upgrade|destroy|restore|gc|scale)")
    engine = (REPOSITORY / "plugins" / "module_utils").rglob("*.py")
    roles = [*REPOSITORY.glob("roles/*/tasks/**/*.yml"), *REPOSITORY.glob("playbooks/**/*.yml")]
    said = {
        str(file): [line for line in file.read_text().splitlines() if bare.search(line.partition("# ")[0])]
        for file in (*engine, *roles, *REPOSITORY.glob("roles/*/templates/*.txt.j2"))
    }
    assert len(said) > 100
    assert {file: lines for file, lines in said.items() if lines} == {}
