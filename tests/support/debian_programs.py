"""Programs of Debian's packages that tests use without installing them: no service starts, and root is not needed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from . import cache

_PACKAGES = {
    "promtool": "prometheus",
    "prometheus": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "amtool": "prometheus-alertmanager",
}


def program(name: str) -> Path:
    """The one that is installed, or one unpacked from its package into the folder that test runs share."""
    if installed := shutil.which(name):
        return Path(installed)
    package = _PACKAGES[name]
    folder = cache.HOME / "debian" / package
    with cache.alone(cache.HOME / "debian"):
        if not (folder / ".complete").exists():
            assert shutil.which("apt-get"), f"{name} is needed: install it, here is no apt-get to take {package} with"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            _run(folder, "apt-get", "download", package)
            (archive,) = folder.glob("*.deb")
            _run(folder, "dpkg", "-x", archive.name, ".")
            archive.unlink()
            (folder / ".complete").touch()
    return folder / "usr" / "bin" / name


def command(name: str) -> list[str]:
    """How it is started. Alertmanager reads templates below /usr/share: for it alone, its own are laid over that."""
    path = program(name)
    share = path.parents[1] / "share"
    if name != "prometheus-alertmanager" or share == Path("/usr/share"):
        return [str(path)]
    alone = ["unshare", "--map-root-user", "--mount", "sh", "-c", 'mount --bind "$0" /usr/share && exec "$@"']
    return [*alone, str(share), str(path)]


def _run(folder: Path, *command: str) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr or done.stdout}"
