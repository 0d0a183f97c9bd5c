"""The programs, made from the Go modules in tests/cluster/go. What is built in which version stands in go.mod alone."""

from __future__ import annotations

import hashlib
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path

from . import settings
from .shell import Argv, run, run_long

Modules = tuple[Path, ...]
# Three modules, because each follows another version of Kubernetes.
MODULES: Modules = tuple(settings.GO_SOURCES / name for name in ("node", "addons", "policies"))
ENVIRONMENT = {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly -buildvcs=false -trimpath"}


def key(modules: Modules = MODULES) -> str:
    """The same for the same sources and settings: the name of a folder of built programs."""
    digest = hashlib.sha256(repr((ENVIRONMENT, platform.machine())).encode())
    for path in sorted(path for module in modules for path in module.rglob("*")):
        if path.suffix == ".go" or path.name in ("go.mod", "go.sum"):
            digest.update(str(path.relative_to(settings.GO_SOURCES)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def programs() -> Path:
    return settings.PROGRAMS / key()


def ensure(modules: Modules = MODULES, folder: Path | None = None) -> Path:
    """Build unless it was done before, and return the folder of programs.

    :param folder: in which that one is made, if not among the programs of the cluster itself.
    """
    done = (folder or settings.PROGRAMS) / key(modules)
    if done.exists():
        return done
    unfinished = done.with_name(done.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    for module in modules:
        flags = linker_flags(module)
        # One at a time: two of them spell the name of one module differently, which Go refuses within a build.
        for package in packages(module):
            build(module, package, ["-ldflags", flags, "-o", f"{unfinished}/"])
    unfinished.rename(done)
    return done


def packages(module: Path) -> list[str]:
    """The commands in the module's folder, and those that its go.mod lists as tools."""
    return go(module, "list", "./...", "tool").split()


def build(module: Path, package: str, flags: Argv) -> None:
    name = package.rpartition("/")[2]
    log = settings.LOGS / f"build-{name}.log"

    def progress() -> str:  # -v prints a line for each package that is fetched or compiled
        return f"({len(log.read_text(errors='replace').splitlines())} packages so far)"

    # nice: a build takes minutes, and the machine must stay usable meanwhile.
    run_long(
        f"build of {name}",
        ["nice", "-n", "10", "go", "build", "-v", *flags, package],
        log,
        cwd=module,
        env=ENVIRONMENT,
        progress=progress,
    )


def linker_flags(module: Path) -> str:
    """Strip symbols, and tell each component its version: without that it says v0.0.0."""
    return " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in kubernetes_version(module))])


def kubernetes_version(module: Path) -> Iterator[tuple[str, str]]:
    # Of a module that has nothing to do with a running Kubernetes, nothing is said.
    version = go(module, "list", "-m", "-e", "-f", "{{.Version}}", "k8s.io/client-go").strip()
    if not version:
        return
    _, minor, patch = version.split(".")  # client-go v0.34.4 is of Kubernetes v1.34.4
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"):
        yield f"{package}.gitVersion", f"v1.{minor}.{patch}"
        yield f"{package}.gitMajor", "1"
        yield f"{package}.gitMinor", minor


def go(module: Path, *arguments: str) -> str:
    return run(["go", "-C", module, *arguments], env=ENVIRONMENT).stdout


def remove_others(keep: Path) -> None:
    for folder in settings.PROGRAMS.iterdir():
        if folder != keep:
            shutil.rmtree(folder)
