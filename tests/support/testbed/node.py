"""The node: containerd, the network of pods, kubelet, kube-proxy, and what enforces NetworkPolicies."""

from __future__ import annotations

import json

from . import pki, preflight, settings
from .control_plane import kube, kubectl
from .processes import Process
from .shell import Result, run

CNI_NAME = settings.CONTEXT
CNI_STATE = settings.STATE / "cni"
CNI_CONFIG = settings.CONFIG / "cni"
REGISTRIES = settings.CONFIG / "registries"
POD_LOGS = settings.NODE_DATA / "pod-logs"
VOLUMES = settings.NODE_DATA / "volumes"
CONTAINERD_CONFIG = settings.CONFIG / "containerd.toml"
KUBELET_CONFIG = settings.CONFIG / "kubelet.json"


def containerd() -> Process:
    return Process("containerd", ["containerd", "--config", CONTAINERD_CONFIG])


def kubelet() -> Process:
    return kube(
        "kubelet",
        f"--config={KUBELET_CONFIG}",
        f"--kubeconfig={pki.kubeconfig('kubelet')}",
        f"--root-dir={settings.NODE_DATA / 'kubelet'}",
        f"--hostname-override={settings.NODE}",
        f"--node-ip={settings.NODE_IP}",
    )


def kube_proxy() -> Process:
    return kube(
        "kube-proxy",
        f"--kubeconfig={pki.kubeconfig('proxy')}",
        f"--hostname-override={settings.NODE}",
        "--proxy-mode=iptables",
        f"--cluster-cidr={settings.POD_CIDR}",
        "--nodeport-addresses=primary",
        "--healthz-bind-address=127.0.0.1:10256",
        # Zero: leave the machine's own connection tracking limits as they are.
        "--conntrack-max-per-core=0",
        "--conntrack-tcp-timeout-established=0",
        "--conntrack-tcp-timeout-close-wait=0",
    )


def policies() -> Process:
    """The network plugin's point-to-point pairs enforce no NetworkPolicy. Of kube-router, the firewall does."""
    flags = (
        "--run-firewall=true",
        "--run-router=false",
        "--run-service-proxy=false",
        "--run-loadbalancer=false",
        f"--kubeconfig={pki.kubeconfig('policies')}",
        f"--hostname-override={settings.NODE}",
        f"--service-cluster-ip-range={settings.SERVICE_CIDR}",
        f"--health-port={settings.POLICIES_HEALTH_PORT}",
        "--enable-ipv6=false",
    )
    return Process("kube-router", [settings.PROGRAMS_IN_USE / "kube-router", *flags])


# Without these routes a packet for a Service or pod that is not there (yet, or any more) would take the default route
# and leave this machine. kube-proxy redirects what goes to a Service on its way out, so that route needs some device.
ADDRESS = (f"{settings.NODE_IP}/32", "dev", "lo")
ROUTES = (
    ("unreachable", settings.POD_CIDR),
    (settings.SERVICE_CIDR, "dev", "lo", "src", settings.NODE_IP),
)


def prepare() -> None:
    run(["ip", "address", "replace", *ADDRESS])
    for route in ROUTES:
        run(["ip", "route", "replace", *route])
    # Every pull fails at once and without leaving this machine, because all images are loaded; but for one from the
    # registry that a test starts.
    registries = {"_default": "http://127.0.0.1:1", settings.REGISTRY: f"http://{settings.REGISTRY}"}
    for folder in (POD_LOGS, VOLUMES, CNI_CONFIG, *(REGISTRIES / name for name in registries)):
        folder.mkdir(parents=True, exist_ok=True)
    for name, url in registries.items():  # given twice: containerd 1.6 overlooks a server without a host
        (REGISTRIES / name / "hosts.toml").write_text(f'server = "{url}"\n[host."{url}"]\n')
    CONTAINERD_CONFIG.write_text(containerd_config())
    (CNI_CONFIG / "10-pods.conflist").write_text(json.dumps(cni_config(), indent=2))
    KUBELET_CONFIG.write_text(json.dumps(kubelet_config(), indent=2))


