"""What must hold for every role: its defaults, its argument specs and its documentation agree."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
TYPED = re.compile(r"{{ mlflow_\w+ \| default\((true|false|{})\) }}")
# Variables of the target, which roles read in their defaults only.
TARGET = [
    "platform",
    "name",
    "namespace",
    "namespace_existing",
    "version",
    "data_dir",
    "system_user",
    "system_user_existing",
    "data_existing",
    "remove_data",
    "cluster",
    "image",
    "storage_class",
    "pod_spec",
    "image_pull_policy",
    "labels",
    "annotations",
    "render_dir",
    "load_test_allowed",
    "zones",
]
ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())


def documented(value: Any) -> Any:
    """What an argument spec says, whose defaults must have their type: mlflow_x | default(false) is false there."""
    if isinstance(value, list):
        return [documented(item) for item in value]
    if str(value).startswith("{{ not "):
        return None  # it follows another variable, which the description names
    found = TYPED.fullmatch(str(value))
    return yaml.safe_load(found[1]) if found else value


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


@pytest.fixture(params=ROLES, ids=lambda path: path.name)
def role(request: pytest.FixtureRequest) -> Path:
    return request.param


def test_defaults_and_argument_specs_name_the_same_variables(role: Path) -> None:
    defaults = load(role / "defaults/main.yml")
    options = load(role / "meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    assert set(defaults) == set(options)


def test_documented_defaults_are_the_real_ones(role: Path) -> None:
    defaults = load(role / "defaults/main.yml")
    options = load(role / "meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    connections = {
        name for name, value in defaults.items() if re.search(r"_connection \| default\({}\) }}$", str(value))
    }
    real = {name: documented(value) for name, value in defaults.items()}
    differing = {n for n in defaults if n not in connections and options[n].get("default") != real[n]}
    assert differing == set()


def test_every_door_takes_the_same_variables(role: Path) -> None:
    doors = load(role / "meta/argument_specs.yml")["argument_specs"]
    for name, door in doors.items():
        assert (role / f"tasks/{name}.yml").is_file(), f"{name} is documented, but has no task file"
        assert door["options"] == doors["main"]["options"]


def test_every_role_says_what_it_is_for_and_which_ansible_it_needs(role: Path) -> None:
    meta = load(role / "meta/main.yml")
    info = meta["galaxy_info"]
    assert meta["dependencies"] == [], "roles get what they need as connections, in the playbook's order"
    assert {"author", "description", "license", "platforms", "galaxy_tags"} <= set(info)
    assert info["license"] == "GPL-3.0-or-later" and info["platforms"]
    needed = load(ROOT / "meta/runtime.yml")["requires_ansible"]
    assert needed.removeprefix(">=").rsplit(".", 1)[0] == info["min_ansible_version"]


def test_every_role_can_be_undone_and_says_so_in_its_readme(role: Path) -> None:
    assert (role / "tasks/remove.yml").is_file()
    readme = (role / "README.md").read_text()
    for door in load(role / "meta/argument_specs.yml")["argument_specs"]:
        assert f"`{door}`" in readme


def test_variables_of_the_target_are_read_in_defaults_only(role: Path) -> None:
    target = re.compile(rf"\bmlflow_({'|'.join(TARGET)})\b")
    for path in role.rglob("*"):
        if path.is_file() and path.parent.name not in ("defaults", "meta") and path.suffix in (".yml", ".j2"):
            found = target.findall(
                re.sub(r"((Set|set|shorter) |VARS=..)mlflow_\w+|mlflow_\w+(?==[^=])", "", path.read_text())
            )  # remedies name them
            assert not found, f"{path.relative_to(ROOT)} reads {found}"


def test_conditions_convert_what_surveys_pass_as_strings(role: Path) -> None:
    specs = load(role / "meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    booleans = [name for name, spec in specs.items() if spec["type"] == "bool"]
    for path in (role / "tasks").rglob("*.yml"):
        for line in path.read_text().splitlines():
            if re.match(r"\s*(when:|- )", line):
                for name in booleans:
                    assert not re.search(rf"\b{name}\b(?! *\| *bool)", line), f"{path.name}: {line.strip()}"


def test_mlflow_is_pinned_in_one_place() -> None:
    defaults = load(ROOT / "roles/mlflow_server/defaults/main.yml")["mlflow_server_version"]
    pinned = load(ROOT / "roles/mlflow_server/vars/main/version.yml")["_mlflow_server_pinned_version"]
    assert re.findall(r"default\('([\d.]+)'\)", defaults) == [pinned]
    lock = (ROOT / "roles/mlflow_server/files/constraints.txt").read_text()
    assert re.findall(r"^mlflow==(\S+)", lock, re.MULTILINE) == [pinned], "run tools/lock"


def test_galaxy_dependencies_and_requirements_agree() -> None:
    listed = {entry["name"]: entry["version"] for entry in load(ROOT / "requirements.yml")["collections"]}
    assert listed == load(ROOT / "galaxy.yml")["dependencies"]


def test_the_collection_depends_on_what_something_of_it_uses() -> None:
    shipped = [path for folder in ("roles", "playbooks", "plugins") for path in (ROOT / folder).rglob("*.[pyj]*")]
    text = "".join(path.read_text() for path in shipped if path.suffix in (".py", ".yml", ".j2"))
    used = set(re.findall(r"\b((?:amazon|azure|community)\.[a-z]+|kubernetes\.core)\.[a-z]", text))
    used -= {"azure.workload"}  # labels of AKS, azure.workload.identity/
    assert used == set(load(ROOT / "galaxy.yml")["dependencies"])


def test_what_is_shipped_needs_nothing_that_stays_in_the_clone() -> None:
    left_out = set(load(ROOT / "galaxy.yml")["build_ignore"])
    assert {"tools", "tests", "molecule", "benchmarks"} <= left_out
    needing = re.compile(r"\b(tests/run|tools/\w|benchmarks/)")
    shipped = [path for path in ROOT.iterdir() if path.is_file() and path.name not in left_out and path.suffix != ".md"]
    assert {path.name: found for path in shipped if (found := needing.findall(_spoken(path)))} == {}


def _spoken(path: Path) -> str:
    """Without comments, and what of a project is for who develops it."""
    text = "" if path.name == "pyproject.toml" else path.read_text()
    return re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE)


# Fragments that also say that a module is of the group.
MORE = {"mlflow": ["operations"], "operations": ["snapshot", "runner"]}


@pytest.mark.parametrize(
    ("name", "fragment"),
    [("mlflow", "server"), ("operations", "runner"), ("snapshot", "snapshot"), ("aws", "aws"), ("azure", "azure")],
)
def test_action_group_holds_exactly_the_modules_with_its_options(name: str, fragment: str) -> None:
    listed = load(ROOT / "meta/runtime.yml")["action_groups"][name]
    group = [one for one in listed if isinstance(one, str)]
    takers = [
        p.stem for p in (ROOT / "plugins/modules").glob("*.py") if f"- mlops.mlflow.{fragment}\n" in p.read_text()
    ]
    said = [f"- mlops.mlflow.attributes.actiongroup_{one}\n" for one in (name, *MORE.get(name, []))]
    members = [p.stem for p in (ROOT / "plugins/modules").glob("*.py") if any(line in p.read_text() for line in said)]
    assert sorted(group) == sorted(takers) == sorted(members)


def test_regular_expressions_have_the_backslashes_that_ansible_leaves_as_they_are(role: Path) -> None:
    """Outside of double quotes, and in them once YAML has read them: two would be a backslash to match."""
    for path in sorted(role.rglob("*.yml")):
        for text in strings(load(path)):
            assert not re.search(r"'[^']*\\\\[dswb][^']*'", text), f"{path.relative_to(ROOT)}: {text}"


def strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list):
        return [text for one in value for text in strings(one)]
    return [value] if isinstance(value, str) else []


def tasks_of(value: Any) -> list[dict[str, Any]]:
    """Every task of a file, also of its blocks."""
    found = []
    for task in value or []:
        found.append(task)
        for part in ("block", "rescue", "always"):
            found += tasks_of(task.get(part))
    return found


def test_what_is_written_to_a_host_has_its_mode_stated_and_an_owner_is_given_to_files_only(role: Path) -> None:
    """The umask of the host decides nothing, and no folder below a user's is given away through a link."""
    others = ("compose", "kubernetes")
    for path in sorted((role / "tasks").rglob("*.yml")):
        for task in () if path.parent.name in others or role.name.startswith(others) else tasks_of(load(path)):
            where = f"{path.relative_to(ROOT)}: {task.get('name')}"
            for module in ("copy", "template"):
                if written := task.get(f"ansible.builtin.{module}"):
                    assert written.get("mode", "preserve") != "preserve", where
            folder = task.get("ansible.builtin.file") or {}
            if folder.get("state") == "directory":
                assert "mode" in folder, where
                assert "owner" not in folder or (folder["owner"] == "root" and folder.get("follow") is False), where


