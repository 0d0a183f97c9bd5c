# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The platform C(host): a process of a host, under systemd or supervisor, in an environment of its own."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from .. import opentelemetry
from ..launch import release
from ..settings import Errors
from . import common

STANDALONE = Path(__file__).parents[2] / "standalone"
# Plugins of MLflow: where each has its source, below which folder of the plugins it is found, and under which name.
_PROXIED = ("artifact_proxy.py", "", "mlops_mlflow_proxied")
FAST_STORE = ("fast_store", "fast_store/", "mlops_mlflow_fast")
# Of every server, beside MLflow.
_ALWAYS = ("uvloop", "httptools", "obstore", "pyfastcdc", "zstandard")
# Older versions of MLflow do not say that they cannot use a newer SQLAlchemy.
_NEWER_SQLALCHEMY_SINCE = (3, 10)
# What an operation can be told of how a bucket is reached, by the variable that tells the server.
_OF_BUCKET = {"AWS_ACCESS_KEY_ID": "access_key_file", "AWS_SECRET_ACCESS_KEY": "secret_key_file"}
_REGION = "AWS_DEFAULT_REGION"
# Of a program of supervisor and a unit of systemd; of a user of the system.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")


def plan(request: common.Request) -> dict[str, Any]:
    """C(plan.plan) for a host. C(plan["host"]) holds

    C(flavor) (slim or full), C(requirements) (what pip installs), C(constrained) (whether the pinned versions hold),
    C(environment), C(interpreter), C(starter), C(plugins), C(run_dir), C(launch_file) (paths), C(expects) (files that
    are there once all is installed), C(plugin_folders), C(plugin_files) (each C(dest) below C(plugins), with C(src) in
    the engine's folder C(standalone) or C(content)), C(program_dirs),
    C(server_dirs) (folders that only the server itself writes), C(data_dirs) (those, and those of the data),
    C(inspection) (options of mlflow_host_info that say which server), C(file_owner) (root where a user of
    its own runs the server), C(endpoints) (HOST:PORT that it needs), C(systemd) (bool), C(supervision_file), and the
    files with passwords: C(password_file), C(database_password_file), C(owner_password_file) (empty where there is
    none).
    C(plan["secrets"]) maps names of the secrets that the role generates to their files.
    """
    _check(request)
    settings, host = request.settings, common.listens(request)
    folder, secrets_dir = request.folder, settings.text("secrets_dir")
    port, prefix = settings.number("port", common.CONTAINER_PORT), settings.text("static_prefix")
    flavor = _flavor(request)
    requirements = [*(settings.items("requirements") or _requirements(request))]
    environment = settings.text("environment") or _environment(request, requirements, flavor)
    interpreter = f"{environment}/bin/python"
    run_dir, launch_file = f"{folder}/run", f"{folder}/launch.json"
    server_dirs = [run_dir, *([settings.text("metrics_dir")] if settings.text("metrics_dir") else [])]
    program_dirs = [folder, f"{folder}/environments", f"{folder}/plugins", secrets_dir]
    _check_metrics_dir(request, [*program_dirs, run_dir, *_data_dirs(request)])
    stored = common.stored_places(request, lambda name: {"file": f"{secrets_dir}/{name}"})
    local_url = common.url(common.reachable(host), port, prefix, tls=bool(settings.text("tls_certificate")))
    password_file = settings.text("auth_password_file") if request.auth else ""
    launch = common.compute_launch(
        request,
        {
            "python": interpreter,
            "host": host,
            "port": settings.text("port"),
            "tls_certificate": settings.text("tls_certificate"),
            "tls_key": settings.text("tls_key"),
            "allowed_hosts": settings.get("allowed_hosts"),
            "max_connections": request.max_connections or "",
            "scratch_dir": run_dir,
            "plugins_dir": f"{folder}/plugins",
            "fast_store_dir": f"{folder}/plugins/{FAST_STORE[1]}".rstrip("/"),
            "auth": common.auth_place(request, f"{folder}/auth.ini", stored.get(common.FLASK_KEY, {})),
            "keys": common.key_places(stored),
        },
    )
    fast = f"{folder}/plugins/{FAST_STORE[1]}".rstrip("/")
    plugins = [
        *([_PROXIED] if request.store.get("type") != "local" else []),
        *([FAST_STORE] if fast in launch.get("env", {}).get("PYTHONPATH", "").split(":") else []),
    ]
    plugin_files = [file for one in plugins for file in plugin(*one)]
    starter = f"{folder}/starter-{_starter_digest()}.py"
    tls = bool(settings.text("tls_certificate"))
    named = common.named(request)
    public = settings.text("url") or (common.url(named, port, prefix, tls) if named else local_url)
    own: dict[str, Any] = {
        "flavor": flavor,
        "requirements": requirements,
        "constrained": settings.text("version") == settings.text("pinned_version"),
        "environment": environment,
        "interpreter": interpreter,
        "starter": starter,
        "plugins": f"{folder}/plugins",
        "expects": [
            f"{environment}/.complete",
            starter,
            *(f"{folder}/plugins/{file['dest']}" for file in plugin_files if "content" in file),
        ],
        "plugin_folders": sorted({str(Path(file["dest"]).parent) for file in plugin_files} - {"."}),
        "plugin_files": plugin_files,
        "run_dir": run_dir,
        "launch_file": launch_file,
        "program_dirs": program_dirs,
        "server_dirs": server_dirs,
        "data_dirs": [*server_dirs, *_data_dirs(request)],
        "inspection": {
            "directory": folder,
            "name": request.name,
            "host": host,
            "port": port,
            "supervision": settings.text("supervision", "auto"),
        },
        "file_owner": "root" if settings.text("user") else "",
        "endpoints": _endpoints(request),
        "systemd": _is_systemd(request),
        "password_file": password_file,
        "database_password_file": _password_file(request.database),
        "owner_password_file": _password_file(request.owner),
    }
    runner = {
        "type": "host",
        "name": request.name,
        "directory": folder,
        "supervision": settings.text("supervision"),
        "user": settings.text("user"),
        "published": local_url,
        "options": {
            "url": local_url,
            # The certificate is for the name that clients use.
            "validate_certs": False,
            "username": settings.text("auth_admin", "admin") if request.auth else "",
            "password_file": password_file,
            "database_uri": str(request.database.get("uri") or ""),
            "database_password_file": own["database_password_file"],
            "artifacts": common.artifacts_folder(request),
        },
    }
    return {
        "launch": launch,
        "ports": {"listen": port, "publish": port},
        "urls": {"public": public, "local": local_url, "inside": local_url, "operations": local_url},
        "files": common.launch_files(launch),
        "secrets": {
            **({"admin-password": password_file} if request.auth else {}),
            **{name: place["file"] for name, place in stored.items()},
        },
        "staged": {"runner": {**runner, "python": interpreter}},
        "bucket": _bucket(request, launch),
        "schema": common.schema_options(request, reads=_given(password_file=own["owner_password_file"])),
        "deployed": str(request.found.get("deployed") or ""),
        "resources": {
            "servers": 1,
            "offered": request.max_connections,
            "connections": request.max_connections,
            "images": [],
        },
        "host": {**own, **_supervision(request, folder)},
        "connection": common.connection(
            request,
            uri=public,
            host=common.reachable(host),
            password={"file": password_file},
            restored=stored,
            runner=runner,
            scalable=False,
            # For those who act on the same host: the interpreter with all libraries.
            workload={"python": interpreter, "launch_file": launch_file, "starter": own["starter"]},
        ),
    }


