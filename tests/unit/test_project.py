"""The shape of the project: small files, said once, planned in Python, in the words of docs/architecture.md.

What does not hold yet is listed in test_project.yml, which only gets shorter: an exception that matches nothing
any more is an error as well.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
EXCEPTIONS: dict[str, Any] = yaml.safe_load(Path(__file__).with_suffix(".yml").read_text())
EQUAL_LINES = 10
TASK_FILE_LINES = 120
TASK_FILES = 40
PASSES_ON_LINES = 8
MODULE_LINES = 70
PLANNING = re.compile(r"\{%-? *(for|set)|combine\(|items2dict|selectattr")
# Words of the first edition, and what is said instead (docs/architecture.md has the words of today).
NOT_SAID = {
    "wish": "requested, settings",
    "wishes": "settings",
    "wished": "requested",
    "look": "inspect",
    "door": "entry point",
    "doors": "commands",
    "gentle": "low_priority",
    "keeper": "drain",
    "footprint": "requirements",
    "walk": "benchmark",
    "walked": "compared",
    "ladder": "checks",
    "rung": "check",
    "climb": "levels",
    "front": "load_balancer",
    "condemned": "pending",
    "objections": "errors",
    "mend": "fix",
    "remember": "save",
    "beside": "alongside",
}
WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
LISTED = subprocess.run(
    ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True
).stdout.decode()
FILES = [
    path
    for name in sorted(LISTED.split("\0"))
    if name and not name.startswith(("tests/unit/golden/", ".dev/")) and (path := ROOT / name).is_file()
]
SHIPPED = [path for path in FILES if path.relative_to(ROOT).parts[0] in ("roles", "playbooks", "plugins")]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def allowed(what: str, found: dict[str, Any]) -> None:
    """What was found is what is excepted, and no more."""
    excepted = EXCEPTIONS[what] or {}
    new = {name: value for name, value in found.items() if name not in excepted}
    gone = sorted(name for name in excepted if name not in found)
    assert new == {}, f"{what}: these are new"
    assert gone == [], f"{what}: remove these exceptions, which match nothing"


def code_of(path: Path) -> str:
    """A file of Python without its documentation."""
    text = path.read_text()
    return re.sub(r'^(DOCUMENTATION|EXAMPLES|RETURN) = r?""".*?^"""', "", text, flags=re.DOTALL | re.MULTILINE)


@cache
def lines_of(path: Path) -> tuple[str, ...]:
    """Lines that say something; docstrings, comments and imports do not."""
    if path.suffix == ".py":
        text = re.sub(r'^ *"""(.|\n)*?"""$', "", code_of(path), flags=re.MULTILINE)
        plain = re.compile(r"\s*(#|import |from |$)")
    else:
        text, plain = path.read_text(), re.compile(r"\s*(#|---|$)")
    return tuple(line.strip() for line in text.splitlines() if not plain.match(line))


def repeated() -> Iterator[tuple[str, str]]:
    """Pairs of files that have C(EQUAL_LINES) equal lines, one after the other."""
    seen: dict[tuple[str, ...], Path] = {}
    for path in FILES:
        said_already = path.parent.name in ("defaults", "meta") or "doc_fragments" in path.parts
        # A scenario is read, and copied, as one file.
        if path.suffix not in (".py", ".yml") or said_already or path.name == "molecule.yml":
            continue
        lines = lines_of(path)
        for start in range(len(lines) - EQUAL_LINES + 1):
            part = lines[start : start + EQUAL_LINES]
            other = seen.setdefault(part, path)
            if other != path:
                yield name_of(other), name_of(path)


def test_nothing_of_ten_lines_is_said_twice() -> None:
    allowed("repeated", {f"{one} {other}": "" for one, other in repeated()})


def test_no_task_file_is_long() -> None:
    tasks = [path for path in SHIPPED if path.suffix == ".yml" and "tasks" in path.parts]
    assert len(tasks) > 100
    long = {name_of(path): len(path.read_text().splitlines()) for path in tasks}
    assert {name: lines for name, lines in long.items() if lines > TASK_FILE_LINES} == {}


def test_modules_are_thin() -> None:
    modules = [name_of(path) for path in SHIPPED if path.parent.name == "modules"]
    assert len(modules) > 20
    lines = {
        name: sum(1 for line in code_of(ROOT / name).splitlines() if line.strip() and not line.startswith("#"))
        for name in modules
    }
    assert {name: count for name, count in lines.items() if count > MODULE_LINES} == {}


def test_planning_is_done_in_python() -> None:
    """C(for), C(set), C(combine) and the like in YAML and templates: each file with its lines, which only get fewer."""
    excepted = EXCEPTIONS["planning"]
    found: dict[str, int] = defaultdict(int)
    for path in SHIPPED:
        if path.suffix in (".yml", ".j2"):
            found[name_of(path)] += sum(1 for line in path.read_text().splitlines() if PLANNING.search(line))
    more = {name: count for name, count in found.items() if count > excepted.get(name, 0)}
    assert more == {}, "do this in the engine, with a filter"
    assert sum(excepted.values()) <= EXCEPTIONS["planning_at_most"]


def identifiers(path: Path) -> Iterator[str]:
    """Names that a file gives: of functions, classes, arguments, variables, tasks and facts."""
    if path.suffix == ".py":
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                yield node.name
            elif isinstance(node, ast.arg):
                yield node.arg
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id
    elif path.suffix == ".yml":
        text = path.read_text()
        yield from re.findall(r"^\s*(?:- )?name: (.+)$", text, re.MULTILINE)
        yield from re.findall(r"^\s*(_?_?[a-z]+_[a-z_]+):", text, re.MULTILINE)


def test_names_are_the_words_of_the_project() -> None:
    said = {}
    for path in SHIPPED:
        for identifier in (path.stem, *identifiers(path)):
            for word in WORD.findall(identifier):
                if word.lower() in NOT_SAID and not re.search(r"os\.walk", identifier):
                    said[f"{name_of(path)}: {identifier}"] = f"say {NOT_SAID[word.lower()]}"
    assert said == {}


def test_prose_has_the_words_of_the_project_too() -> None:
    """Those that are no plain English there: a platform was called so once, and settings."""
    old = re.compile(r"\bwish(es|ed)?\b|\bmend(s|ed)?\b|platform.{0,4}\bprocess\b|`process`", re.IGNORECASE)
    pages = [path for path in FILES if path.suffix == ".md" and path.relative_to(ROOT).parts[0] not in ("tests", ".ci")]
    assert len(pages) > 15
    said = {
        f"{name_of(path)}: {line.strip()}"
        for path in {*SHIPPED, *pages}
        if path.suffix in (".py", ".yml", ".md", ".j2") and path.name != "renamed.py"
        for line in path.read_text().splitlines()
        if old.search(line)
    }
    assert said == set()


def owner_of(path: Path) -> str:
    """The role that a file belongs to, or the playbooks."""
    parts = path.relative_to(ROOT).parts
    return parts[1] if parts[0] == "roles" else parts[0]


def test_what_begins_with_an_underscore_is_read_by_its_role_alone() -> None:
    """Facts, registered results and variables. What a role tells others is in its meta/outputs.yml."""
    files = [path for path in SHIPPED if path.suffix in (".yml", ".j2") and "plugins" not in path.parts]
    owners: dict[str, set[str]] = defaultdict(set)
    for path in files:
        text = path.read_text()
        named = re.findall(r"^\s*register: (_\w+)", text, re.MULTILINE) + re.findall(r"^ *(_\w+):", text, re.MULTILINE)
        for name in named:
            owners[name].add(owner_of(path))
    assert len(owners) > 200
    read = {
        f"{name_of(path)}: {name}"
        for path in files
        # Whoever loads a role's file of constants by its path says so.
        if "vars/main/version.yml" not in path.read_text()
        for name in re.findall(r"(?<![\w.'])_\w+", path.read_text())
        if name in owners and owner_of(path) not in owners[name]
    }
    assert read == set()


def tasks_of(path: Path) -> list[dict[str, Any]]:
    return [task for task in yaml.safe_load(path.read_text()) or [] if isinstance(task, dict)]


def test_no_role_has_many_task_files_and_none_only_passes_on() -> None:
    """A file of one short task that includes another one is a detour; several steps in an order are none."""
    files = [path for path in SHIPPED if path.parts[-2] == "tasks" or path.parts[-3] == "tasks"]
    files = [path for path in files if path.suffix == ".yml" and path.relative_to(ROOT).parts[0] == "roles"]
    counts: dict[str, int] = defaultdict(int)
    for path in files:
        counts[owner_of(path)] += 1
    assert len(counts) > 8
    assert {role: count for role, count in counts.items() if count > TASK_FILES} == {}
    detours = [
        name_of(path)
        for path in files
        if len(path.read_text().splitlines()) <= PASSES_ON_LINES
        and len(tasks := tasks_of(path)) == 1
        and tasks[0].keys() & {"ansible.builtin.include_tasks", "ansible.builtin.import_tasks"}
    ]
    assert detours == []


def programs() -> Iterator[tuple[Path, str]]:
    """Python that is written in a string, because another interpreter runs it; no tool looks into strings by itself."""
    for file in sorted((ROOT / "plugins").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
            if re.search(r"^(import|from) \S+", text, re.M):
                with suppress(SyntaxError):
                    ast.parse(text)
                    yield file, text


def test_programs_in_strings_know_every_name_that_they_use(tmp_path: Path) -> None:
    found = list(programs())
    assert found, "nothing was read"
    for number, (file, text) in enumerate(found):
        (tmp_path / f"{file.stem}_{number}.py").write_text(text)
    ruff = ["ruff", "check", "--isolated", "--no-cache", "--select=F", "--output-format=concise", "."]
    said = subprocess.run(ruff, cwd=tmp_path, text=True, capture_output=True, check=False)
    assert said.returncode == 0, said.stdout
