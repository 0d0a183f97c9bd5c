"""The cluster itself: it starts, it is usable, it starts again after it was killed, and it leaves nothing behind.

    pytest tests/cluster -m cluster_itself

The tests use one cluster, in the order of this file.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.testbed import images, lifecycle, processes, settings

pytestmark = pytest.mark.cluster_itself

COMMAND = Path(__file__).with_name("cluster.py")
MANIFEST = Path(__file__).with_name("test_cluster.yaml")
NAMESPACE = "try"
# Asks the Service by its name, with what a bare Debian has.
ASK_GATEWAY = r"exec 3<>/dev/tcp/gateway.try.svc.cluster.local/80; printf 'GET /health HTTP/1.0\r\n\r\n' >&3; cat <&3"


def cluster(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, COMMAND, *arguments], check=check, text=True, stdout=subprocess.PIPE)


def kubectl(*arguments: str, check: bool = True) -> str:
    """What kubectl says, on either stream: refusals are part of what is tested."""
    result = subprocess.run(kubectl_argv(*arguments), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert not check or result.returncode == 0, result.stdout
    return result.stdout


def kubectl_argv(*arguments: str) -> list[str]:
    exports = dict(re.findall(r"export (\w+)=(\S+)", cluster("env").stdout))
    access = [f"--kubeconfig={exports['TEST_KUBECONFIG']}", f"--context={exports['TEST_CONTEXT']}"]
    return [str(settings.PROGRAMS_IN_USE / "kubectl"), *access, f"--namespace={NAMESPACE}", *arguments]


def eventually(what: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(1)


def deploy() -> None:
    kubectl("apply", "--filename", str(MANIFEST))
    kubectl("rollout", "status", "deployment/gateway", "--timeout=90s")
    kubectl("rollout", "status", "deployment/client", "--timeout=90s")


def host() -> dict[str, set[str]]:
    """What a cluster changes on a host, without counters and numbers."""

    def lines(*argv: str) -> Iterator[str]:
        yield from subprocess.run(argv, check=True, text=True, stdout=subprocess.PIPE).stdout.splitlines()

    def rules(tool: str) -> set[str]:
        # An empty built-in chain is no trace: the kernel shows it once somebody has asked for its table.
        return {line for line in lines(f"{tool}-save") if re.match(r"-A|:\S+ -|:\S+ DROP", line)}

    ours = [os.fsencode(folder) for folder in (settings.STATE, settings.CACHE)]
    commands = {path: read(path) for path in Path("/proc").glob("[0-9]*/cmdline")}
    return {
        "mounts": {line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()},
        "links": {line.split()[1] for line in lines("ip", "-oneline", "link")},
        "addresses": {" ".join(line.split()[1:4]) for line in lines("ip", "-oneline", "address")},
        "routes": set(lines("ip", "route")),
        "iptables": rules("iptables"),
        "ip6tables": rules("ip6tables"),
        "ipsets": set(lines("ipset", "list", "-name")),
        "network namespaces": set(lines("ip", "netns", "list")),
        "processes": {f"{path} {words!r}" for path, words in commands.items() if any(part in words for part in ours)},
        "cgroups": {str(path) for top in settings.CGROUPS for path in Path("/sys/fs/cgroup").glob(f"**/{top}")},
        "folders": {str(path) for path in (settings.STATE, settings.NODE_DATA) if path.exists()},
    }


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


@pytest.fixture(scope="module")
def before() -> dict[str, set[str]]:
    if settings.STATE.exists():
        pytest.fail(f"A cluster is up or was left behind; this test needs its own: `{settings.COMMAND} down` first.")
    return host()


@pytest.fixture(scope="module", autouse=True)
def running(before: dict[str, set[str]]) -> Iterator[None]:
    cluster("up")
    try:
        deploy()
        yield
    finally:
        cluster("down")


def test_second_up_is_quick() -> None:
    start = time.monotonic()
    assert "already up" in cluster("up").stdout
    assert time.monotonic() - start < 5


def test_status() -> None:
    assert re.search(r"kube-apiserver +process \d+", cluster("status").stdout)


def test_pod_security_refuses_what_is_not_restricted() -> None:
    answer = kubectl("run", "root", f"--image={images.DEBIAN_IMAGE}", check=False)
    assert 'violates PodSecurity "restricted' in answer


def test_service_is_reached_by_name() -> None:
    eventually(gateway_answers)


def gateway_answers() -> bool:
    return "200 OK" in kubectl("exec", "deployment/client", "--", "bash", "-c", ASK_GATEWAY, check=False)


def test_a_network_policy_is_enforced() -> None:
    nobody = {"podSelector": {"matchLabels": {"app": "gateway"}}, "policyTypes": ["Ingress"]}
    policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "nobody"}}
    eventually(gateway_answers)
    created = subprocess.run(
        kubectl_argv("create", "--filename=-"), input=json.dumps({**policy, "spec": nobody}), text=True, check=False
    )
    assert created.returncode == 0
    try:
        eventually(lambda: not gateway_answers(), seconds=30)
    finally:
        kubectl("delete", "networkpolicy", "nobody")
    eventually(gateway_answers, seconds=30)


def test_service_is_reached_from_the_host() -> None:
    address = kubectl("get", "service", "gateway", "--output=jsonpath={.spec.clusterIP}")
    assert status_of(address, 80) == 200


def test_port_forward() -> None:
    forward = subprocess.Popen(
        kubectl_argv("port-forward", "service/gateway", ":80"), text=True, stdout=subprocess.PIPE
    )
    assert forward.stdout
    with forward:
        try:
            port = re.search(r"127\.0\.0\.1:(\d+)", forward.stdout.readline())
            assert port and status_of("127.0.0.1", int(port[1])) == 200
        finally:
            forward.terminate()


def status_of(address: str, port: int) -> int:
    connection = http.client.HTTPConnection(address, port, timeout=10)
    connection.request("GET", "/health")
    return connection.getresponse().status


def test_logs() -> None:
    assert "started" in kubectl("logs", "deployment/client")


def test_pods_have_no_way_out() -> None:
    routes = kubectl("exec", "deployment/client", "--", "cat", "/proc/net/route").splitlines()[1:]
    assert routes and all(line.split()[1] != "00000000" for line in routes), routes


def test_volume_is_bound_to_a_folder_of_the_node() -> None:
    claim = json.loads(kubectl("get", "persistentvolumeclaim", "objects", "--output=json"))
    assert claim["status"]["phase"] == "Bound"
    volume = json.loads(kubectl("get", "persistentvolume", claim["spec"]["volumeName"], "--output=json"))
    source = volume["spec"].get("hostPath") or volume["spec"]["local"]
    assert Path(source["path"]).is_relative_to(settings.NODE_DATA)


def test_image_that_is_not_loaded_is_refused_at_once() -> None:
    kubectl("set", "image", "deployment/client", "client=no.such.registry/image:1")
    eventually(lambda: "connection refused" in kubectl("events", "--types=Warning"), seconds=20)
    kubectl("rollout", "undo", "deployment/client")
    kubectl("rollout", "status", "deployment/client", "--timeout=60s")


def test_image_is_built_and_loaded(tmp_path: Path) -> None:
    containerfile = tmp_path / "Containerfile"
    containerfile.write_text(f"FROM {images.DEBIAN_IMAGE}\nARG WORD\nRUN echo built with $WORD > /word\n")
    image = f"{settings.IMAGE_PREFIX}/built:test"
    images.build_image(tmp_path, containerfile, image, {"WORD": "care"})
    cluster("load-image", image)
    kubectl("set", "image", "deployment/client", f"client={image}")
    kubectl("rollout", "status", "deployment/client", "--timeout=60s")
    assert "built with care" in kubectl("exec", "deployment/client", "--", "cat", "/word")


def test_metrics_and_autoscaling() -> None:
    eventually(lambda: bool(re.search(r"client-\S+ +\d+m ", kubectl("top", "pods", check=False))))
    kubectl("autoscale", "deployment", "client", "--cpu=50%", "--min=1", "--max=2")
    load = ("timeout", "90", "bash", "-c", "while :; do :; done")
    with subprocess.Popen(kubectl_argv("exec", "deployment/client", "--", *load)) as busy:
        try:
            eventually(lambda: kubectl("get", "deployment", "client", "--output=jsonpath={.spec.replicas}") == "2", 90)
        finally:
            busy.terminate()


def test_up_recovers_what_was_killed() -> None:
    for name in lifecycle.NAMES:
        pid = processes.pid(name)
        assert pid
        os.kill(pid, signal.SIGKILL)
    assert cluster("status", check=False).returncode == 1
    cluster("up")
    deploy()
    eventually(gateway_answers)


def test_down_leaves_nothing(before: dict[str, set[str]]) -> None:
    cluster("down")
    after = host()
    assert {what: after[what] - before[what] for what in after} == {what: set() for what in after}
