"""What a killed session leaves on the host, and how it is taken away. Nothing here touches what is not ours."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from . import node, settings
from .processes import end
from .shell import run, say

IPTABLES = ("iptables", "ip6tables")
OUR_CHAINS = ("KUBE-", "CNI-")
# Of addresses, to which rules of kube-router refer.
OUR_IPSETS = re.compile(r"(inet6:)?(KUBE-|kube-router-)")
# What a kubelet sets for itself and does not set back.
KUBELET_SYSCTLS = (
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)
# Paths that no setting moves; a folder is removed only when it is empty.
KUBELET_SOCKET = Path("/var/lib/kubelet/device-plugins/kubelet.sock")
POD_LOG_LINKS = Path("/var/log/containers")
CNI_RESULTS = Path("/var/lib/cni/results")
SHARED_FOLDERS = (
    KUBELET_SOCKET.parent,
    KUBELET_SOCKET.parent.parent,
    POD_LOG_LINKS,
    CNI_RESULTS,
    CNI_RESULTS.parent,
    Path("/run/containerd/s"),
    Path("/run/containerd"),
    Path("/run/docker/plugins"),
    Path("/run/docker"),
    settings.STATE.parent,
)


def remember_host() -> None:
    """Note what was there before us; a note of an earlier start that was never undone stays."""
    if settings.HOST_BEFORE.exists():
        return
    sysctls = {name: Path("/proc/sys", name).read_text() for name in KUBELET_SYSCTLS}
    chains = {tool: {table: sorted(found) for table, found in read_chains(tool).items()} for tool in IPTABLES}
    before = {"sysctls": sysctls, "chains": chains, "ipsets": sorted(read_ipsets())}
    settings.HOST_BEFORE.write_text(json.dumps(before))


def remove_all() -> None:
    kill_stray_processes()
    unmount()
    node.remove_address()
    if settings.HOST_BEFORE.exists():
        before = json.loads(settings.HOST_BEFORE.read_text())
        for tool in IPTABLES:
            remove_chains(tool, before["chains"][tool])
        remove_ipsets(set(before["ipsets"]))
        for name, value in before["sysctls"].items():
            Path("/proc/sys", name).write_text(value)
    remove_cgroups()
    remove_files()


def kill_stray_processes() -> None:
    """Containers and their shims whose containerd is dead. Each is known by a path below our own folders."""
    for pid in (int(entry) for entry in os.listdir("/proc") if entry.isdigit()):
        if pid != os.getpid() and (is_our_shim(pid) or is_in_our_container(pid)):
            end(pid, "a container's process")


def is_our_shim(pid: int) -> bool:
    return str(settings.CONTAINERD_SOCKET).encode() in read_bytes(Path(f"/proc/{pid}/cmdline")).split(b"\0")


def is_in_our_container(pid: int) -> bool:
    """Whether its root directory is an overlay of layers in our cache: of a pod, or of an image build."""
    for mount in read_bytes(Path(f"/proc/{pid}/mountinfo")).splitlines():
        if mount.split()[4] == b"/":
            return os.fsencode(settings.CACHE) + b"/" in mount
    return False


def read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # the process has ended meanwhile
        return b""


def unmount() -> None:
    for place in reversed(list(mounts())):
        if run(["umount", place], check=False).returncode:
            run(["umount", "--lazy", place], check=False)


def mounts() -> Iterator[str]:
    """Our mount points: root file systems, volumes, and the files that hold network namespaces (and so veth pairs)."""
    ours = (f"{settings.STATE}/", f"{settings.CACHE}/")
    for line in Path("/proc/mounts").read_text().splitlines():
        place = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), line.split()[1])
        if place.startswith(ours):
            yield place


def read_chains(tool: str) -> dict[str, list[str]]:
    """Of each table: the names of its chains."""
    chains: dict[str, list[str]] = {}
    for table, line in saved(tool):
        if line.startswith(":"):
            chains.setdefault(table, []).append(line[1:].split()[0])
    return chains


def saved(tool: str) -> Iterator[tuple[str, str]]:
    table = ""
    for line in run([f"{tool}-save"], check=False).stdout.splitlines():
        if line.startswith("*"):
            table = line[1:]
        else:
            yield table, line


def remove_chains(tool: str, before: dict[str, list[str]]) -> None:
    """Take away the chains of Kubernetes and CNI that were not there before, and the rules that lead to them."""
    script = []
    for table, chains in read_chains(tool).items():
        ours = {chain for chain in chains if chain.startswith(OUR_CHAINS) and chain not in before.get(table, [])}
        if not ours:
            continue
        jumps = [
            line
            for of_table, line in saved(tool)
            if of_table == table and line.startswith("-A") and leads_to(line) in ours and line.split()[1] not in ours
        ]
        script += [f"*{table}", *(line.replace("-A", "-D", 1) for line in jumps)]
        script += [f"-F {chain}" for chain in sorted(ours)] + [f"-X {chain}" for chain in sorted(ours)] + ["COMMIT"]
    if script:
        result = run([f"{tool}-restore", "--noflush"], stdin="\n".join(script) + "\n", check=False)
        if result.returncode:
            say(f"{tool} rules could not be removed: {result.stderr.strip()}")


def leads_to(rule: str) -> str | None:
    found = re.search(r" -[jg] (\S+)", rule)
    return found[1] if found else None


def read_ipsets() -> set[str]:
    return set(run(["ipset", "list", "-name"], check=False).stdout.split())


def remove_ipsets(before: set[str]) -> None:
    """After the rules that refer to them."""
    for name in sorted(read_ipsets() - before):
        if OUR_IPSETS.match(name) and (result := run(["ipset", "destroy", name], check=False)).returncode:
            say(f"the ipset {name} could not be removed: {result.stderr.strip()}")


def remove_cgroups() -> None:
    root = Path("/sys/fs/cgroup")
    for name in settings.CGROUPS:
        for top in (root / name, *root.glob(f"*/{name}")):  # version 2 and version 1
            for folder, _, _ in os.walk(top, topdown=False):
                with suppress(OSError):  # in use: not ours
                    os.rmdir(folder)


def remove_files() -> None:
    if left := list(mounts()):
        say(f"still mounted, so its files stay: {', '.join(left)}")
        return
    if settings.STATE.exists():  # we had a kubelet, so there was no other
        KUBELET_SOCKET.unlink(missing_ok=True)
    for link in POD_LOG_LINKS.glob("*"):
        if link.is_symlink() and os.readlink(link).startswith(f"{settings.NODE_DATA}/"):
            link.unlink()
    for result in CNI_RESULTS.glob(f"{node.CNI_NAME}-*"):
        result.unlink()
    shutil.rmtree(settings.NODE_DATA, ignore_errors=True)
    shutil.rmtree(settings.STATE, ignore_errors=True)
    for folder in SHARED_FOLDERS:
        with suppress(OSError):  # not there, or in use by another
            folder.rmdir()