def fits(planned: Mapping[str, Any], observed: Mapping[str, Any]) -> list[str]:
    """What is wrong with a host, see C(plan.fits). C(observed) is what mlflow_host_info returned."""
    found = Errors()
    target = planned["target"]
    found.add(
        f"Python {observed.get('python')} is not supported on {target}: set ansible_python_interpreter to a Python"
        f" 3.11, 3.12 or 3.13.",
        not observed.get("python_supported", True),
    )
    found.add(misfit := common.port_misfit(planned, observed), bool(misfit))
    foreign = [state for state in (observed.get("units") or {}).values() if state not in ("absent", "ours")]
    found.add(
        f"Units of systemd with these names were made by others, and are not touched: {', '.join(foreign)}. Set"
        f" mlflow_name to another, or remove them where nobody needs them.",
        bool(foreign),
    )
    found.add(
        f"A folder cannot be used: {common.joined(observed.get('unwritable') or {})}. Set mlflow_data_dir to a folder"
        f" that may be written.",
        bool(observed.get("unwritable")),
    )
    found.add(
        f"Cannot reach {common.joined(observed.get('out_of_reach') or {})}. Is it running, and does a firewall let"
        f" {target} through?",
        bool(observed.get("out_of_reach")),
    )
    found.add(
        "The path of mlflow_server_dir is too long for supervisor's socket. Set a shorter mlflow_data_dir.",
        bool(observed.get("socket_too_long")) and not planned["host"]["systemd"],
    )
    return found.as_list()


def _check(request: common.Request) -> None:
    common.check_secret_files(request)
    common.check_no_tls_inside(request)
    user = request.settings.text("user")
    request.errors.add(
        f"mlflow_name is '{request.name}', which is no name for a program: letters, digits, '.', '-' and '_', at"
        f" most 64.",
        not _NAME.fullmatch(request.name),
    )
    request.errors.add(
        f"mlflow_server_user is '{user}', which is no name for a user of the system: small letters, digits, '-' and"
        f" '_', at most 32.",
        bool(user) and not _USER.fullmatch(user),
    )


