"""The order of things: what `up` starts, and how `down` takes it away again."""

from __future__ import annotations

import fcntl
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from . import (
    addons,
    build,
    control_plane,
    cratedb,
    images,
    knative,
    leftovers,
    node,
    pki,
    preflight,
    prometheus_operator,
    settings,
)
from .processes import Process, check_alive, log, pid, start, stop
from .shell import Failure, say, wait_for

# In the order of their start; they are ended in the reverse order.
NAMES = (
    "containerd",
    "dockerd",
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "kube-router",
)
# What would start pods again while they are taken away.
STARTS_PODS = ("kube-proxy", "kubelet", "kube-scheduler", "kube-controller-manager")


def up() -> None:
    preflight.check_machine()
    with lock():
        if is_running():
            wait_until_usable()
            say(f"already up; `{settings.COMMAND} env` prints its variables")
            return
        begin = time.monotonic()
        preflight.check_build()
        preflight.install_packages()
        programs = build.ensure()
        undo()
        build.remove_others(programs)
        preflight.check_ports()
        begin_up = time.monotonic()
        start_all(programs)
        settings.COMPLETE.touch()
        end = time.monotonic()
        say(f"up in {end - begin_up:.0f} s ({end - begin:.0f} s with preflight and build)")


def is_running() -> bool:
    """All of it, and made from the sources as they are now."""
    current = settings.COMPLETE.exists() and settings.PROGRAMS_IN_USE.resolve() == build.programs()
    return current and all(map(pid, NAMES))


def wait_until_usable() -> None:
    """A machine under load answers late: that is no reason to take away what was deployed."""
    wait_for("kube-apiserver", control_plane.api_ready, seconds=60, check=check_started, log=log("kube-apiserver"))
    if not addons.ready():
        addons.apply()
        addons.wait(check_started)


def start_all(programs: Path) -> None:
    settings.STATE.mkdir(parents=True, mode=0o700)
    settings.CONFIG.mkdir()
    settings.PROGRAMS_IN_USE.symlink_to(programs)
    leftovers.remember_host()
    pki.create()
    node.prepare()
    images.prepare()

    # The API server needs a few seconds, which the images can use.
    for process in control_plane.processes():
        start(process)
    start_and_wait(node.containerd(), node.containerd_ready)
    start_and_wait(images.engine(), images.engine_ready)
    images.ensure()
    start(node.kube_proxy())
    start_and_wait(node.kubelet(), node.node_ready)
    # It reads its node, so that must be there.
    start(node.policies())
    say("the node is ready; waiting for names, metrics and volumes")
    wait_until_usable()


def start_and_wait(process: Process, ready: Callable[[], bool]) -> None:
    start(process)
    wait_for(process.name, ready, seconds=60, check=check_started, log=log(process.name))


def check_started() -> None:
    """Fail as soon as anything that was started has ended: what waits for it would wait in vain."""
    check_alive(name for name in NAMES if (settings.PROCESSES / f"{name}.json").exists())


def down(purge: bool = False) -> None:
    preflight.check_machine()
    with lock():
        undo()
        say("down")
    if purge:
        if left := list(leftovers.mounts()):
            raise Failure(f"The caches stay, because something is still mounted in them: {', '.join(left)}.")
        shutil.rmtree(settings.CACHE)
        say(f"{settings.CACHE} is removed")


def undo() -> None:
    """Back to the host as it was, from whatever state an earlier `up` was left in."""
    for name in STARTS_PODS:
        stop(name)
    if settings.PROGRAMS_IN_USE.exists():
        remove_pods()
    for name in reversed(NAMES):
        stop(name)
    leftovers.remove_all()


def remove_pods() -> None:
    """Through containerd, started again if it is dead. When that fails `leftovers` still finds what was left."""
    try:
        if pid("containerd") is None:
            start(node.containerd())
        wait_for("containerd", node.containerd_ready, seconds=20, check=lambda: check_alive(["containerd"]))
        node.remove_pods()
    except Failure as failure:
        say(f"pods could not be removed in good order: {failure}")


def status() -> bool:
    """Print each process and what the cluster says of itself; return whether it is up."""
    for name in NAMES:
        process = pid(name)
        memory = f"process {process:<8} {resident_mib(process):5.0f} MiB" if process else "not running"
        print(f"{name:<24} {memory:<32} {log(name)}")
    if not settings.PROGRAMS_IN_USE.exists() or not control_plane.api_ready():
        return False
    print(control_plane.kubectl("get", "nodes,pods", "--all-namespaces", check=False).stdout)
    return is_running() and addons.ready()


def resident_mib(process: int) -> float:
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def environment() -> str:
    require_up()
    lines = [f"export TEST_KUBECONFIG={settings.KUBECONFIG}", f"export TEST_CONTEXT={settings.CONTEXT}"]
    further = {
        "TEST_KNATIVE": knative.VARIABLES,
        "TEST_CRATEDB": cratedb.VARIABLES,
        "TEST_PROMETHEUS_OPERATOR": prometheus_operator.RELEASE,
    }
    lines += [f"export {name}={file}" for name, file in further.items() if file.exists()]
    return "\n".join(lines)


def load_image(name: str) -> None:
    require_up()
    images.load(name)


def require_up() -> None:
    if not settings.COMPLETE.exists():
        raise Failure(f"The cluster is not up: `{settings.COMMAND} up` starts it.")


@contextmanager
def lock() -> Iterator[None]:
    """One command at a time changes the cluster."""
    settings.CACHE.mkdir(parents=True, exist_ok=True)
    with settings.LOCK.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another command works on the cluster; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