def test_one_task_writes_what_the_server_is_started_with() -> None:
    writers = [
        f"{path.name}: {task['name']}"
        for path in sorted((ROOT / "roles/mlflow_server/tasks").rglob("*.yml"))
        for task in tasks_of(load(path))
        for module in ("copy", "template", "file")
        if "_mlflow_server_launch_file" in str((task.get(f"ansible.builtin.{module}") or {}).get("dest"))
    ]
    assert writers == ["launch.yml: Write what the server is started with"]


def test_every_private_variable_that_is_read_is_set_somewhere() -> None:
    """A name that a rename forgot is found only where its line runs, which may be in a second run or an upgrade."""
    files = [path for folder in ("roles", "playbooks") for path in (ROOT / folder).rglob("*.[yj]*")]
    text = "\n".join(path.read_text() for path in files if path.suffix in (".yml", ".j2"))
    given = set(re.findall(r"^\s*(?:- )?(_{1,2}[a-z][a-z0-9_]*):", text, re.MULTILINE))
    given |= set(re.findall(r"(?:register: |loop_var: |set |for )(\w+)", text))
    read = set(re.findall(r"(?<![\w.'/~-])(_{1,2}[a-z][a-z0-9]*_[a-z0-9_]+)\b", text))
    assert len(read) > 150
    assert sorted(read - given) == []


