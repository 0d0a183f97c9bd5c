"""Operations under compose: what a container is started from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import programs, protocol
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.compose import runner
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.progress import silent


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> list[list[Path]]:
    """The compose files of each command, in their order, and what the last one of several says."""
    seen: list[Any] = []

    def ask(argv: list[str], *_rest: Any, **_more: Any) -> str:
        named = [Path(word.removeprefix("--file=")) for word in argv if word.startswith("--file=")]
        seen.append((named, [json.loads(path.read_text()) for path in named[1:]]))
        return ""

    monkeypatch.setattr(programs, "ask", ask)
    monkeypatch.setattr(runner, "call", lambda *_arguments, **_more: None)
    monkeypatch.setattr(protocol, "result_of", lambda _said, _id: {})
    return seen


@pytest.mark.parametrize("image", ["", "registry.example.com/torch:1"])
def test_an_image_of_its_own_is_said_in_a_second_file_that_goes(image: str, files: Any, tmp_path: Path) -> None:
    project = tmp_path / "compose.yaml"
    project.write_text("services: {}\n")
    request = protocol.Request("experiment", {"script": "1"}, False, 60.0, {}, "")
    runner.ComposeRunner("mlflow", str(project), "", image).run(request, silent)
    [(named, said)] = files
    assert named[0] == project
    assert said == ([{"services": {"experiment": {"image": image}}}] if image else [])
    assert not [path for path in named[1:] if path.exists()]
