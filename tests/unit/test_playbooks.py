"""Playbooks work with the inventory of any platform: what differs is in roles, which skip what is not theirs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.playbooks import WITHOUT_FORKS, report_in, run_playbook, until_stuck

PLAYBOOKS = Path(__file__).parents[2] / "playbooks"
PLATFORMS = ("host", "compose", "kubernetes")
FILES = sorted(PLAYBOOKS.rglob("*.yml"))
# A target is named as its inventory is, and an injected fault is a platform's own.
TARGETS = {path.name for path in (PLAYBOOKS.parent / "inventories").iterdir()}
FAULT = re.compile(r"^fault_(host|compose|kubernetes)$")


def in_order(file: str) -> list[str]:
    """What the tasks of a file do, and of its blocks."""

    def walk(tasks: list[dict[str, Any]]) -> list[str]:
        found = []
        for task in tasks:
            found += [f"{key} {task.get('check_mode', '')}".strip() for key in task if key.startswith("mlops.mlflow.")]
            found += [
                str(value) for name, value in (task.get("vars") or {}).items() if name.startswith("mlflow_server_")
            ]
            for part in ("block", "rescue", "always"):
                found += walk(task.get(part) or [])
        return found

    return walk(yaml.safe_load((PLAYBOOKS / "tasks" / file).read_text()))


def test_an_image_that_cannot_restore_is_found_before_servers_are_stopped() -> None:
    order = in_order("restore.yml")
    assert order.index("mlops.mlflow.mlflow_restore True") < order.index("stopped")


def test_an_upgrade_looks_with_the_new_version_and_at_the_snapshot_before_servers_are_stopped() -> None:
    # What only reads who is at work comes before, and changes nothing.
    planned = [step for step in in_order("upgrade_plan.yml") if "mlflow_reservation" not in step]
    assert planned[0] == "inspect"
    before = in_order("upgrade.yml")
    assert "stopped" not in before[: before.index("mlops.mlflow.mlflow_restore True") + 1]


def plays(playbook: Path, **told: Any) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each task of a playbook in their order, those of imported ones too, with what these were told."""
    for play in yaml.safe_load(playbook.read_text()):
        if imported := play.get("ansible.builtin.import_playbook"):
            yield from plays(playbook.parent / imported, **{**told, **(play.get("vars") or {})})
        for task in play.get("tasks") or []:
            yield task, told


def test_an_upgrade_checks_everything_before_the_backups_are_prepared() -> None:
    """What prepares them writes: no wrong setting may have got so far."""
    roles = [task.get("ansible.builtin.include_role") or {} for task, _told in plays(PLAYBOOKS / "upgrade.yml")]
    steps = [(role.get("name", "").rpartition(".")[2], role.get("tasks_from")) for role in roles]
    assert steps.index(("mlflow_server", "preflight")) < steps.index(("mlflow_backup", "prepare"))


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_a_target_collects_once_how_its_components_are_reached(target: str) -> None:
    playbook = PLAYBOOKS / f"{target}.yml"
    if not playbook.exists():
        pytest.skip("one that is deployed with the playbook of another")
    collected = [
        task
        for task, told in plays(playbook)
        if str(task.get("ansible.builtin.include_tasks")).endswith("connections.yml")
        and not ("__connections_collected" in str(task.get("when")) and told.get("__connections_collected"))
    ]
    assert len(collected) == 1


LINES = {
    "nothing": "",
    "of a long task": '{"lines": 3}\n{"plays": 3}\n{"plays": [], "of": "somebody"}\n',
    "cut off": '{"lines": \n{\n{"plays": [\n',
    "no object": '[1]\nnull\n"{"\n',
    "a warning behind": "{'plays': []}\n",
}


@pytest.mark.parametrize("before", LINES.values(), ids=LINES)
def test_the_report_of_a_playbook_is_found_behind_lines_that_look_like_one(before: str) -> None:
    report = {"plays": [{"tasks": []}], "stats": {"h": {"ok": 1}}}
    for indent in (None, 4):
        assert report_in(f"{before}{json.dumps(report, indent=indent)}\n[WARNING]: {{ x\n") == report
    assert report_in(before) is None


def test_the_index_of_a_build_is_told_to_it_where_nobody_else_sees_it() -> None:
    """It may hold a password: builders take a value that is not said from their environment."""
    commands = re.findall(r"argv:\n((?:\s+- .*\n)+)", (PLAYBOOKS / "images.yml").read_text())
    assert len(commands) >= 2 and "--build-arg=PIP_INDEX_URL\n" in "".join(commands)
    assert "mlflow_image_index" not in "".join(commands)