@pytest.mark.parametrize("folder", [*ROLES, ROOT / "playbooks"], ids=lambda path: path.name)
def test_every_file_that_is_included_is_there(folder: Path) -> None:
    """Includes run late, and some on one platform only: a file that was renamed is missed there first."""
    tasks = folder / "tasks"
    for path in folder.rglob("*.yml"):
        for name in re.findall(r"(?:include|import)_tasks: \"?([\w./-]+\.yml)\"?\s*$", path.read_text(), re.MULTILINE):
            places = [path.parent / name, tasks / name]
            assert any(place.is_file() for place in places), f"{path.name} includes {name}, which is not there"
        for role, entry in re.findall(
            r"name: mlops\.mlflow\.(\w+)\n\s+tasks_from: ([\w/]+)\s*$", path.read_text(), re.MULTILINE
        ):
            assert (ROOT / "roles" / role / "tasks" / f"{entry}.yml").is_file(), f"{path.name}: {role} has no {entry}"
        for source in re.findall(r"src: ([\w./-]+\.j2)\s*$", path.read_text(), re.MULTILINE):
            assert (folder / "templates" / source).is_file(), f"{path.name}: no template {source}"


def blocks_with_conditions(tasks: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for task in tasks or []:
        if "block" in task:
            if "when" in task:
                yield task
            for part in ("block", "rescue", "always"):
                yield from blocks_with_conditions(task.get(part, []))


def set_by(tasks: list[dict[str, Any]], folder: Path) -> set[str]:
    """Facts and results of tasks, also of those that they include, on whichever platform."""
    found: set[str] = set()
    for task in tasks or []:
        found |= {*task.get("ansible.builtin.set_fact", {}), task.get("register", "")}
        for part in ("block", "rescue", "always"):
            found |= set_by(task.get(part, []), folder)
        included = task.get("ansible.builtin.include_tasks") or task.get("ansible.builtin.import_tasks") or ""
        for path in folder.glob(re.sub(r"\{\{.*?}}", "*", str(included))) if included else ():
            found |= set_by(load(path), folder)
    return found


@pytest.mark.parametrize("role", [*ROLES, ROOT / "playbooks"], ids=lambda path: path.name)
def test_no_block_changes_its_own_condition(role: Path) -> None:
    """The condition of a block is asked again before each of its tasks: what one sets could skip those after it."""
    meaning: dict[str, str] = {}
    for path in (role / "vars").rglob("*.yml"):
        meaning |= {name: str(value) for name, value in (load(path) or {}).items()}

    def names(text: str, seen: set[str]) -> set[str]:
        for name in set(re.findall(r"[a-z_][a-z0-9_]+", text)) - seen:
            seen.add(name)
            if name in meaning:
                names(meaning[name], seen)
        return seen

    for path in (role / "tasks").rglob("*.yml"):
        for block in blocks_with_conditions(load(path)):
            own = names(str(block["when"]), set()) & set_by(block["block"][:-1], role / "tasks")
            assert own == set(), f"{path.relative_to(role)}: '{block['name']}' depends on {own}, and sets it"


@pytest.mark.parametrize("file", ["deploy", "service"])
def test_who_cannot_start_a_server_shows_the_end_of_its_log(file: str) -> None:
    """systemd says no more than: see systemctl status."""
    tasks = yaml.safe_load((ROOT / "roles/mlflow_server/tasks/host" / f"{file}.yml").read_text())
    starters = ("systemd_service", "supervisorctl", "supervisord", "flush_handlers")
    starting = [task for task in tasks if any(word in str(task) for word in starters)]
    assert len(starting) == 1, [task["name"] for task in starting]
    [reported] = starting[0]["rescue"]
    assert reported["ansible.builtin.include_tasks"] == "host/verify.yml"
    assert "ansible_failed_result" in reported["vars"]["_mlflow_server_unstarted"]
    verify = yaml.safe_load((ROOT / "roles/mlflow_server/tasks/host/verify.yml").read_text())
    [block] = verify
    assert block["block"][0]["ansible.builtin.fail"]["msg"] == "{{ _mlflow_server_unstarted }}"
    assert "journalctl" in str(block["rescue"])
