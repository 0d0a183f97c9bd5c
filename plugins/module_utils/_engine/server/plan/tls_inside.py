# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""TLS between what publishes the servers of a cluster and their pods, by the deployment's own authority.

What the certificate is for, where pods have it, and what those who connect are told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ... import trust
from . import common

_FOLDER = "/run/tls"
_CERTIFICATE, _KEY = f"{_FOLDER}/tls.crt", f"{_FOLDER}/tls.key"
# Those of the settings are files of hosts.
_NO_CERTIFICATE = {"tls_certificate": "", "tls_key": ""}
_NGINX = "nginx.ingress.kubernetes.io"
_OTHER = "other"


def wanted(request: common.Request) -> bool:
    return request.settings.flag("tls_inside")


def check(request: common.Request, knative: bool) -> None:
    settings, errors = request.settings, request.errors
    controller, offered = settings.text("ingress_controller"), (*_annotations(request, ""), _OTHER)
    errors.add(
        "Knative's own proxy speaks plain HTTP to servers: set mlflow_server_tls_inside to false. Database and artifact"
        " store keep what mlflow_tls_inside says.",
        wanted(request) and knative,
    )
    errors.add(
        "A Route is not told by which authority OpenShift's router verifies servers that serve TLS: publish them by"
        " ingress, httproute or loadbalancer, or set mlflow_server_tls_inside to false.",
        wanted(request) and settings.text("expose") == "route",
    )
    errors.add(
        "A load balancer passes on what servers talk, and that is plain HTTP: passwords (mlflow_server_auth) could be"
        " read on the way. Set mlflow_tls_inside to true, or mlflow_server_plain_http where nobody else is on the way.",
        request.auth
        and settings.text("expose") == "loadbalancer"
        and not wanted(request)
        and not settings.flag("plain_http"),
    )
    errors.add(
        f"mlflow_server_ingress_controller is '{controller}'; offered are {' and '.join(offered)}.",
        bool(controller) and controller not in offered,
    )
    errors.add(
        "The servers' pods serve TLS (mlflow_server_tls_inside), and each controller of an Ingress is told so in"
        " its own way: set mlflow_server_ingress_controller to ingress-nginx, or to other and give what yours needs"
        " (docs/target_kubernetes.md), or mlflow_server_tls_inside to false.",
        wanted(request) and settings.text("expose") == "ingress" and not controller,
    )


def scheme(request: common.Request) -> str:
    return "https" if wanted(request) else "http"


def authority(request: common.Request) -> dict[str, str] | None:
    """Where the certificate lies of whom clients inside of the cluster trust; None without TLS."""
    return trust.authority_of(request.name) if wanted(request) else None


def of_launch(request: common.Request) -> dict[str, str]:
    """What launch is told: where the server has its certificate."""
    return {"tls_certificate": _CERTIFICATE, "tls_key": _KEY} if wanted(request) else _NO_CERTIFICATE


def of_operations(request: common.Request) -> dict[str, str]:
    """What operations are told that ask a server."""
    return {"ca_path": trust.file("server")} if wanted(request) else {}


def by_which_clients_verify(request: common.Request, inside: bool) -> str:
    """Where pods find whom clients trust; empty where the certificate that those see is another's.

    :param inside: whether clients know no other name than that of the Service.
    """
    sees_servers = inside or request.settings.text("expose") == "loadbalancer"
    return trust.file("server") if wanted(request) and sees_servers else ""


def secret(request: common.Request) -> str:
    # Not NAME-tls, which many a certificate of an Ingress is called.
    return f"{request.name}-server-tls"


def places(request: common.Request) -> list[dict[str, str]]:
    """Of what servers read themselves."""
    return [{"secret": secret(request), "key": key} for key in ("tls.crt", "tls.key")] if wanted(request) else []


def of_pods(request: common.Request) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Mounts and volumes of pods that serve."""
    if not wanted(request):
        return [], []
    source = {"secretName": secret(request), "defaultMode": 0o440}
    return [{"name": "tls", "mountPath": _FOLDER, "readOnly": True}], [{"name": "tls", "secret": source}]


def plan(request: common.Request, host: str) -> dict[str, Any]:
    """What roles read: C(enabled), C(secret), C(certificate) (options of mlflow_kubernetes_certificate) and C(host),
    by which the servers are verified.

    :param host: the name of the Service.
    """
    hostname = request.settings.text("hostname")
    # A load balancer passes TLS on: whoever connects to it sees this certificate.
    passed_on = [hostname] if hostname and request.settings.text("expose") == "loadbalancer" else []
    certificate = {
        "namespace": request.settings.text("namespace"),
        "deployment": request.name,
        "component": "server",
        "service": request.name,
        "secret": secret(request),
        "names": ["localhost", "127.0.0.1", *passed_on],
    }
    return {"enabled": wanted(request), "secret": secret(request), "certificate": certificate, "host": host}


def of_ingress(request: common.Request, host: str) -> dict[str, str]:
    """Its annotations: what its controller must be told."""
    if not (wanted(request) and request.settings.text("expose") == "ingress"):
        return {}
    return dict(_annotations(request, host).get(request.settings.text("ingress_controller"), {}))


def _annotations(request: common.Request, host: str) -> Mapping[str, dict[str, str]]:
    """What a controller must be told, by its name, so that it verifies the servers."""
    namespace = request.settings.text("namespace")
    return {
        "ingress-nginx": {
            f"{_NGINX}/backend-protocol": "HTTPS",
            f"{_NGINX}/proxy-ssl-secret": f"{namespace}/{trust.authority_of(request.name)['secret']}",
            f"{_NGINX}/proxy-ssl-verify": "on",
            f"{_NGINX}/proxy-ssl-name": host,
            f"{_NGINX}/proxy-ssl-server-name": "on",
        }
    }
