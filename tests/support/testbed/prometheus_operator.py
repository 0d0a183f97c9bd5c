"""The operator of Prometheus, built from its Go module, with a Prometheus and an Alertmanager that it can run."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import yaml

from . import build, images, settings
from .shell import say

MODULE = settings.GO_SOURCES / "prometheus-operator"
# What installs it; tests do, in this namespace, because others are of clusters without it.
RELEASE = settings.STATE / "prometheus-operator.yaml"
NAMESPACE = "t-prometheus"
# Debian's, of both programs; the operator asks for their versions.
IMAGE = images.name("prometheus")
PROMETHEUS_VERSION, ALERTMANAGER_VERSION = "2.53.3", "0.28.1"
_CONTEXT = settings.HERE.parent / "compose" / "images" / "prometheus"
_OPERATOR = images.name("prometheus-operator")
# On two cores its programs start too slowly within the limits that the release gives them.
_UNLIMITED = ("--config-reloader-cpu-limit=0", "--config-reloader-memory-limit=0")
_PATH = "github.com/prometheus-operator/prometheus-operator"


def ensure() -> None:
    programs = build.ensure((MODULE,), settings.PROMETHEUS_OPERATOR)
    with tempfile.TemporaryDirectory(dir=settings.CACHE) as folder:
        context = Path(folder, "context")
        shutil.copytree(settings.HERE / "images" / "prometheus-operator", context)
        for program in programs.iterdir():
            shutil.copy(program, context)
        images.build_image(context, context / "Containerfile", _OPERATOR)
    images.build_image(_CONTEXT, _CONTEXT / "Containerfile", IMAGE, {"BASE": images.DEBIAN_IMAGE})
    for image in (_OPERATOR, IMAGE):
        images.load(image)
    RELEASE.write_text("".join(_documents()))
    say(f"the operator of Prometheus is installed by {RELEASE}")


def _documents() -> Iterator[str]:
    """Those of the release, in the module's sources, with the images as they are called here."""
    sources = Path(build.go(MODULE, "list", "-m", "-f", "{{.Dir}}", _PATH).strip()) / "example"
    files = [*sources.glob("prometheus-operator-crd/*.yaml"), *sources.glob("rbac/prometheus/prometheus-*.yaml")]
    names = ("service-account", "cluster-role", "cluster-role-binding")
    files += [sources / "rbac" / "prometheus-operator" / f"prometheus-operator-{name}.yaml" for name in names]
    for file in sorted(files):
        yield "---\n" + file.read_text().replace("namespace: default", f"namespace: {NAMESPACE}").removeprefix("---\n")
    deployment = yaml.safe_load((sources / "rbac/prometheus-operator/prometheus-operator-deployment.yaml").read_text())
    deployment["metadata"]["namespace"] = NAMESPACE
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    container |= {"image": _OPERATOR, "args": [f"--prometheus-config-reloader={_OPERATOR}", *_UNLIMITED]}
    del container["resources"]["limits"]
    yield f"---\n{json.dumps(deployment)}\n"