def containerd_config() -> str:
    cri = 'plugins."io.containerd.grpc.v1.cri"'
    return f"""\
version = 2
root = "{settings.CONTAINERD_ROOT}"
state = "{settings.CONTAINERD_SOCKET.parent}"

[grpc]
  address = "{settings.CONTAINERD_SOCKET}"

[{cri}]
  sandbox_image = "{settings.IMAGE_PREFIX}/pause:test"
  netns_mounts_under_state_dir = true
  disable_apparmor = true
  # A kernel without the hugetlb controller, and a runc that may not lower its own OOM score, are normal in a sandbox.
  tolerate_missing_hugetlb_controller = true
  restrict_oom_score_adj = true

[{cri}.cni]
  bin_dir = "{preflight.cni_plugins()}"
  conf_dir = "{CNI_CONFIG}"

[{cri}.registry]
  config_path = "{REGISTRIES}"

[{cri}.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
  options = {{ Root = "{settings.STATE / "runc"}" }}
"""


def cni_config() -> dict[str, object]:
    """Point-to-point pairs: each pod reaches pods, Services and this node, and nothing outside of this machine.

    The plugin `firewall` opens the FORWARD chain, which a Docker engine on the same machine closes.
    """
    routes = [{"dst": settings.SERVICE_CIDR}, {"dst": f"{settings.NODE_IP}/32"}]
    addresses = {"type": "host-local", "dataDir": str(CNI_STATE), "ranges": [[{"subnet": settings.POD_CIDR}]]}
    return {
        "cniVersion": "0.4.0",
        "name": CNI_NAME,
        "plugins": [
            {"type": "ptp", "ipam": {**addresses, "routes": routes}},
            {"type": "firewall", "backend": "iptables"},
        ],
    }


def kubelet_config() -> dict[str, object]:
    disk_is_shared = {"nodefs.available": "1%", "imagefs.available": "1%", "nodefs.inodesFree": "1%"}
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": settings.NODE_IP,
        "tlsCertFile": str(pki.certificate("kubelet")),
        "tlsPrivateKeyFile": str(pki.key("kubelet")),
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(pki.certificate("ca"))},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": f"unix://{settings.CONTAINERD_SOCKET}",
        "cgroupDriver": "cgroupfs",  # as containerd's default, and right where there is no systemd
        "failCgroupV1": False,
        "failSwapOn": False,
        "clusterDomain": "cluster.local",
        "clusterDNS": [settings.DNS_SERVICE_IP],
        "resolvConf": "",  # names of the cluster only
        "podLogsDir": str(POD_LOGS),
        "volumePluginDir": str(settings.NODE_DATA / "volume-plugins"),
        "evictionHard": {"memory.available": "100Mi", **disk_is_shared},
        "imageGCHighThresholdPercent": 100,  # an image that was collected could not be pulled again
    }


def node_ready() -> bool:
    condition = "jsonpath={.status.conditions[?(@.type=='Ready')].status}"
    return kubectl("get", "node", settings.NODE, "-o", condition, check=False).stdout == "True"


def containerd_ready() -> bool:
    return ctr("version", check=False).returncode == 0


def ctr(*arguments: str, check: bool = True) -> Result:
    return run(["ctr", "--address", settings.CONTAINERD_SOCKET, "--namespace", "k8s.io", *arguments], check=check)


def remove_pods() -> None:
    """Let the container runtime undo its pods: it knows their processes, mounts, addresses and firewall rules."""
    run([settings.PROGRAMS_IN_USE / "kube", "remove-pods", f"unix://{settings.CONTAINERD_SOCKET}"])


def remove_address() -> None:
    for route in ROUTES:
        run(["ip", "route", "delete", *route], check=False)
    run(["ip", "address", "delete", *ADDRESS], check=False)
