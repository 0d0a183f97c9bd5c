"""Whether this machine can build and run the cluster, and the Debian packages it needs for that."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from pathlib import Path

from . import build, settings
from .shell import Failure, run, run_long

FREE_GIB = 12  # Go's caches, the programs, and images; measured, see the README

# program: the Debian package that has it
PACKAGES = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "dockerd": "docker.io",
    "docker": "docker.io",
    "debootstrap": "debootstrap",
    "iptables": "iptables",
    "ip": "iproute2",
    "ipset": "ipset",
    "openssl": "openssl",
}
CNI_PLUGINS = (Path("/usr/lib/cni"), Path("/opt/cni/bin"))
CNI_PACKAGE = "containernetworking-plugins"


def check_machine() -> None:
    if sys.platform != "linux":
        raise Failure(
            f"This is {sys.platform}, and a kubelet runs on Linux only: use a Linux machine, or give a "
            "cluster of your own with TEST_KUBECONFIG and TEST_CONTEXT."
        )
    if os.geteuid() != 0:
        raise Failure(
            "You are not root, and containers, mounts and iptables rules need root: run this with sudo, or "
            "give a cluster of your own with TEST_KUBECONFIG and TEST_CONTEXT."
        )


def check_build() -> None:
    if not shutil.which("go"):
        raise Failure(
            "The program `go` is not in PATH, and Kubernetes is built from its Go module: install the "
            "version of Go that tests/cluster/go/addons/go.mod names."
        )
    for module in build.MODULES:
        answer = run(["go", "-C", module, "list", "-m"], check=False)
        if answer.returncode:
            raise Failure(
                f"Go does not accept {module / 'go.mod'} ({answer.stderr.strip()}): install the version "
                "of Go that this file names."
            )
    if build.programs().exists():  # what is built beside it is small
        return
    settings.CACHE.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(settings.CACHE).free / 2**30
    if free < FREE_GIB:
        raise Failure(
            f"The disk of {settings.CACHE} has {free:.0f} GiB free, and a build needs {FREE_GIB} GiB: free "
            "some, or set XDG_CACHE_HOME to a place on another disk."
        )


def check_ports() -> None:
    for port in settings.PORTS:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("", port))
            except OSError as error:
                raise Failure(
                    f"Port {port} is taken by another program ({error.strerror}), and the cluster needs "
                    f"it: `ss -ltnp sport = :{port}` shows which one; end that first."
                ) from error


def cni_plugins() -> Path | None:
    return next((folder for folder in CNI_PLUGINS if (folder / "ptp").exists()), None)


def install_packages() -> None:
    missing = {package for program, package in PACKAGES.items() if not shutil.which(program)}
    if not cni_plugins():
        missing.add(CNI_PACKAGE)
    if not missing:
        return
    names = sorted(missing)
    if not shutil.which("apt-get"):
        raise Failure(
            f"These programs are missing, and there is no apt-get to install them with: {', '.join(names)} "
            "(Debian's package names): install them by hand."
        )
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    run_long("package lists", ["apt-get", "update"], settings.LOGS / "apt-update.log", env=quiet)
    run_long(
        f"packages {' '.join(names)}",
        ["apt-get", "install", "-y", "--no-install-recommends", *names],
        settings.LOGS / "apt-install.log",
        env=quiet,
    )
