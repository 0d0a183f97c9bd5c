"""CloudNativePG for the cluster: the operator, built from its Go module, and a PostgreSQL that it can run."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from . import build, images, settings, target_images
from .control_plane import kubectl
from .shell import say

MODULE = settings.GO_SOURCES / "cloudnative-pg"
NAMESPACE = "cnpg-system"
_OPERATOR = images.name("cloudnative-pg")
_PATH = "github.com/cloudnative-pg/cloudnative-pg"
# The operator reads the version of PostgreSQL from the tag.
POSTGRESQL = f"{settings.IMAGE_PREFIX}/postgresql-in-path:17"
_SECONDS = 180


def ensure() -> None:
    """Have the operator run, as its release installs it."""
    programs = build.ensure((MODULE,), settings.CLOUDNATIVE_PG)
    _build_operator(programs)
    _build_postgresql()
    kubectl("apply", "--server-side", "--force-conflicts", "--filename=-", stdin=_release())
    kubectl(
        "--namespace", NAMESPACE, "rollout", "status", f"--timeout={_SECONDS}s", "deployment/cnpg-controller-manager"
    )
    say(f"CloudNativePG {_version()} runs in {NAMESPACE}")


def _build_operator(programs: Path) -> None:
    with tempfile.TemporaryDirectory(dir=settings.CACHE) as folder:
        context = Path(folder, "context")
        shutil.copytree(settings.HERE / "images" / "cloudnative-pg", context)
        shutil.copy(programs / "manager", context)
        arguments = {"BASE": images.DEBIAN_IMAGE, "ARCHITECTURE": build.go(MODULE, "env", "GOARCH").strip()}
        images.build_image(context, context / "Containerfile", _OPERATOR, arguments)
    images.load(_OPERATOR)


def _build_postgresql() -> None:
    context = settings.HERE / "images" / "postgresql-in-path"
    images.build_image(context, context / "Containerfile", POSTGRESQL, {"BASE": target_images.POSTGRESQL})
    images.load(POSTGRESQL)


def _version() -> str:
    return build.go(MODULE, "list", "-m", "-f", "{{.Version}}", _PATH).strip().removeprefix("v")


def _release() -> str:
    """The file of the release in the module's sources, with the operator's image as it is called here."""
    folder = Path(build.go(MODULE, "list", "-m", "-f", "{{.Dir}}", _PATH).strip())
    text = (folder / "releases" / f"cnpg-{_version()}.yaml").read_text()
    official = f"ghcr.io/cloudnative-pg/cloudnative-pg:{_version()}"
    assert official in text
    return text.replace(official, _OPERATOR).replace("imagePullPolicy: Always", "imagePullPolicy: IfNotPresent")
