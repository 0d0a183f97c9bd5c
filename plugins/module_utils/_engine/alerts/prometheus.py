# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A Prometheus and an Alertmanager of a deployment's own: what they are given, from the variables of their role.

They find the exporter and the servers by the names of containers, and are published on loopback alone: neither has a
login.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ..errors import BadInput
from ..quantities import number, quantity, whole
from ..secrets import IN_CONTAINERS
from . import alertmanager

_LOOPBACK = "127.0.0.1"
# Within the containers.
_ALERTMANAGER, _EXPORTER = 9093, 9500
_INSIDE = {"prometheus": 9090, "alertmanager": _ALERTMANAGER}
# The job of MLflow's own metrics.
_SERVERS = "mlflow"
RULES = "configuration/prometheus/rules/mlflow.yml"
ROUTING = "configuration/alertmanager/alertmanager.yml"
# Less than this is full before a day is over.
_LEAST_BYTES = 100 * 2**20


def compute(options: Mapping[str, Any], server: Mapping[str, Any]) -> dict[str, Any]:
    """
    :param options: C(name), C(platform), C(port), C(alertmanager_port), C(exporter_port), C(interval), C(days),
        C(size), C(rules), C(server_metrics), C(alertmanager_config) and C(alertmanager_secrets) of the role; C(targets)
        on a host.
    :param server: connection of the server.
    :returns: C(uris) of C(prometheus) and C(alertmanager) on the host. On a host C(variables) of the roles that run
        them. Under compose C(files) (contents by the path in the project), C(copies) (files of the host by the same),
        C(with_secrets) (programs that get some), and of each its C(commands) and C(published) (address of host and
        container).
    :raises BadInput: all that is wrong, at once.
    """
    contained = options["platform"] == "compose"
    given, secrets = options.get("alertmanager_config"), options.get("alertmanager_secrets")
    if wrong := alertmanager.errors(given, secrets, contained):
        raise BadInput(" ".join(wrong))
    interval = number(options["interval"], "mlflow_monitoring_prometheus_interval", 1)
    hours = round(24 * number(options["days"], "mlflow_monitoring_prometheus_days", 1))
    size = _bytes(options["size"])
    ports = _ports(options, server)
    name = str(options["name"])
    uris = {program: f"http://{_LOOPBACK}:{port}" for program, port in ports.items()}
    alerts = f"{name}-alertmanager:{_ALERTMANAGER}" if contained else f"{_LOOPBACK}:{ports['alertmanager']}"
    username, password_file = _login(server)
    login = {"username": username, "password_file": f"{IN_CONTAINERS}/password" if contained else password_file}
    configuration = {
        "global": {"scrape_interval": f"{interval:g}s", "evaluation_interval": f"{interval:g}s"},
        "rule_files": ["/etc/prometheus/rules/*.yml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alerts]}]}]},
        "scrape_configs": [
            {"job_name": one["labels"]["job"], "static_configs": [one]}
            # MLflow answers to who has its login; the exporter to everybody who gets there.
            | ({"basic_auth": login} if username and one["labels"]["job"] == _SERVERS else {})
            for one in (_targets(name, options, server) if contained else options["targets"])
        ],
    }
    rules, routing = options.get("rules") or {}, alertmanager.configuration(given)
    if not contained:
        kept = {"prometheus_storage_retention": f"{hours}h", "prometheus_storage_retention_size": f"{size}B"}
        return {"uris": uris, "variables": {**_variables(uris, configuration, rules, routing), **kept}}
    copies = alertmanager.copies(secrets or {})
    if username and options.get("server_metrics"):
        copies["secrets/prometheus/password"] = password_file
    files = {"configuration/prometheus/prometheus.yml": configuration, RULES: rules, ROUTING: routing}
    return {
        "uris": uris,
        "files": {path: content for path, content in files.items() if content},
        "copies": copies,
        "with_secrets": sorted({path.split("/")[1] for path in copies}),
        "commands": _commands(uris, hours, size),
        "published": {program: f"{_LOOPBACK}:{port}:{_INSIDE[program]}" for program, port in ports.items()},
    }


def _commands(uris: Mapping[str, str], hours: int, size: int) -> dict[str, list[str]]:
    return {
        "prometheus": [
            "--config.file=/etc/prometheus/prometheus.yml",
            "--storage.tsdb.path=/prometheus",
            f"--storage.tsdb.retention.time={hours}h",
            f"--storage.tsdb.retention.size={size}B",
            f"--web.external-url={uris['prometheus']}",
        ],
        "alertmanager": [
            "--config.file=/etc/alertmanager/alertmanager.yml",
            "--storage.path=/alertmanager",
            # It is one, and looks for no others.
            "--cluster.listen-address=",
            f"--web.external-url={uris['alertmanager']}",
        ],
    }


def _variables(
    uris: Mapping[str, str], configuration: Mapping[str, Any], rules: Mapping[str, Any], routing: Mapping[str, Any]
) -> dict[str, Any]:
    """Of the roles prometheus and alertmanager of the collection prometheus.prometheus.

    :raises BadInput: the routing has what these have no variable for.
    """
    parts = ("route", "receivers", "inhibit_rules", "time_intervals")
    if more := sorted(routing.keys() - set(parts)):
        raise BadInput(
            f"{alertmanager.VARIABLE} has {', '.join(more)}, which the role of Alertmanager does not take on a host: "
            f"say it in the receivers. It takes {', '.join(parts)}."
        )
    return {
        **{f"{program}_web_external_url": uri for program, uri in uris.items()},
        **{f"{program}_web_listen_address": urlsplit(uri).netloc for program, uri in uris.items()},
        "prometheus_global": configuration["global"],
        "prometheus_scrape_configs": configuration["scrape_configs"],
        "prometheus_alertmanager_config": configuration["alerting"]["alertmanagers"],
        # They make one group of them. What is recorded comes first in each of ours.
        "prometheus_alert_rules": [rule for group in rules.get("groups") or [] for rule in group["rules"]],
        "alertmanager_route": routing["route"],
        **{f"alertmanager_{part}": routing.get(part) or [] for part in parts[1:]},
    }


def _ports(options: Mapping[str, Any], server: Mapping[str, Any]) -> dict[str, int]:
    """Of the two on the host; nobody else's of this deployment."""
    published = urlsplit(str((server.get("runner") or {}).get("published") or "")).port
    variables = {
        "mlflow_monitoring_prometheus_port": options["port"],
        "mlflow_monitoring_alertmanager_port": options["alertmanager_port"],
        "mlflow_monitoring_port": options["exporter_port"],
        **({"mlflow_server_port": published} if published else {}),
    }
    ports = {variable: whole(port, variable, 1) for variable, port in variables.items()}
    if len(set(ports.values())) < len(ports):
        listed = ", ".join(f"{variable} {port}" for variable, port in ports.items())
        raise BadInput(f"Two programs cannot have one port: {listed}. Choose another for one of them.")
    prometheus, alerts = list(ports.values())[:2]
    return {"prometheus": prometheus, "alertmanager": alerts}


def _bytes(size: Any) -> int:
    try:
        found = int(quantity(size))
    except BadInput as error:
        raise BadInput(f"mlflow_monitoring_prometheus_size: {error}") from None
    if found < _LEAST_BYTES:
        raise BadInput(f"mlflow_monitoring_prometheus_size is {size}; it must be at least {_LEAST_BYTES >> 20}Mi.")
    return found


def _login(server: Mapping[str, Any]) -> tuple[str, str]:
    """The user and the file of the host with its password; empty where servers ask for none."""
    options = (server.get("runner") or {}).get("options") or {}
    return str(options.get("username") or ""), str(options.get("password_file") or "")


def _targets(name: str, options: Mapping[str, Any], server: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Of servers each, not what is before them: every one has numbers of its own."""
    found = [
        {"targets": [f"{name}-exporter:{_EXPORTER}"], "labels": {"job": "mlflow-ops", "deployment": name}},
    ]
    workload = server.get("workload") or {}
    port = urlsplit(str(workload.get("inside_uri") or "")).port
    if options.get("server_metrics") and port:
        servers = [f"{container}:{port}" for container in workload.get("containers") or []]
        found.append({"targets": servers, "labels": {"job": _SERVERS, "deployment": name}})
    return found
