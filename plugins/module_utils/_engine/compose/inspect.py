# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a Docker Engine is, and what of a deployment is there. Changes nothing.

What is ours is told by the label of the deployment, never by a name.
"""

from __future__ import annotations

import ipaddress
import json
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import ports
from ..errors import BadInput, one_line
from .client import DockerError, call, engine_host, inspect_objects, last_line, parsed
from .template import COMPONENT, DEPLOYMENT, SCRATCH, VERSION, ZONE

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
OLDEST_COMPOSE = (2, 20)
OLDEST_API = (1, 41)


def gather(
    name: str,
    networks: Mapping[str, str] | None = None,
    volumes: Sequence[str] = (),
    images: Sequence[str] = (),
    projects: Sequence[str] = (),
    container_names: Sequence[str] = (),
    host: str = "",
    port: int = 0,
    log: str = "",
) -> dict[str, Any]:
    """All that is to be known of a host before and after a deployment. Changes nothing, and fails on nothing.

    :param networks: names and the subnets that are requested for them (empty: none).
    :param projects: compose projects that it will have. :param container_names: containers that it will have.
    :param log: a container whose last words are wanted.
    :returns: C(engine), C(compose) (C(version) and C(problem)), C(networks) and C(volumes) (name: deployment that it
        belongs to, empty for nobody's), C(overlaps) (texts), C(image_bytes) (by name), C(missing_images),
        C(containers), C(foreign_containers) (texts), C(scratch) (names of volumes), C(owned) (names of C(volumes) and
        C(networks) by label), C(port) (free, ours, taken or impossible), C(port_problem), C(log),
        C(launch) (what the servers are started with; {} where none are).
    """
    found: dict[str, Any] = {
        "engine": {"version": "", "problem": ""},
        "compose": {"version": "", "problem": ""},
        "networks": {},
        "volumes": {},
        "overlaps": [],
        "image_bytes": {},
        "missing_images": [],
        "containers": [],
        "foreign_containers": [],
        "scratch": [],
        "owned": {"volumes": [], "networks": []},
        "port": "free",
        "port_problem": "",
        "log": "",
        "launch": {},
    }
    try:
        found["engine"] = engine_state(call("version", "--format", "{{json .}}", check=False))
        found["compose"] = compose_state(call("compose", "version", "--short", check=False))
    except DockerError as error:
        found["engine"]["problem"] = str(error)
    if found["engine"]["problem"]:
        return found
    listed = inspect_objects("network", call("network", "ls", "--quiet", "--no-trunc").stdout.split())
    requested = dict(networks or {})
    found["networks"] = {one["Name"]: owner(one) for one in listed if one["Name"] in requested}
    found["overlaps"] = overlaps(requested, listed, Path("/proc/net/route"))
    found["volumes"] = {one["Name"]: owner(one) for one in inspect_objects("volume", volumes)}
    known = {image: inspect_objects("image", [image]) for image in dict.fromkeys(images)}
    found["image_bytes"] = {image: int(one[0]["Size"]) for image, one in known.items() if one}
    found["missing_images"] = [image for image, one in known.items() if not one]
    found["containers"] = containers(name)
    found["foreign_containers"] = foreign_containers(name, projects, container_names)
    found["scratch"] = labelled("volume", name, SCRATCH)
    found["owned"] = {"volumes": labelled("volume", name), "networks": labelled("network", name)}
    found["launch"] = launched(found["containers"])
    if port:
        found["port"], found["port_problem"] = port_state(found["containers"], host, port)
    if log:
        found["log"] = call("logs", "--tail=30", log, check=False, merge=True).stdout
    return found


def engine_state(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    server = (parsed(done.stdout) or {}).get("Server") or {}
    version, api = str(server.get("Version", "")), str(server.get("ApiVersion", ""))
    if not version:
        why = last_line(done.stderr) or "it does not answer"
        asked = f"the engine at {engine_host()} was asked, and mlflow_docker_host names another"
        return {"version": "", "problem": f"The Docker Engine cannot be used ({asked}): {why}"}
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


def overlaps(requested: Mapping[str, str], listed: Iterable[Mapping[str, Any]], routes: Path) -> list[str]:
    """Requested subnets that cross each other, those of other networks, or a route of the host.

    :raises BadInput: one is no subnet.
    """
    subnets = {name: _subnet(name, text) for name, text in requested.items() if text}
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
                if network["Name"] in requested:
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


def containers(name: str, component: str = "") -> list[dict[str, Any]]:
    """The deployment's containers, or those of one component, sorted by name."""
    found = inspect_objects("container", _ids(*_marks(name, component)))
    return sorted(map(container, found), key=lambda one: str(one["name"]))


def launched(known: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What servers are started with, where the file lies that they were given; {} where there is none."""
    folder = next((str(one["folder"]) for one in known if one["component"] == "server" and one["folder"]), "")
    try:
        found = json.loads((Path(folder) / "configuration" / "launch.json").read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def foreign_containers(deployment: str, projects: Sequence[str], names: Sequence[str]) -> list[str]:
    """Containers in these compose projects or with these names that were not made for the deployment."""
    ids = {one for project in projects for one in _ids(f"{PROJECT}={project}")}
    listed = {one["Id"]: one for one in inspect_objects("container", [*sorted(ids), *names])}
    return sorted(_place(one) for one in listed.values() if owner(one["Config"]) != deployment)


def _place(one: Mapping[str, Any]) -> str:
    project = (one["Config"].get("Labels") or {}).get(PROJECT)
    return str(one["Name"]).lstrip("/") + (f" (compose project {project})" if project else "")


def labelled(kind: str, deployment: str, component: str = "", *further: str) -> list[str]:
    """Names of the volumes or networks (C(kind)) that carry the labels of a deployment."""
    marks = [f"--filter=label={mark}" for mark in [*_marks(deployment, component), *further]]
    return sorted(call(kind, "ls", "--format={{.Name}}", *marks).stdout.split())


def _marks(deployment: str, component: str) -> list[str]:
    return [f"{DEPLOYMENT}={deployment}"] + ([f"{COMPONENT}={component}"] if component else [])


def _ids(*marks: str) -> list[str]:
    """Of containers with these labels, running or not."""
    return call("ps", "--all", "--quiet", "--no-trunc", *(f"--filter=label={mark}" for mark in marks)).stdout.split()


def users_of(kind: str, name: str, deployment: str = "") -> list[str]:
    """Containers, running or not, that use a volume or network and were not made for the deployment."""
    ids = call("ps", "--all", "--quiet", "--no-trunc", f"--filter={kind}={name}").stdout.split()
    return sorted(_place(one) for one in inspect_objects("container", ids) if owner(one["Config"]) != deployment)


def find(name: str) -> dict[str, Any] | None:
    """One container, as containers() has it."""
    found = inspect_objects("container", [name])
    return container(found[0]) if found else None


def log(name: str) -> list[str]:
    """All that a container has said, on either stream."""
    return call("logs", name, merge=True).stdout.splitlines()


def container(one: Mapping[str, Any]) -> dict[str, Any]:
    """What is worth knowing of a container; C(problem) is empty where it does what it shall."""
    state, config = one["State"], one["Config"]
    known = config.get("Labels") or {}
    health = (state.get("Health") or {}).get("Status", "")
    said = one_line(((state.get("Health") or {}).get("Log") or [{}])[-1].get("Output", ""))
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
        "id": one.get("Id", ""),
        "component": known.get(COMPONENT, ""),
        "service": known.get(SERVICE, ""),
        "folder": known.get(f"{PROJECT}.working_dir", ""),
        "zone": known.get(ZONE, ""),
        "version": known.get(VERSION, ""),
        "state": state["Status"],
        "health": health,
        "problem": problem,
        "image": config["Image"],
        "started": state["StartedAt"],
        "pid": state.get("Pid", 0),
        "restarts": one.get("RestartCount", 0),
        "networks": sorted((one.get("NetworkSettings") or {}).get("Networks") or {}),
        "ports": sorted(int(bound["HostPort"]) for listed in ports.values() for bound in listed or []),
    }


def identity(name: str) -> str:
    """The engine's own name of a container.

    :raises DockerError: there is none, or the engine cannot be asked.
    """
    return call("inspect", "--type=container", "--format={{.Id}}", name).stdout.strip()


def port_state(known: Iterable[Mapping[str, Any]], host: str, port: int) -> tuple[str, str]:
    """Whether C(port) is C(free), C(ours), C(taken) by another program, or C(impossible), with the reason."""
    if any(port in one["ports"] and one["state"] == "running" for one in known):
        return "ours", ""
    state, problem = ports.state(host, port)
    if state == "impossible" and problem == ports.ONLY_ROOT:
        # The engine is root, whoever asks.
        state, problem = ("held" if ports.answers(host, port) else "free"), ""
    return ("taken" if state == "held" else state), problem


def owner(one: Mapping[str, Any]) -> str:
    """The deployment that a network or volume was made for."""
    return str((one.get("Labels") or {}).get(DEPLOYMENT, ""))


def _subnet(name: str, text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        raise BadInput(
            f"The subnet '{text}' of the network {name} is none: write it like 10.89.1.0/24, or leave it empty."
        ) from None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])
