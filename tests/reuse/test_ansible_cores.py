"""The oldest ansible-core that meta/runtime.yml allows, the newest that there is, and those between, by day."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from support.elsewhere import BIN, Elsewhere
from support.playbooks import REPOSITORY

# With a Python that each of them runs on. The one that `requirements.txt` brings is that of all other tests.
CORES = {"2.17.14": "3.11", "2.18.19": "3.11", "2.20.10": ">=3.12", "2.21.5": ">=3.12"}


@pytest.fixture(scope="module", params=CORES)
def programs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("core") / request.param
    uv = str(BIN / "uv")
    made = subprocess.run(
        [uv, "venv", "--quiet", "--no-python-downloads", f"--python={CORES[request.param]}", str(folder)],
        text=True,
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"ansible-core {request.param} needs a Python {CORES[request.param]}: {made.stderr.strip()}")
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
