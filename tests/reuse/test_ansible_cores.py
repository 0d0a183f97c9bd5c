"""The oldest ansible-core that meta/runtime.yml allows, the newest that there is, and those between."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from support.elsewhere import BIN, Elsewhere
from support.playbooks import REPOSITORY

# With a Python that each of them runs on. The one that `requirements.txt` brings is that of all other tests.
CORES = {"2.17.14": "3.11", "2.18.19": "3.11", "2.20.10": ">=3.12", "2.21.5": ">=3.12"}
# The shims of pyenv are no interpreters that uv can ask.
PYENVS = sorted(map(str, Path("~/.pyenv/versions").expanduser().glob("3.1[2-9].*/bin/python")))


def makes(uv: str, python: str, folder: Path) -> bool:
    """Whether there is such a Python, and now an environment of it."""
    command = [uv, "venv", "--quiet", "--no-python-downloads", f"--python={python}", str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def with_long_variants(cores: dict[str, str]) -> list[object]:
    """The oldest always, which differs most from ours; the others where there is time: -m soak."""
    oldest, *others = cores
    return [oldest, *(pytest.param(core, marks=pytest.mark.soak) for core in others)]


@pytest.fixture(scope="module", params=with_long_variants(CORES))
def programs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, uv = tmp_path_factory.mktemp("core") / request.param, str(BIN / "uv")
    found = [CORES[request.param], *PYENVS] if CORES[request.param].startswith(">") else [CORES[request.param]]
    if not any(makes(uv, python, folder) for python in found):
        pytest.skip(f"ansible-core {request.param} needs a Python {CORES[request.param]}, and there is none")
    install = [uv, "pip", "install", "--quiet", f"--python={folder}", f"ansible-core=={request.param}"]
    subprocess.run(install, check=True)
    return folder / "bin"


def test_the_oldest_is_the_one_that_is_promised() -> None:
    oldest = next(iter(CORES)).rpartition(".")[0]
    assert f'requires_ansible: ">={oldest}.0"' in (REPOSITORY / "meta" / "runtime.yml").read_text()


@pytest.mark.parametrize("playbook", ["health", "status", "restart"])
def test_a_deployment_is_operated(deployed: Elsewhere, programs: Path, playbook: str) -> None:
    core = programs.parent.name
    assert core in deployed.run("ansible-playbook", "--version", programs=programs).splitlines()[0]
    shown = deployed.run(
        "ansible-playbook", "-i", deployed.inventory(), f"mlops.mlflow.{playbook}", *deployed.words, programs=programs
    )
    assert "failed=0" in shown
    assert "[DEPRECATION WARNING]" not in shown, shown


def read(path: Path) -> object:
    """Up to how JSON is laid out, which differs, and with it what its text hashes to."""
    text = path.read_text()
    return json.loads(text) if path.suffix == ".json" else re.sub(r"\b[0-9a-f]{64}\b", "HASH", text)


def rendered(place: Elsewhere, target: str, folder: Path, programs: Path) -> dict[str, object]:
    words = ["-e", json.dumps({"mlflow_render_dir": str(folder), "mlflow_data_dir": str(place.folder / "nothing")})]
    inventory = str(REPOSITORY / "inventories" / target)
    place.run("ansible-playbook", "-i", inventory, f"mlops.mlflow.{target}", *words, programs=programs)
    return {str(path.relative_to(folder)): read(path) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module", params=["kubernetes", "compose_multi_az"])
def ours(
    request: pytest.FixtureRequest, elsewhere: Elsewhere, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, dict[str, object]]:
    """A target, and what the ansible-core of `requirements.txt` makes of it."""
    return request.param, rendered(elsewhere, request.param, tmp_path_factory.mktemp("by ours"), BIN)


def test_what_is_rendered_is_the_same(
    elsewhere: Elsewhere, programs: Path, ours: tuple[str, dict[str, object]], tmp_path: Path
) -> None:
    target, expected = ours
    assert expected and rendered(elsewhere, target, tmp_path / "by it", programs) == expected