def _check_metrics_dir(request: common.Request, others: list[str]) -> None:
    """A start empties it of counters, and whoever serves may write there."""
    folder = request.settings.text("metrics_dir")
    shared = [other for other in others if folder and f"{other}/".startswith(f"{folder.rstrip('/')}/")]
    request.errors.add(
        f"mlflow_server_metrics_dir is {folder}, where {shared[0] if shared else ''} is: give it a folder of its own.",
        bool(shared),
    )


def _flavor(request: common.Request) -> str:
    settings = request.settings
    flavor = settings.text("install") or ("slim" if settings.text("profile") == "light" else "full")
    request.errors.add(
        "The profile full runs jobs, which need everything: mlflow_server_install may not be slim.",
        flavor == "slim" and settings.text("profile") == "full",
    )
    return flavor


def _requirements(request: common.Request) -> list[str]:
    settings = request.settings
    version = settings.text("version")
    return [
        f"mlflow=={version}",
        *_ALWAYS,
        *request.database_packages,
        *(["boto3"] if request.uses_bucket else []),
        *(["Flask-WTF"] if request.auth else []),
        *(["prometheus-flask-exporter"] if settings.text("metrics_dir") else []),
        *(["prometheus-client"] if settings.flag("monitored") else []),
        *([opentelemetry.PACKAGE] if settings.text("opentelemetry_endpoint") else []),
        *(["sqlalchemy<2.1"] if release(version) < _NEWER_SQLALCHEMY_SINCE else []),
    ]


def _environment(request: common.Request, requirements: list[str], flavor: str) -> str:
    """An environment is named by what is in it: a changed one is a new one, and the old one stays for a rollback."""
    digest = hashlib.sha256(json.dumps([requirements, flavor]).encode()).hexdigest()[:10]
    return f"{request.settings.text('dir')}/environments/{request.settings.text('version')}-{digest}"


@cache
def _starter_digest() -> str:
    """Of all programs that are copied, so that none of an older collection stays."""
    programs = "".join(path.read_text() for path in sorted(STANDALONE.rglob("*.py")))
    return hashlib.sha256(programs.encode()).hexdigest()[:10]


@cache
def plugin(source: str, below: str, name: str) -> list[dict[str, str]]:
    """The files of a plugin, as a package that MLflow finds by its entry points."""
    path = STANDALONE / source
    files = {path: f"{below}{name}.py"} if path.suffix else {
        file: f"{below}{name}/{file.name}" for file in sorted(path.glob("*.py"))
    }  # fmt: skip
    text = (path if path.suffix else path / "__init__.py").read_text()
    metadata = f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 1\n"
    return [
        *({"src": str(file.relative_to(STANDALONE)), "dest": dest} for file, dest in files.items()),
        {"content": metadata, "dest": f"{below}{name}-1.dist-info/METADATA"},
        {
            "content": text.split('ENTRY_POINTS = """')[1].split('"""')[0],
            "dest": f"{below}{name}-1.dist-info/entry_points.txt",
        },
    ]


def _data_dirs(request: common.Request) -> list[str]:
    """Folders of the data that is on the host."""
    folders = []
    if request.store.get("type") == "local":
        folders.append(str(request.store.get("uri") or ""))
    return folders + request.database_folders


def _bucket(request: common.Request, launch: Mapping[str, Any]) -> dict[str, Any]:
    """How it is proven, as the server will reach it; {} also where that is in a way that an operation has not: then the
    check of the server's health is the first that tells."""
    env, secrets = launch.get("env") or {}, launch.get("secrets") or {}
    if {name for name in {**env, **secrets} if name.startswith("AWS_")} - {_REGION, *_OF_BUCKET}:
        return {}
    files = {option: str((secrets.get(name) or {}).get("file") or "") for name, option in _OF_BUCKET.items()}
    options = common.bucket_options(request)
    place = _given(endpoint=env.get("MLFLOW_S3_ENDPOINT_URL", ""), region=env.get(_REGION, ""), **files)
    return {**options, **place} if options else {}


def _endpoints(request: common.Request) -> list[str]:
    """What is reached over the network; a host that is a folder is a Unix socket."""
    return [
        f"{one['host']}:{one.get('port', '')}"
        for one in (request.database, request.store)
        if one.get("host") and not str(one["host"]).startswith("/")
    ]


def _is_systemd(request: common.Request) -> bool:
    """The system's own systemd only: a user's ends with the last login."""
    asked = request.settings.text("supervision")
    return asked == "systemd" or (asked == "auto" and bool(request.found.get("systemd")))


def _supervision(request: common.Request, folder: str) -> dict[str, Any]:
    systemd = _is_systemd(request)
    return {
        "supervision_file": (
            f"/etc/systemd/system/{request.name}.service" if systemd else f"{folder}/supervisord.conf"
        ),
        "supervision_template": "mlflow.service.j2" if systemd else "supervisord.conf.j2",
    }


def _given(**options: str) -> dict[str, str]:
    return {name: value for name, value in options.items() if value}


def _password_file(one: Mapping[str, Any]) -> str:
    place = (one.get("secrets") or {}).get("PGPASSWORD") or {}
    return str(place.get("file") or "")
