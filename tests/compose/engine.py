#!/usr/bin/env python
"""A real Docker Engine with the compose plugin for tests: in a network namespace of its own, and without a registry."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

os.environ["MLOPS_TEST_BED"] = "compose"
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import programs
from support.testbed import images, leftovers, preflight, processes, settings, target_images
from support.testbed.processes import Process
from support.testbed.shell import Failure, run, say, wait_for

NAME = "dockerd"
NETNS = "mlops-mlflow-compose"
CGROUP = "mlops-mlflow-test-compose"
CONTAINERFILES = Path(__file__).resolve().parent / "images"
DOCKER_CONFIG_FOLDER = settings.STATE / "docker-config"
PACKAGES = {"dockerd": "docker.io", "docker": "docker.io", "debootstrap": "debootstrap", "iptables": "iptables",
            "ip": "iproute2", "nsenter": "util-linux"}  # fmt: skip
GATEWAY = images.name("gateway")
# Of Debian's packages alone.
OF_DEBIAN = ("load-balancer", "nginx", "prometheus")


def dockerd(building: bool) -> Process:
    """Two ways to run one engine: images are built on this machine's network, with no bridge and no rule; tests run in
    a network namespace of their own, where ports, bridges and rules meet nobody else's, and from where nothing leaves.
    """
    quiet = ["--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false"]
    argv = [
        "dockerd",
        f"--config-file={images.DOCKER_CONFIG}",
        f"--host=unix://{settings.DOCKER_SOCKET}",
        f"--pidfile={settings.STATE / 'docker.pid'}",
        f"--data-root={settings.DOCKER_ROOT}",
        f"--exec-root={settings.STATE / 'docker'}",
        f"--cgroup-parent=/{CGROUP}",
    ]
    return Process(NAME, [*argv, *quiet] if building else ["nsenter", f"--net=/run/netns/{NETNS}", *argv])


def start(building: bool) -> None:
    processes.start(dockerd(building))
    wait_for(
        "the Docker Engine", images.engine_ready, seconds=60, check=lambda: processes.check_alive([NAME]),
        log=processes.log(NAME),
    )  # fmt: skip


def stop() -> None:
    """An engine that is killed while it waits for its containerd leaves it, and the next one takes it for its own."""
    processes.stop(NAME, seconds=30)
    kill_the_rest()


def up(_arguments: argparse.Namespace) -> int:
    """Images first, then the engine of the tests; what an earlier session left is taken away before."""
    preflight.check_machine()
    with lock():
        if is_running():
            say("the engine is already up")
            return 0
        begin = time.monotonic()
        install_packages()
        undo()
        prepare()
        plugin = programs.compose_plugin()
        (DOCKER_CONFIG_FOLDER / "cli-plugins" / plugin.name).symlink_to(plugin)
        gateway = programs.versitygw()
        start(building=True)
        try:
            remove_containers()  # of an engine that was killed: they start again with it
            build_images(gateway)
        finally:
            stop()
        run(["ip", "netns", "add", NETNS])
        run(["ip", "-n", NETNS, "link", "set", "lo", "up"])
        start(building=False)
        settings.COMPLETE.touch()
        say(f"up in {time.monotonic() - begin:.0f} s")
    return 0


def is_running() -> bool:
    return settings.COMPLETE.exists() and processes.pid(NAME) is not None and images.engine_ready()


def install_packages() -> None:
    preflight.PACKAGES.clear()
    preflight.PACKAGES.update(PACKAGES)
    preflight.cni_plugins = lambda: Path("/")  # none is needed here
    preflight.install_packages()


def prepare() -> None:
    for folder in (settings.CONFIG, DOCKER_CONFIG_FOLDER / "cli-plugins"):
        folder.mkdir(parents=True, mode=0o700)
    images.prepare()


def build_images(gateway: Path) -> None:
    if not images.image_id(images.DEBIAN_IMAGE):
        images.import_debian()
    target_images.build()
    base = {"BASE": images.DEBIAN_IMAGE}
    with programs.context(CONTAINERFILES / "gateway", gateway) as folder:
        images.build_image(folder, folder / "Containerfile", GATEWAY, base)
    for name in OF_DEBIAN:
        images.build_image(CONTAINERFILES / name, CONTAINERFILES / name / "Containerfile", images.name(name), base)


def down(arguments: argparse.Namespace) -> int:
    preflight.check_machine()
    with lock():
        undo()
        say("down")
    if arguments.purge:
        if left := list(leftovers.mounts()):
            raise Failure(f"The caches stay, because something is still mounted in them: {', '.join(left)}.")
        shutil.rmtree(settings.CACHE)
    return 0


def undo() -> None:
    """From whatever state an earlier `up` was left in. Bridges, rules and ports go with their network namespace."""
    if processes.pid(NAME) is not None and images.engine_ready():
        remove_containers()
    stop()
    leftovers.unmount()
    if Path("/run/netns", NETNS).exists():
        run(["ip", "netns", "delete", NETNS])
    for top in Path("/sys/fs/cgroup").glob(f"**/{CGROUP}"):
        for folder, _, _ in os.walk(top, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(folder)
    shutil.rmtree(settings.STATE, ignore_errors=True)


def remove_containers() -> None:
    if found := images.docker("ps", "--all", "--quiet", check=False).stdout.split():
        images.docker("rm", "--force", "--volumes", *found, check=False)
    images.docker("volume", "prune", "--force", check=False)
    images.docker("network", "prune", "--force", check=False)


def kill_the_rest() -> None:
    """Containers, their shims and containerd, when the engine itself was killed; each is known by a path of ours."""
    ours = os.fsencode(settings.STATE) + b"/"
    for pid in (int(entry) for entry in os.listdir("/proc") if entry.isdigit()):
        words = leftovers.read_bytes(Path(f"/proc/{pid}/cmdline")).split(b"\0")
        is_program = words[0].rpartition(b"/")[2] in (b"containerd", b"containerd-shim-runc-v2", b"docker-proxy")
        if leftovers.is_in_our_container(pid) or (is_program and any(ours in word for word in words)):
            processes.end(pid, "a container's process")


def inside(arguments: argparse.Namespace) -> int:
    """Run a command where the engine's networks and ports are."""
    if not is_running():
        raise Failure("The engine is not up: `python tests/compose/engine.py up` starts it.")
    command = ["nsenter", f"--net=/run/netns/{NETNS}", *arguments.argv]
    os.execvpe(command[0], command, {**os.environ, **environment()})  # noqa: S606


