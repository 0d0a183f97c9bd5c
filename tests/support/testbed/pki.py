"""Certificates and kubeconfigs, made anew for every cluster."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from . import settings
from .shell import run

NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
SERVER = f"https://{settings.NODE_IP}:{settings.API_PORT}"

# name: (subject, further names of a server)
CERTIFICATES = {
    "apiserver": (
        "/O=system:masters/CN=kube-apiserver",
        f"DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,"
        f"DNS:kubernetes.default.svc.cluster.local,IP:{settings.NODE_IP},IP:{settings.API_SERVICE_IP}",
    ),
    "kubelet": (f"/O=system:nodes/CN=system:node:{settings.NODE}", f"DNS:{settings.NODE},IP:{settings.NODE_IP}"),
    "admin": ("/O=system:masters/CN=admin", ""),
    "controller-manager": ("/CN=system:kube-controller-manager", ""),
    "scheduler": ("/CN=system:kube-scheduler", ""),
    "proxy": ("/CN=system:kube-proxy", ""),
    "policies": ("/O=system:masters/CN=kube-router", ""),
    "front-proxy": ("/CN=front-proxy", ""),
}
WITH_KUBECONFIG = ("kubelet", "controller-manager", "scheduler", "proxy", "policies")


def certificate(name: str) -> Path:
    return settings.PKI / f"{name}.crt"


def key(name: str) -> Path:
    return settings.PKI / f"{name}.key"


def kubeconfig(name: str) -> Path:
    return settings.CONFIG / f"{name}.kubeconfig"


def create() -> None:
    settings.PKI.mkdir(mode=0o700)
    run(
        [
            "openssl",
            "req",
            "-x509",
            *NEW_KEY,
            "-keyout",
            key("ca"),
            "-out",
            certificate("ca"),
            "-days",
            "365",
            "-subj",
            f"/CN={settings.CONTEXT}",
        ]
    )
    run(
        [
            "openssl",
            "genpkey",
            "-algorithm",
            "EC",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-out",
            key("service-account"),
        ]
    )
    run(["openssl", "pkey", "-in", key("service-account"), "-pubout", "-out", settings.PKI / "service-account.pub"])
    for name, (subject, server_names) in CERTIFICATES.items():
        usage = ["-addext", "extendedKeyUsage=serverAuth,clientAuth", "-addext", "basicConstraints=critical,CA:FALSE"]
        if server_names:
            usage += ["-addext", f"subjectAltName={server_names}"]
        run(
            [
                "openssl",
                "req",
                "-x509",
                "-CA",
                certificate("ca"),
                "-CAkey",
                key("ca"),
                *NEW_KEY,
                "-keyout",
                key(name),
                "-out",
                certificate(name),
                "-days",
                "365",
                "-subj",
                subject,
                *usage,
            ]
        )
    for name in WITH_KUBECONFIG:
        write_kubeconfig(kubeconfig(name), name)
    write_kubeconfig(settings.KUBECONFIG, "admin")


def write_kubeconfig(path: Path, name: str) -> None:
    """With the certificates inside, so that the file works wherever it is copied to."""

    def inline(file: Path) -> str:
        return base64.b64encode(file.read_bytes()).decode()

    user = {"client-certificate-data": inline(certificate(name)), "client-key-data": inline(key(name))}
    cluster = {"server": SERVER, "certificate-authority-data": inline(certificate("ca"))}
    context = {"cluster": settings.CONTEXT, "user": name}
    path.touch(mode=0o600)
    path.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": settings.CONTEXT, "cluster": cluster}],
                "users": [{"name": name, "user": user}],
                "contexts": [{"name": settings.CONTEXT, "context": context}],
                "current-context": settings.CONTEXT,
            },
            indent=2,
        )
    )
