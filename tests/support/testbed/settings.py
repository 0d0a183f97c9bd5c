"""Names, addresses, ports and paths: everything that two modules must agree on."""

from __future__ import annotations

import os
from pathlib import Path

CONTEXT = "mlops-mlflow-test"
NODE = "mlops-mlflow-test"
IMAGE_PREFIX = "mlops-test.local"
DEBIAN = "trixie"

# The node's own address lies on the loopback device: the cluster needs no network card, its certificates never change
# with the network, and nothing of it can be reached from another machine.
NODE_IP = "10.203.255.1"
# Of the test in which a model becomes an image, which nodes pull by this name; pods reach it at the node's address.
REGISTRY_PORT = 5016
REGISTRY = f"127.0.0.1:{REGISTRY_PORT}"
POD_CIDR = "10.203.0.0/24"
SERVICE_CIDR = "10.204.0.0/16"
API_SERVICE_IP = "10.204.0.1"
DNS_SERVICE_IP = "10.204.0.10"
API_PORT = 6443
POLICIES_HEALTH_PORT = 20244
# API server, etcd (client, peer), kubelet (API, health), kube-proxy (metrics, health), controller manager, scheduler.
PORTS = (API_PORT, 2379, 2380, 10250, 10248, 10249, 10256, 10257, 10259, POLICIES_HEALTH_PORT)

# Where the processes of pods (the kubelet's word) and of image builds are accounted.
BUILD_CGROUP = "mlops-mlflow-test-builds"
CGROUPS = ("kubepods", BUILD_CGROUP)

HERE = Path(__file__).resolve().parents[2] / "cluster"
COMMAND = "python tests/cluster/cluster.py"
GO_SOURCES = HERE / "go"
ADDONS = HERE / "addons"

# tests/compose has a Docker engine of its own with this code, beside a running cluster.
BED = os.environ.get("MLOPS_TEST_BED", "cluster")

# Kept by `down`: programs and images that are expensive to make again, and the logs of the last run.
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mlops-mlflow-tests" / BED
PROGRAMS = CACHE / "bin"
KNATIVE = CACHE / "knative"
CLOUDNATIVE_PG = CACHE / "cloudnative-pg"
PROMETHEUS_OPERATOR = CACHE / "prometheus-operator"
KUBE_SCORE = CACHE / "kube-score"
KWOK = CACHE / "kwok"
LOGS = CACHE / "logs"
DOCKER_ROOT = CACHE / "docker"
CONTAINERD_ROOT = CACHE / "containerd"
LOCK = CACHE / "lock"

# Removed by `down`. Two places, because STATE is often in memory and NODE_DATA can become large.
NODE_DATA = CACHE / "node"
STATE = Path("/run/mlops-mlflow-tests", BED)
PKI = STATE / "pki"
CONFIG = STATE / "config"
PROCESSES = STATE / "processes"
PROGRAMS_IN_USE = STATE / "bin"
KUBECONFIG = STATE / "kubeconfig"
CONTAINERD_SOCKET = STATE / "containerd" / "containerd.sock"
DOCKER_SOCKET = STATE / "docker.sock"
HOST_BEFORE = STATE / "host-before.json"
COMPLETE = STATE / "complete"

# The API server notes each request of the service accounts of this namespace, and no other.
COUNTED_NAMESPACE = "t-counted-access"
AUDIT_POLICY = CONFIG / "audit-policy.json"
AUDIT_LOG = STATE / "audit.log"
