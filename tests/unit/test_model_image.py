"""The script that makes an image of a model: what it refuses before it pushes, and the same bytes twice."""

from __future__ import annotations

import importlib.util
import json
import sys
import tarfile
import types
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "roles/mlflow_experiments/files/model_image.py"
BASE = {"config": {"Env": ["PATH=/opt/mlflow/bin"], "User": "10001"}, "rootfs": {"diff_ids": ["sha256:a"]}}


@pytest.fixture(scope="module")
def script() -> Any:
    """Without MLflow, which only what talks to a server needs."""
    stand_in = types.ModuleType("mlflow")
    stand_in.MlflowClient = object  # type: ignore[attr-defined]
    spec = importlib.util.spec_from_file_location("model_image", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "mlflow", stand_in)
        spec.loader.exec_module(module)
    return module


def model(folder: Path) -> Path:
    (folder / "model/data").mkdir(parents=True)
    (folder / "model/MLmodel").write_text("flavors: {}")
    (folder / "model/data/model.pkl").write_bytes(b"weights")
    (folder / "model/passwd").symlink_to("/etc/passwd")
    return folder / "model"


def test_a_model_is_the_same_layer_whenever_and_by_whomever_it_was_downloaded(script: Any, tmp_path: Path) -> None:
    first = script.layer_of(model(tmp_path / "a"), tmp_path / "1")
    other = model(tmp_path / "b")
    (other / "MLmodel").chmod(0o600)
    assert script.layer_of(other, tmp_path / "2") == first
    (other / "MLmodel").write_text("flavors: {other: 1}")
    assert script.layer_of(other, tmp_path / "3") != first


def test_the_layer_holds_the_model_where_it_is_served_from_readable_by_everybody_and_no_link(
    script: Any, tmp_path: Path
) -> None:
    script.layer_of(model(tmp_path), tmp_path / "layer")
    with tarfile.open(tmp_path / "layer") as archive:
        found = {entry.name: oct(entry.mode) for entry in archive}
    assert found == {
        "opt/mlflow-model": "0o755",
        "opt/mlflow-model/MLmodel": "0o644",
        "opt/mlflow-model/data": "0o755",
        "opt/mlflow-model/data/model.pkl": "0o644",
    }


def test_the_image_is_the_base_with_a_layer_more_and_another_program(script: Any) -> None:
    made = json.loads(script.configuration(BASE, "sha256:b", {"org.opencontainers.image.title": "wine"}))
    assert made["rootfs"]["diff_ids"] == ["sha256:a", "sha256:b"]
    assert made["config"]["User"] == "10001" and "--model-uri=/opt/mlflow-model" in made["config"]["Entrypoint"]
    assert made["config"]["Labels"] == {"org.opencontainers.image.title": "wine"}
    assert BASE["rootfs"] == {"diff_ids": ["sha256:a"]}, "the base image is what it was"


@pytest.mark.parametrize(
    ("requirements", "named"),
    [
        ("scikit-learn==1.7.2\n# a comment\n", []),
        ("scikit-learn==1.6.0", ["scikit-learn==1.6.0 (1.7.2 is there)"]),
        ("torch>=2\nscikit-learn", ["torch>=2 (not there)"]),
        ("torch; sys_platform == 'win32'", []),
        ("--extra-index-url https://example.com\nscikit-learn<1", ["scikit-learn<1 (1.7.2 is there)"]),
        ("", []),
    ],
)
def test_what_a_base_image_lacks_is_named(script: Any, requirements: str, named: list[str]) -> None:
    def installed(name: str) -> str:
        if name != "scikit-learn":
            raise metadata.PackageNotFoundError(name)
        return "1.7.2"

    assert script.missing(requirements, installed) == named


def test_the_docs_name_the_package_that_it_needs(script: Any) -> None:
    assert script.NEEDS in (ROOT / "docs/experiments.md").read_text()