def environment() -> dict[str, str]:
    return {
        "DOCKER_HOST": images.DOCKER["DOCKER_HOST"],
        "DOCKER_CONFIG": str(DOCKER_CONFIG_FOLDER),
        "TEST_DOCKER_HOST": images.DOCKER["DOCKER_HOST"],
    }


def status(_arguments: argparse.Namespace) -> int:
    say("the engine is up" if is_running() else "the engine is not up")
    return 0 if is_running() else 1


@contextlib.contextmanager
def lock() -> Iterator[None]:
    """One command at a time changes the engine."""
    settings.CACHE.mkdir(parents=True, exist_ok=True)
    with settings.LOCK.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def main() -> int:
    top = argparse.ArgumentParser(prog="engine.py", description=__doc__)
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    commands.add_parser("up", help="build the images and start the engine").set_defaults(run=up)
    ending = commands.add_parser("down", help="end it and take away everything it made")
    ending.add_argument("--purge", action="store_true", help="remove the caches too: images, programs and logs")
    ending.set_defaults(run=down)
    commands.add_parser("status", help="the exit code is 0 if it is up").set_defaults(run=status)
    running = commands.add_parser("run", help="run a command in the engine's network namespace")
    running.add_argument("argv", nargs=argparse.REMAINDER)
    running.set_defaults(run=inside)
    arguments = top.parse_args()
    try:
        return int(arguments.run(arguments))
    except Failure as failure:
        print(f"compose: error: {failure}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
