"""The operator of Prometheus, built from its Go module, with a Prometheus and an Alertmanager that it can run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import yaml

from . import build, images, settings
from .shell import say

MODULE = settings.GO_SOURCES / "prometheus-operator"
# What installs it; tests do, in this namespace, because others are of clusters without it.
RELEASE = settings.STATE / "prometheus-operator.yaml"
NAMESPACE = "t-prometheus"
# Debian's, of both programs.
IMAGE = images.name("prometheus")
VERSION = "2.53.3"
_CONTEXT = settings.HERE.parent / "compose" / "images" / "prometheus"
_OPERATOR, _RELOADER = "operator", "prometheus-config-reloader"
_PATH = "github.com/prometheus-operator/prometheus-operator"


def ensure() -> None:
    programs = build.ensure((MODULE,), settings.PROMETHEUS_OPERATOR)
    images.import_programs((_OPERATOR, _RELOADER), programs, build.key((MODULE,)))
    images.build_image(_CONTEXT, _CONTEXT / "Containerfile", IMAGE, {"BASE": images.DEBIAN_IMAGE})
    for image in (images.name(_OPERATOR), images.name(_RELOADER), IMAGE):
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
    container["image"] = images.name(_OPERATOR)
    container["args"] = [f"--prometheus-config-reloader={images.name(_RELOADER)}"]
    # On a machine of two cores its start takes longer than its own probes give it.
    del container["resources"]["limits"]
    yield f"---\n{json.dumps(deployment)}\n"
