"""Images without a registry: a Docker engine of our own builds them, and they are copied into the node."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from . import build, settings
from .processes import Process
from .shell import Failure, Result, run, run_long, say

KEY_LABEL = "mlops-test.key"
CA_BUNDLE_NAME = "ca-bundle.crt"
# Where programs of a machine behind a TLS-inspecting proxy are told of its CA bundle.
CA_BUNDLE_VARIABLES = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")

DEBIAN_IMAGE = f"{settings.IMAGE_PREFIX}/debian:{settings.DEBIAN}"
NODE_IMAGES = ("pause", "coredns", "metrics-server", "local-path-provisioner", "versitygw")
DOCKER = {"DOCKER_HOST": f"unix://{settings.DOCKER_SOCKET}", "DOCKER_BUILDKIT": "0"}
DOCKER_CONFIG = settings.CONFIG / "docker.json"


def name(program: str) -> str:
    return f"{settings.IMAGE_PREFIX}/{program}:test"


def engine() -> Process:
    """dockerd for building only: without networks of its own it touches neither iptables nor devices."""
    return Process(
        "dockerd",
        [
            "dockerd",
            f"--config-file={DOCKER_CONFIG}",
            f"--host=unix://{settings.DOCKER_SOCKET}",
            f"--pidfile={settings.STATE / 'docker.pid'}",
            f"--data-root={settings.DOCKER_ROOT}",
            f"--exec-root={settings.STATE / 'docker'}",
            f"--containerd={settings.CONTAINERD_SOCKET}",
            f"--cgroup-parent=/{settings.BUILD_CGROUP}",
            "--bridge=none",
            "--iptables=false",
            "--ip6tables=false",
            "--ip-forward=false",
            "--ip-masq=false",
        ],
    )


def prepare() -> None:
    DOCKER_CONFIG.write_text("{}")  # else the machine's own /etc/docker/daemon.json would be read


def engine_ready() -> bool:
    return docker("version", check=False).returncode == 0


def docker(*arguments: str | Path, check: bool = True) -> Result:
    return run(["docker", *arguments], env=DOCKER, check=check)


def image_id(image: str) -> str | None:
    return docker("image", "inspect", "--format", "{{.Id}}", image, check=False).stdout.strip() or None


def is_current(image: str, key: str) -> bool:
    label = '{{index .Config.Labels "' + KEY_LABEL + '"}}'
    return docker("image", "inspect", "--format", label, image, check=False).stdout.strip() == key


def ensure() -> None:
    """Make the images that the node itself needs, and Debian as a base for others; load all of them."""
    import_programs(NODE_IMAGES, settings.PROGRAMS_IN_USE, build.key())
    if not image_id(DEBIAN_IMAGE):
        import_debian()
    for image in (*map(name, NODE_IMAGES), DEBIAN_IMAGE):
        load(image)


def import_programs(programs: Iterable[str], folder: Path, key: str) -> None:
    """Make an image of each program that has none of this key yet: a static program is an image by itself."""
    for program in programs:
        if is_current(name(program), key):
            continue
        changes = [f'ENTRYPOINT ["/{program}"]', f"LABEL {KEY_LABEL}={key}", "USER 65532:65532"]
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            tar.add((folder / program).resolve(), arcname=program)
        import_archive(name(program), changes, archive.getvalue())


def import_archive(image: str, changes: list[str], archive: bytes) -> None:
    flags = [flag for change in changes for flag in ("--change", change)]
    result = subprocess.run(
        ["docker", "import", *flags, "-", image],
        input=archive,
        env={**os.environ, **DOCKER},
        capture_output=True,
        check=False,
    )
    if result.returncode:
        raise Failure(f"docker import of {image} failed: {result.stderr.decode(errors='replace').strip()}")


def import_debian() -> None:
    with tempfile.TemporaryDirectory(dir=settings.CACHE) as temporary:
        root = Path(temporary) / "root"
        run_long(
            f"base image {DEBIAN_IMAGE}",
            ["debootstrap", "--variant=minbase", settings.DEBIAN, root],
            settings.LOGS / "debootstrap.log",
        )
        for waste in ("var/cache/apt", "var/lib/apt/lists", "var/log"):
            shutil.rmtree(root / waste)
            (root / waste).mkdir()
        archive = Path(temporary) / "root.tar"
        run(["tar", "--create", "--numeric-owner", "--file", archive, "--directory", root, "."])
        docker("import", "--change", 'CMD ["bash"]', archive, DEBIAN_IMAGE)


def load(image: str) -> None:
    """Copy an image of our engine into the node, unless exactly this one is there."""
    wanted = image_id(image)
    if not wanted:
        raise Failure(
            f"The image {image} is not known to the cluster's Docker engine: build it first, with "
            f"DOCKER_HOST={DOCKER['DOCKER_HOST']}."
        )
    if wanted in loaded(image):
        return
    say(f"loading {image}")
    save = subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE, env={**os.environ, **DOCKER})
    read = subprocess.run(
        ["ctr", "--address", settings.CONTAINERD_SOCKET, "--namespace", "k8s.io", "images", "import", "-"],
        stdin=save.stdout,
        capture_output=True,
        text=True,
        check=False,
    )
    if save.wait() or read.returncode:
        raise Failure(f"loading {image} failed: {read.stderr.strip()}")


def loaded(image: str) -> str:
    """The configuration that the node's image of this name has: its digest is what Docker calls the image's id."""
    listed = run([settings.PROGRAMS_IN_USE / "kube", "image-id", f"unix://{settings.CONTAINERD_SOCKET}", image])
    return listed.stdout.strip()


def build_image(context: Path, containerfile: Path, tag: str, build_args: Mapping[str, str] | None = None) -> None:
    """Build an image with the cluster's engine, on the network of this machine.

    Behind a TLS-inspecting proxy the steps that fetch something need the machine's CA bundle: it lies in the build
    context as `ca-bundle.crt`. It is for the Containerfile to use it in those steps only, and not to ship it.
    """
    with tempfile.TemporaryDirectory(dir=settings.CACHE) as temporary:
        copy = Path(temporary) / "context"
        shutil.copytree(context, copy, symlinks=True)
        if bundle := ca_bundle():
            shutil.copyfile(bundle, copy / CA_BUNDLE_NAME)
        flags = [flag for key, value in (build_args or {}).items() for flag in ("--build-arg", f"{key}={value}")]
        log = settings.LOGS / f"image-{tag.rpartition('/')[2].replace(':', '-')}.log"
        run_long(
            f"image {tag}",
            ["docker", "build", "--network", "host", "--file", containerfile, "--tag", tag, *flags, copy],
            log,
            env=DOCKER,
        )


def ca_bundle() -> Path | None:
    named = (os.environ.get(variable) for variable in CA_BUNDLE_VARIABLES)
    return next((Path(path) for path in named if path and Path(path).is_file()), None)
