# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A Docker Engine as its command line shows it: one look, volumes with owners, mlflow-ops in containers, the front.

The command line and not the API, because the compose plugin needs it anyway, and so no Python library is needed.
"""

from __future__ import annotations

import ipaddress
import json
import re
import socket
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from . import ops
from .compose import COMPONENT, DEPLOYMENT, SCRATCH, VERSION, ZONE, labels
from .errors import BadInput, EngineError

OLDEST_COMPOSE = (2, 20)
OLDEST_API = (1, 41)
_SECONDS = 60.0


class DockerError(EngineError):
    """The engine, or something in it, is not as it must be."""


def call(
    *arguments: str, timeout: float = _SECONDS, check: bool = True, merge: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run docker. C(check): whether an exit status other than 0 is an error; C(merge): both streams as one."""
    try:
        done = subprocess.run(
            ["docker", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if merge else subprocess.PIPE,
            text=True,
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError:
        raise DockerError("The program docker is not installed on this host: install Docker Engine.") from None
    except subprocess.TimeoutExpired:
        raise DockerError(f"docker {arguments[0]} did not end within {timeout:.0f} s.") from None
    if check and done.returncode:
        raise DockerError(f"docker {' '.join(arguments[:2])} failed: {_last(done.stderr or '') or _last(done.stdout)}")
    return done


def look(
    name: str,
    networks: Mapping[str, str] | None = None,
    volumes: Sequence[str] = (),
    images: Sequence[str] = (),
    host: str = "",
    port: int = 0,
) -> dict[str, Any]:
    """All that is to be known of a host before and after a deployment. Changes nothing, and fails on nothing.

    :param networks: names and the subnets that are wished for them (empty: none).
    :returns: C(engine), C(compose) (C(version) and C(problem)), C(networks) and C(volumes) (name: deployment that it
        belongs to, empty for nobody's), C(overlaps) (texts), C(missing_images), C(containers), C(scratch) (names of
        volumes), C(port) (free, ours or taken).
    """
    found: dict[str, Any] = {
        "engine": {"version": "", "problem": ""},
        "compose": {"version": "", "problem": ""},
        "networks": {},
        "volumes": {},
        "overlaps": [],
        "missing_images": [],
        "containers": [],
        "scratch": [],
        "port": "free",
    }
    try:
        found["engine"] = engine_state(call("version", "--format", "{{json .}}", check=False))
        found["compose"] = compose_state(call("compose", "version", "--short", check=False))
    except DockerError as error:
        found["engine"]["problem"] = str(error)
    if found["engine"]["problem"]:
        return found
    listed = _inspect("network", call("network", "ls", "--quiet", "--no-trunc").stdout.split())
    wished = dict(networks or {})
    found["networks"] = {one["Name"]: owner(one) for one in listed if one["Name"] in wished}
    found["overlaps"] = overlaps(wished, listed, Path("/proc/net/route"))
    found["volumes"] = {one["Name"]: owner(one) for one in _inspect("volume", volumes)}
    found["missing_images"] = [image for image in dict.fromkeys(images) if not _inspect("image", [image])]
    found["containers"] = containers(name)
    mine = (f"--filter=label={DEPLOYMENT}={name}", f"--filter=label={COMPONENT}={SCRATCH}")
    found["scratch"] = sorted(call("volume", "ls", "--quiet", *mine).stdout.split())
    if port:
        found["port"] = port_state(found["containers"], host, port)
    return found


def engine_state(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    server = (_json(done.stdout) or {}).get("Server") or {}
    version, api = str(server.get("Version", "")), str(server.get("ApiVersion", ""))
    if not version:
        why = _last(done.stderr) or "it does not answer"
        return {"version": "", "problem": f"The Docker Engine cannot be used: {why}"}
    if _numbers(api) < OLDEST_API:
        wanted = ".".join(map(str, OLDEST_API))
        return {"version": version, "problem": f"Docker Engine {version} (API {api}) is too old: {wanted} is needed."}
    return {"version": version, "problem": ""}


def compose_state(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    wanted = ".".join(map(str, OLDEST_COMPOSE))
    version = done.stdout.strip().removeprefix("v")
    if done.returncode or not version[:1].isdigit():
        problem = (
            f"The compose plugin of Docker is not installed (docker compose version): {wanted} or newer is needed."
        )
        return {"version": "", "problem": problem}
    old = f"The compose plugin {version} is too old: {wanted} or newer is needed."
    return {"version": version, "problem": old if _numbers(version) < OLDEST_COMPOSE else ""}


def overlaps(wished: Mapping[str, str], listed: Iterable[Mapping[str, Any]], routes: Path) -> list[str]:
    """Wished subnets that cross each other, those of other networks, or a route of the host.

    :raises BadInput: one is no subnet.
    """
    subnets = {name: _subnet(name, text) for name, text in wished.items() if text}
    problems = []
    names = list(subnets)
    for number, name in enumerate(names):
        for other in names[number + 1 :]:
            if subnets[name].overlaps(subnets[other]):
                problems.append(f"{subnets[name]} of {name} overlaps {subnets[other]} of {other}")
    ours = set()
    taken: list[tuple[str, Any]] = []
    for network in listed:
        for config in (network.get("IPAM") or {}).get("Config") or []:
            if "Subnet" in config:
                subnet = ipaddress.ip_network(config["Subnet"], strict=False)
                if network["Name"] in wished:
                    ours.add(subnet)
                else:
                    taken.append((f"the network {network['Name']}", subnet))
    known = {subnet for _what, subnet in taken} | ours
    taken += [("a route of this host", route) for route in host_routes(routes) if route not in known]
    for name, subnet in subnets.items():
        for what, other in taken:
            if subnet.version == other.version and subnet.overlaps(other):
                problems.append(f"{subnet} of {name} overlaps {other} of {what}")
    return problems


def host_routes(file: Path) -> list[ipaddress.IPv4Network]:
    """IPv4 routes of the host without the default one; addresses are in the kernel's byte order."""
    found = []
    try:
        lines = file.read_text().splitlines()[1:]
    except OSError:  # not Linux: the engine is in a machine of its own
        return []
    for line in lines:
        words = line.split()
        address, mask = (int.from_bytes(int(words[i], 16).to_bytes(4, "little"), "big") for i in (1, 7))
        if mask:
            found.append(ipaddress.IPv4Network((address, bin(mask).count("1")), strict=False))
    return found


def containers(name: str) -> list[dict[str, Any]]:
    """The deployment's containers, sorted by name."""
    ids = call("ps", "--all", "--quiet", "--no-trunc", "--filter", f"label={DEPLOYMENT}={name}").stdout.split()
    return sorted(map(container, _inspect("container", ids)), key=lambda one: str(one["name"]))


def find(name: str) -> dict[str, Any] | None:
    """One container, as containers() has it."""
    found = _inspect("container", [name])
    return container(found[0]) if found else None


def log(name: str) -> list[str]:
    """All that a container has said, on either stream."""
    return call("logs", name, merge=True).stdout.splitlines()


def container(one: Mapping[str, Any]) -> dict[str, Any]:
    """What is worth knowing of a container; C(problem) is empty where it does what it shall."""
    state, config = one["State"], one["Config"]
    known = config.get("Labels") or {}
    health = (state.get("Health") or {}).get("Status", "")
    said = " ".join(((state.get("Health") or {}).get("Log") or [{}])[-1].get("Output", "").split())
    problem = ""
    if state["Status"] in ("restarting", "dead") or (state["Status"] == "exited" and state["ExitCode"]):
        killed = ", out of memory" if state.get("OOMKilled") else ""
        problem = f"{state['Status']}, exit status {state['ExitCode']}{killed}"
    elif state["Status"] in ("created", "exited", "paused"):
        problem = str(state["Status"])
    elif health == "unhealthy":
        problem = f"unhealthy: {said[-200:]}" if said else "unhealthy"
    ports = (one.get("HostConfig") or {}).get("PortBindings") or {}
    return {
        "name": one["Name"].lstrip("/"),
        "component": known.get(COMPONENT, ""),
        "service": known.get("com.docker.compose.service", ""),
        "zone": known.get(ZONE, ""),
        "version": known.get(VERSION, ""),
        "state": state["Status"],
        "health": health,
        "problem": problem,
        "image": config["Image"],
        "started": state["StartedAt"],
        "restarts": one.get("RestartCount", 0),
        "networks": sorted((one.get("NetworkSettings") or {}).get("Networks") or {}),
        "ports": sorted(int(bound["HostPort"]) for listed in ports.values() for bound in listed or []),
    }


def identity(name: str) -> str:
    """The engine's own name of a container.

    :raises DockerError: there is none, or the engine cannot be asked.
    """
    return call("inspect", "--type=container", "--format={{.Id}}", name).stdout.strip()


def port_state(known: Iterable[Mapping[str, Any]], host: str, port: int) -> str:
    """Whether C(port) is C(free), C(ours) or C(taken) by another program."""
    if any(port in one["ports"] and one["state"] == "running" for one in known):
        return "ours"
    address = host or "0.0.0.0"  # noqa: S104
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return "taken"
    return "free"


def owner(one: Mapping[str, Any]) -> str:
    """The deployment that a network or volume was made for."""
    return str((one.get("Labels") or {}).get(DEPLOYMENT, ""))


def ensure_volume(
    name: str,
    deployment: str,
    component: str,
    image: str,
    user: str,
    options: Mapping[str, str] | None = None,
    dry_run: bool = False,
) -> bool:
    """Make a volume that a user without rights can write to; tells whether something was changed.

    An engine gives a new volume to root, whose rights no container of ours has: a container that does nothing else
    gives it away. It is asked again until a container uses the volume, so an interrupted first time does no harm.
    A volume with C(options) (an NFS export) keeps the owner that it has.

    :raises BadInput: the volume is another deployment's, or leads elsewhere.
    """
    found = next(iter(_inspect("volume", [name])), None)
    if found and owner(found) != deployment:
        whose = f"belongs to the deployment '{owner(found)}'" if owner(found) else "was not made by this collection"
        raise BadInput(
            f"The volume {name} {whose}, and is not touched. Choose another mlflow_name, or remove it yourself "
            f"(docker volume rm {name}) where nobody needs it."
        )
    if found and options and (found.get("Options") or {}) != dict(options):
        raise BadInput(
            f"The volume {name} leads to {(found.get('Options') or {}).get('device') or 'this host'}, not to "
            f"{options.get('device')}. An existing volume cannot be changed: choose another mlflow_name, or remove it "
            f"(docker volume rm {name}), which removes nothing on the NFS server."
        )
    if dry_run:
        return found is None
    if not found:
        marks = [f"--label={key}={value}" for key, value in labels(deployment, component).items()]
        drivers = [f"--opt={key}={value}" for key, value in (options or {}).items()]
        call("volume", "create", *marks, *drivers, name)
    if not options and not call("ps", "--quiet", "--filter", f"volume={name}").stdout.strip():
        _give_away(name, image, user)
    return found is None


def remove_volume(name: str, deployment: str, dry_run: bool = False) -> bool:
    """Remove a volume with all data in it, if it is this deployment's."""
    found = next(iter(_inspect("volume", [name])), None)
    if not found or owner(found) != deployment:
        return False
    if not dry_run:
        call("volume", "rm", name)
    return True


def _give_away(volume: str, image: str, user: str) -> None:
    call(
        "run", "--rm", "--pull=never", "--network=none", "--read-only", "--user=0:0", "--cap-drop=ALL",
        "--cap-add=CHOWN", "--security-opt=no-new-privileges", f"--volume={volume}:/volume", "--entrypoint=chown",
        image, user, "/volume",
    )  # fmt: skip


def run_ops(project: str, service: str, arguments: Sequence[str], timeout: float) -> dict[str, Any]:
    """Run mlflow-ops in a container of its own, with the networks and secrets of a service; returns what it says.

    :param project: path of the compose file.
    """
    argv = ["compose", "--file", project, "--profile", "ops", "run", "--rm", "--no-deps", "--no-TTY", service]
    done = call(*argv, *arguments, timeout=timeout, check=False)
    try:
        return ops.result_of(done.stdout)
    except EngineError as error:
        if words := _last(done.stderr):
            raise DockerError(f"{error} docker said: {words}") from error
        raise


def wait_for_front(front: str, server: str, timeout: float) -> None:
    """Wait until the front sends requests to a server.

    :raises DockerError: it does not find the server healthy within C(timeout) seconds.
    """
    deadline = time.monotonic() + timeout
    while (state := _stats(front, server).get("status") or "unknown to it") != "UP":
        if time.monotonic() > deadline:
            raise DockerError(f"The front {front} does not find {server} healthy after {timeout:.0f} s: it is {state}.")
        time.sleep(0.2)


def _stats(front: str, server: str) -> dict[str, str]:
    lines = _ask(front, "show stat servers 4 -1").lstrip("# ").splitlines()
    names = lines[0].split(",") if lines else []
    rows = [dict(zip(names, line.split(","), strict=False)) for line in lines[1:]]
    return next((row for row in rows if row.get("svname") == server), {})


def _ask(front: str, command: str) -> str:
    script = 'exec 3<>/dev/tcp/127.0.0.1/9999 && printf "%s\\n" "$1" >&3 && cat <&3'
    return call("exec", front, "bash", "-c", script, "ask", command).stdout


def _inspect(kind: str, names: Sequence[str]) -> list[dict[str, Any]]:
    """Those that exist."""
    if not names:
        return []
    return list(_json(call(kind, "inspect", *names, check=False).stdout) or [])


def _subnet(name: str, text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        raise BadInput(
            f"The subnet '{text}' of the network {name} is none: write it like 10.89.1.0/24, or leave it empty."
        ) from None


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
