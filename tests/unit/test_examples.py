"""Every example of every module: options that the module has, and no word that nobody defines.

support/examples.py says where each runs as it is written.
"""

from __future__ import annotations

import importlib
import json
import re
from typing import Any, NoReturn

import jinja2
import jinja2.meta
import pytest
from support import examples
from support.playbooks import REPOSITORY

COLLECTION = "mlops.mlflow."
# What the roles set, and Ansible itself.
DEFINED = {
    "mlflow_server_connection", "mlflow_backup_connection", "mlflow_database_connection",
    "kubernetes_manifests_collected", "lookup", "query", "omit",
}  # fmt: skip
CASES = [(module, example) for module in sorted(examples.modules()) for example in examples.of(module, {})]


class Asked(Exception):
    """A module was about to read its arguments."""


def options(module: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What it takes, as it tells Ansible."""
    loaded = importlib.import_module(f"ansible_collections.mlops.mlflow.plugins.modules.{module}")
    told: dict[str, Any] = {}

    def asked(**spec: Any) -> NoReturn:
        told.update(spec["argument_spec"])
        raise Asked

    monkeypatch.setattr(loaded, "AnsibleModule", asked)
    with pytest.raises(Asked):
        loaded.main()
    return told


def names_of(given: Any, known: dict[str, Any], where: str) -> None:
    """That an example gives what is known, all that is required, and one of the choices."""
    if isinstance(given, str) and "{{" in given:
        return
    aliases = {alias for option in known.values() for alias in option.get("aliases", [])}
    assert set(given) <= set(known) | aliases, f"{where} has no {set(given) - set(known)}"
    assert not [name for name, option in known.items() if option.get("required") and name not in given], where
    for name, value in given.items():
        option = known.get(name, {})
        if option.get("choices") and "{{" not in str(value):
            assert set(value if isinstance(value, list) else [value]) <= set(option["choices"]), f"{where}: {name}"
        for inner in value if isinstance(value, list) else [value]:
            if option.get("options") and isinstance(inner, dict):
                names_of(inner, option["options"], f"{where} {name}")


def test_every_module_has_examples() -> None:
    assert {module for module, _example in CASES} == examples.modules()
    assert len(CASES) >= 80


def test_every_module_has_one_place_where_its_examples_run_as_they_are_written() -> None:
    listed = [module for modules in examples.PLACES.values() for module in modules]
    assert sorted(listed) == sorted(examples.modules())


def test_every_example_runs_at_one_place_and_the_test_of_each_place_is_there() -> None:
    names = [example["name"] for _module, example in CASES]
    assert len(set(names)) == len(names), "they are told apart by their names"
    assert set(examples.ELSEWHERE) <= set(names)
    assert sorted(name for place in examples.PLACES for name in examples.at(place, {})) == sorted(names)
    assert set(examples.TESTS) == set(examples.PLACES)
    for place, test in examples.TESTS.items():
        text = (REPOSITORY / "tests" / test).read_text()
        used = [f'of("{module}"' for module in examples.PLACES[place]] if place == "aws" else [f'at("{place}"']
        assert [one for one in used if f"examples.{one}" not in text] == []


@pytest.mark.parametrize(("module", "example"), CASES, ids=lambda case: case if isinstance(case, str) else case["name"])
def test_an_example_says_what_its_module_understands(
    module: str, example: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    [called] = [word for word in example if "." in word]  # words of tasks have no namespace
    if called.startswith(COLLECTION):
        name = called.removeprefix(COLLECTION)
        names_of(example[called] or {}, options(name, monkeypatch), called)


@pytest.mark.parametrize("module", sorted(examples.modules()))
def test_no_example_needs_a_word_that_nobody_defines(module: str) -> None:
    known = set(DEFINED)
    for example in examples.of(module, {}):
        known |= {example.get("register", ""), *example.get("vars", {}), *({"item"} if "loop" in example else set())}
        text = json.dumps(example)
        conditions = [example[word] for word in ("when", "failed_when") if isinstance(example.get(word), str)]
        environment = jinja2.Environment()  # noqa: S701
        found = set(jinja2.meta.find_undeclared_variables(environment.parse(jinja(text), filename="example")))
        for condition in conditions:
            found |= jinja2.meta.find_undeclared_variables(environment.parse(f"{{{{ {condition} }}}}"))
        assert found <= known, f"{example['name']}: nobody defines {found - known}"


def jinja(text: str) -> str:
    """Filters of collections and of Ansible are none that Jinja knows: to it each is one of its own."""
    return re.sub(r"\|\s*[\w.]+", "| string", text.replace("\\", ""))
