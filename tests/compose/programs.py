"""Programs that no package of this machine's Debian has: the compose plugin, and the S3 gateway."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from support.testbed import build, settings
from support.testbed.shell import Failure, run, run_long, say

# Debian 13 has the version 2 as a package; the engine of Debian 12 works with it.
COMPOSE_PACKAGE = "docker-compose"
COMPOSE_RELEASE = "trixie"
_LISTED = "deb http://deb.debian.org/debian {release} main\n"
_VERSITYGW = "github.com/versity/versitygw/cmd/versitygw"


def compose_plugin() -> Path:
    """The one that is installed, or one unpacked from a Debian package with a package list of its own."""
    plugin = settings.CACHE / "cli-plugins" / "docker-compose"
    if plugin.exists():
        return plugin
    folders = ("/usr/libexec/docker", "/usr/lib/docker", "/usr/local/lib/docker")
    installed = [Path(folder, "cli-plugins", "docker-compose") for folder in folders]
    if found := next((path for path in installed if path.exists()), None):
        return found
    work = settings.CACHE / "apt"
    shutil.rmtree(work, ignore_errors=True)
    (work / "lists" / "partial").mkdir(parents=True)
    (work / "sources.list").write_text(_LISTED.format(release=COMPOSE_RELEASE))
    options = [
        f"-oDir::Etc::sourcelist={work}/sources.list",
        "-oDir::Etc::sourceparts=/dev/null",
        f"-oDir::State::Lists={work}/lists",
        f"-oDir::Cache::pkgcache={work}/pkgcache.bin",
        f"-oDir::Cache::srcpkgcache={work}/srcpkgcache.bin",
    ]
    run_long("package list of the compose plugin", ["apt-get", *options, "update"], settings.LOGS / "apt-compose.log")
    run_long(
        "package of the compose plugin",
        ["apt-get", *options, "download", COMPOSE_PACKAGE],
        settings.LOGS / "apt-compose.log",
        cwd=work,
    )
    packages = list(work.glob("*.deb"))
    if not packages:
        raise Failure(f"apt-get downloaded no package {COMPOSE_PACKAGE}.")
    run(["dpkg", "-x", packages[0], work / "root"])
    program = max((path for path in (work / "root").rglob("docker-compose") if path.is_file()), key=_size)
    plugin.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(program, plugin)
    shutil.rmtree(work)
    return plugin


def _size(path: Path) -> int:
    return path.stat().st_size


def versitygw() -> Path:
    """Built from the Go module that tests/cluster pins, unless the test cluster has built it already."""
    cache = settings.CACHE.parent
    for bed in (settings.BED, "cluster"):
        if (done := cache / bed / "bin" / build.key() / "versitygw").exists():
            return done
    if not shutil.which("go"):
        raise Failure("The program `go` is not in PATH, and the S3 gateway is built from its Go module.")
    folder = build.programs()
    folder.mkdir(parents=True, exist_ok=True)
    build.build(build.MODULES[1], _VERSITYGW, ["-ldflags", "-s -w", "-o", f"{folder}/"])
    say(f"the S3 gateway is in {folder}")
    return folder / "versitygw"


@contextlib.contextmanager
def context(containerfiles: Path, program: Path) -> Iterator[Path]:
    """A build context with a program in it."""
    with tempfile.TemporaryDirectory(dir=settings.CACHE) as temporary:
        folder = Path(temporary, "context")
        shutil.copytree(containerfiles, folder)
        shutil.copy(program, folder / program.name)
        yield folder