def conditions(value: Any) -> Iterator[str]:
    """Texts of each C(when), C(that) and C(loop), and of variables, which conditions are made of."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("when", "that", "loop", "vars", "tasks_from", "ansible.builtin.include_tasks"):
                yield yaml.safe_dump(inner)
            yield from conditions(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from conditions(inner)


def test_no_file_of_a_playbook_is_of_one_platform_but_the_injected_fault() -> None:
    named = [
        str(path.relative_to(PLAYBOOKS))
        for path in PLAYBOOKS.rglob("*.*")
        if set(re.split(r"[_.]", path.name)) & set(PLATFORMS)
        and path.stem not in TARGETS
        and not FAULT.fullmatch(path.stem)
    ]
    assert named == []
    assert {path.stem for path in PLAYBOOKS.rglob("fault_*")} == {f"fault_{platform}" for platform in PLATFORMS}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PLAYBOOKS)))
def test_no_condition_of_a_playbook_names_a_platform(path: Path) -> None:
    named = [
        text
        for text in conditions(yaml.safe_load(path.read_text()))
        if re.search(rf"mlflow_platform|'({'|'.join(PLATFORMS)})'", text) and "tasks/fault_" not in text
    ]
    assert named == []


def test_one_server_cannot_be_scaled_and_nothing_is_deployed(tmp_path: Path) -> None:
    inventory = tmp_path / "hosts.json"
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    inventory.write_text(json.dumps({"mlflow": {"hosts": {"local": local}}}))
    told = {"mlflow_data_dir": str(tmp_path / "data"), "mlflow_server_replicas": 2}
    refused = run_playbook(PLAYBOOKS / "scale.yml", inventory, told, program=WITHOUT_FORKS)
    assert refused.code != 0 and refused.message.startswith("A server that is a process cannot be scaled")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("role", ["cluster_prerequisites", "host_prerequisites"])
@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_role_that_prepares_has_its_tasks_or_skips_the_platform(role: str, platform: str) -> None:
    tasks = PLAYBOOKS.parent / "roles" / role / "tasks"
    for entry, file in (("main", f"{platform}.yml"), ("remove", f"{platform}/remove.yml")):
        text = (tasks / f"{entry}.yml").read_text()
        skipped = f"{role}_platform != '{platform}'" in text or (
            f"{role}_platform == " in text and f"{role}_platform == '{platform}'" not in text
        )
        does_it_itself = f"{role}_platform == '{platform}'" in text
        assert skipped != (does_it_itself or (tasks / file).is_file())


def test_what_an_assertion_would_say_can_be_said_while_it_holds() -> None:
    """Ansible makes the text of an assertion that holds, too: of nothing there is no first."""

    def said(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            for key, inner in value.items():
                if key == "fail_msg":
                    yield str(inner)
                yield from said(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from said(inner)

    files = [*FILES, *(PLAYBOOKS.parent / "roles").glob("*/tasks/**/*.yml")]
    texts = [(path.name, text) for path in files for text in said(yaml.safe_load(path.read_text()))]
    assert len(texts) > 30
    first = re.compile(r"\|\s*(first|last)\b(?!\s*\|\s*default)")
    assert [found for found in texts if first.search(found[1]) and "length" not in found[1]] == []


MESSAGES = {"ansible.builtin.debug", "ansible.builtin.fail", "ansible.builtin.assert"}
TASKS = [file for folder in (PLAYBOOKS, PLAYBOOKS.parent / "roles") for file in folder.rglob("*.yml")]


def messages(value: Any) -> Iterator[str]:
    """What tasks say, line by line, without what is computed in it."""
    if isinstance(value, dict):
        for task in MESSAGES & set(value):
            for said in ((value[task] or {}).get(name, "") for name in ("msg", "fail_msg", "success_msg")):
                yield from (
                    re.sub("{{.*?}}", "", str(line), flags=re.S)
                    for line in (said if isinstance(said, list) else [said])
                )
        for inner in value.values():
            yield from messages(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from messages(inner)


def test_a_message_of_several_lines_is_a_list() -> None:
    """The default callback shows a text as JSON, whose line breaks are then two characters."""
    said = {str(file): list(messages(yaml.safe_load(file.read_text()))) for file in TASKS if "vault" not in file.name}
    assert sum(map(len, said.values())) > 100
    assert {
        file: broken for file, lines in said.items() if (broken := [one for one in lines if "\n" in one.strip()])
    } == {}
    assert not [str(file) for file in TASKS if re.search(r"msg: .*join\('\\\\n'\)", file.read_text())]


# Begins tasks as ansible-playbook does that has the callback running_task.
PAUSES = """
import os, sys, time
for name, seconds in zip(("first", "second", "third", "fourth"), map(float, sys.argv[1:])):
    with open(os.environ["MLOPS_TEST_RUNNING_TASK"], "a") as file:
        file.write(name + chr(10))
    time.sleep(seconds)
"""


def test_a_playbook_is_given_up_by_its_task_and_not_by_its_length() -> None:
    def pauses(*seconds: float) -> int:
        return until_stuck([sys.executable, "-c", PAUSES, *map(str, seconds)], dict(os.environ), 3).returncode

    assert pauses(1, 1, 1, 1) == 0
    with pytest.raises(AssertionError, match="for 3 s no task ended; running: second"):
        pauses(0, 100)


def copied_folders(tasks: list[dict[str, Any]]) -> Iterator[str]:
    for task in tasks:
        if str((task.get("ansible.builtin.copy") or {}).get("src", "")).endswith("/"):
            yield task["ansible.builtin.copy"]["src"]
        for part in ("block", "rescue", "always"):
            yield from copied_folders(task.get(part) or [])


def test_no_folder_of_many_files_is_copied_one_module_call_after_the_other() -> None:
    """Each file of a copied folder costs two calls: the whole engine took five minutes once."""
    seen = 0
    for play in yaml.safe_load((PLAYBOOKS / "images.yml").read_text()):
        for source in copied_folders(play["tasks"]):
            files = [path for path in (PLAYBOOKS / source).resolve().rglob("*") if path.is_file()]
            assert len(files) <= 8, f"{source} has {len(files)} files: write an archive of them"
            seen += len(files)
    assert seen


def test_the_report_of_a_load_test_is_no_change_of_the_clone() -> None:
    report = "load-test-mlflow/result.json"
    asked = subprocess.run(["git", "check-ignore", report], cwd=PLAYBOOKS.parent, check=False, capture_output=True)
    assert asked.returncode == 0, "git status would show it"
