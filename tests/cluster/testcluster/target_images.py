"""The images of the target kubernetes: ours by the playbook that users run, PostgreSQL from Debian's packages."""

from __future__ import annotations

import os

from . import images, settings
from .shell import run_long

MLFLOW = images.name("mlflow")
POSTGRESQL = images.name("postgresql")
_POSTGRESQL_CONTEXT = settings.HERE / "images" / "postgresql"


def ensure() -> None:
    """Build both and load them into the node."""
    build()
    for image in (MLFLOW, POSTGRESQL):
        images.load(image)


def build() -> None:
    """The engine's cache makes the second time quick."""
    variables = {
        "mlflow_image": MLFLOW,
        "mlflow_image_base": images.DEBIAN_IMAGE,
        "mlflow_image_ca_bundle": str(images.ca_bundle() or ""),
        **({"mlflow_image_index": index} if (index := os.environ.get("PIP_INDEX_URL")) else {}),
    }
    extra = [flag for name, value in variables.items() for flag in ("-e", f"{name}={value}")]
    run_long(
        f"image {MLFLOW}",
        ["ansible-playbook", settings.HERE.parent.parent / "playbooks" / "images.yml", *extra],
        settings.LOGS / "image-mlflow.log",
        env=images.DOCKER,
    )
    images.build_image(
        _POSTGRESQL_CONTEXT, _POSTGRESQL_CONTEXT / "Containerfile", POSTGRESQL, {"BASE": images.DEBIAN_IMAGE}
    )
