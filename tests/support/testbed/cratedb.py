"""The images of the target cratedb_seaweedfs. CrateDB's server is in no package registry: where C(TEST_CRATEDB_HOME)
names the folder of a real one it is that, and otherwise the stand-in of C(tests/support/cratedb)."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

import yaml

from . import images, settings, target_images
from .shell import Failure, say

MLFLOW = images.name("mlflow-cratedb")
_STAND_IN = settings.HERE.parent / "support" / "cratedb" / "stand_in_server"
# For ansible-playbook: what a deployment is told on the test cluster.
VARIABLES = settings.STATE / "cratedb" / "variables.json"


def ensure() -> None:
    """Have the images in the node, and the variables in VARIABLES."""
    target_images.build_mlflow(MLFLOW, mlflow_image_variant="cratedb")
    database = _build_database()
    for image in (MLFLOW, database):
        images.load(image)
    small = [yaml.safe_load((settings.HERE / name).read_text()) for name in ("small.yml", "small_cratedb.yml")]
    variables = {**small[0], **small[1], "mlflow_image": MLFLOW, "mlflow_database_image": database}
    VARIABLES.parent.mkdir(parents=True, exist_ok=True)
    VARIABLES.write_text(json.dumps(variables, indent=2))
    say(f"{database} is CrateDB for the target cratedb_seaweedfs; ansible-playbook reads @{VARIABLES}")


def _build_database() -> str:
    home = os.environ.get("TEST_CRATEDB_HOME")
    if home and not Path(home, "bin", "crate").is_file():
        raise Failure(f"TEST_CRATEDB_HOME is {home}, and there is no program bin/crate in it.")
    program, source = ("cratedb", Path(home)) if home else ("cratedb-stand-in", _STAND_IN)
    with tempfile.TemporaryDirectory(dir=settings.CACHE) as folder:
        context = Path(folder, "context")
        shutil.copytree(settings.HERE / "images" / program, context)
        shutil.copytree(source, context / ("cratedb" if home else source.name), ignore=_UNWANTED)
        images.build_image(context, context / "Containerfile", images.name(program), {"BASE": images.DEBIAN_IMAGE})
    return images.name(program)


_UNWANTED = shutil.ignore_patterns("__pycache__", "data", "logs")
