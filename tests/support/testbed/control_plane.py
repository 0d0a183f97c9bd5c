"""etcd, the API server, the controller manager and the scheduler: their flags."""

from __future__ import annotations

import json

from . import pki, settings
from .processes import Process
from .shell import Result, run

ETCD_URL = "http://127.0.0.1:2379"


def processes() -> list[Process]:
    return [etcd(), api_server(), controller_manager(), scheduler()]


def kube(component: str, *flags: str) -> Process:
    return Process(component, [settings.PROGRAMS_IN_USE / "kube", component, *flags])


def etcd() -> Process:
    return kube(
        "etcd",
        f"--data-dir={settings.NODE_DATA / 'etcd'}",
        f"--listen-client-urls={ETCD_URL}",
        f"--advertise-client-urls={ETCD_URL}",
        "--listen-peer-urls=http://127.0.0.1:2380",
        "--unsafe-no-fsync",  # a cluster that ends with its machine need not survive a power cut
        "--log-level=warn",
    )


def audit_policy() -> str:
    """Of who is counted, each request once, when it has been answered."""
    counted = {"level": "Metadata", "userGroups": [f"system:serviceaccounts:{settings.COUNTED_NAMESPACE}"]}
    return json.dumps(
        {
            "apiVersion": "audit.k8s.io/v1",
            "kind": "Policy",
            "omitStages": ["RequestReceived", "ResponseStarted"],
            "rules": [counted, {"level": "None"}],
        }
    )


def api_server() -> Process:
    settings.AUDIT_POLICY.write_text(audit_policy())
    return kube(
        "kube-apiserver",
        f"--etcd-servers={ETCD_URL}",
        f"--bind-address={settings.NODE_IP}",
        f"--advertise-address={settings.NODE_IP}",
        f"--secure-port={settings.API_PORT}",
        f"--service-cluster-ip-range={settings.SERVICE_CIDR}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged",
        f"--client-ca-file={pki.certificate('ca')}",
        f"--tls-cert-file={pki.certificate('apiserver')}",
        f"--tls-private-key-file={pki.key('apiserver')}",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={settings.PKI / 'service-account.pub'}",
        f"--service-account-signing-key-file={pki.key('service-account')}",
        f"--kubelet-certificate-authority={pki.certificate('ca')}",
        f"--kubelet-client-certificate={pki.certificate('apiserver')}",
        f"--kubelet-client-key={pki.key('apiserver')}",
        "--kubelet-preferred-address-types=InternalIP",
        # For the test that counts requests.
        f"--audit-policy-file={settings.AUDIT_POLICY}",
        f"--audit-log-path={settings.AUDIT_LOG}",
        # The aggregation layer, for the metrics API.
        f"--proxy-client-cert-file={pki.certificate('front-proxy')}",
        f"--proxy-client-key-file={pki.key('front-proxy')}",
        f"--requestheader-client-ca-file={pki.certificate('ca')}",
        "--requestheader-allowed-names=front-proxy",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
    )


def controller_manager() -> Process:
    return kube(
        "kube-controller-manager",
        f"--kubeconfig={pki.kubeconfig('controller-manager')}",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
        "--use-service-account-credentials",
        f"--service-account-private-key-file={pki.key('service-account')}",
        f"--root-ca-file={pki.certificate('ca')}",
        f"--cluster-signing-cert-file={pki.certificate('ca')}",
        f"--cluster-signing-key-file={pki.key('ca')}",
        # By default a new pod's CPU counts for nothing for five minutes: too long for a test of autoscaling.
        "--horizontal-pod-autoscaler-sync-period=5s",
        "--horizontal-pod-autoscaler-cpu-initialization-period=15s",
    )


def scheduler() -> Process:
    return kube(
        "kube-scheduler",
        f"--kubeconfig={pki.kubeconfig('scheduler')}",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
    )


def api_ready() -> bool:
    return kubectl("get", "--raw=/readyz", check=False).stdout == "ok"


def kubectl(*arguments: str, stdin: str | None = None, check: bool = True) -> Result:
    """kubectl on this cluster, whatever the user's own kubeconfig says."""
    return run(
        [settings.PROGRAMS_IN_USE / "kubectl", "--kubeconfig", settings.KUBECONFIG, *arguments],
        stdin=stdin,
        check=check,
    )
