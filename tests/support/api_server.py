"""A real API server of Kubernetes with its etcd, and nothing else of a cluster: nobody carries out what is declared.

For what needs many objects and no cluster. The programs are those of tests/cluster, which builds them.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from .ports import free_port
from .testbed import build, knative

_START_SECONDS = 90


class ApiServer:
    """Listens on the loopback device while the C(with) lasts.

    :param folder: for its data, logs and login; it is not removed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._programs = build.ensure()
        self._port, self._etcd_ports = free_port(), (free_port(), free_port())
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._commands: dict[str, list[str]] = {}

    def __enter__(self) -> ApiServer:
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        for name in reversed(list(self._processes)):
            self._end(name, signal.SIGTERM)

    @property
    def kubeconfig(self) -> Path:
        return self._folder / "kubeconfig"

    def cpu(self, name: str) -> float:
        """Seconds that C(etcd) or C(kube-apiserver) has taken so far."""
        fields = Path(f"/proc/{self._processes[name].pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        """End the API server as a crash would; its etcd goes on."""
        self._end("kube-apiserver", signal.SIGKILL)

    def start_again(self) -> None:
        self._run("kube-apiserver")

    def memory(self, name: str) -> float:
        """Bytes that it holds now, resident."""
        status = Path(f"/proc/{self._processes[name].pid}/status").read_text()
        return 1024.0 * int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])

    def kubectl(self, *arguments: str, text: str = "") -> str:
        command = [str(self._programs / "kubectl"), f"--kubeconfig={self.kubeconfig}", *arguments]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"kubectl {' '.join(arguments)[:200]} failed: {done.stderr[-2000:]}")
        return done.stdout

    def _start(self) -> None:
        token, key = secrets.token_hex(16), self._folder / "service-account.key"
        subprocess.run(["openssl", "genrsa", "-out", key, "2048"], capture_output=True, check=True)
        tokens = self._folder / "tokens.csv"
        tokens.touch(mode=0o600)
        tokens.write_text(f"{token},bench,bench,system:masters\n")
        client, peer = (f"http://127.0.0.1:{port}" for port in self._etcd_ports)
        self._command(
            "etcd",
            f"--data-dir={self._folder / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
            "--log-level=warn",
        )
        self._command(
            "kube-apiserver",
            f"--etcd-servers={client}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={self._port}",
            f"--cert-dir={self._folder / 'certificates'}",
            f"--token-auth-file={tokens}",
            "--service-cluster-ip-range=10.99.0.0/24",
            "--disable-admission-plugins=ServiceAccount",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
        )
        self._write_kubeconfig(token)
        self._wait("/readyz")

    def _command(self, name: str, *flags: str) -> None:
        self._commands[name] = [str(self._programs / "kube"), name, *flags]
        self._run(name)

    def _run(self, name: str) -> None:
        with (self._folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                self._commands[name],
                cwd=self._folder,
                env={"HOME": str(self._folder)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _end(self, name: str, number: signal.Signals) -> None:
        process = self._processes[name]
        process.send_signal(number)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _write_kubeconfig(self, token: str) -> None:
        # The API server makes its own certificate, for this address. Clients without an authority would read all that
        # Python trusts, for each connection.
        authority = str(self._folder / "certificates" / "apiserver.crt")
        cluster = {"server": f"https://127.0.0.1:{self._port}", "certificate-authority": authority}
        config: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "bench", "cluster": cluster}],
            "users": [{"name": "bench", "user": {"token": token}}],
            "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
            "current-context": "bench",
        }
        self.kubeconfig.touch(mode=0o600)
        self.kubeconfig.write_text(json.dumps(config))

    def _wait(self, path: str) -> None:
        """Until it answers for this."""
        end = time.monotonic() + _START_SECONDS
        while True:
            try:
                self.kubectl("get", f"--raw={path}")
                return
            except RuntimeError as error:
                ended = [name for name, process in self._processes.items() if process.poll() is not None]
                if ended or time.monotonic() > end:
                    raise RuntimeError(f"{ended or 'the API server'} did not start: see {self._folder}") from error
            time.sleep(0.5)

    def requests(self, group: str, resource: str) -> int:
        """How many for these objects it has answered so far, whoever asked."""
        marks = (f'group="{group}"', f'resource="{resource}"')
        lines = self.kubectl("get", "--raw=/metrics").splitlines()
        counted = [
            line for line in lines if line.startswith("apiserver_request_total{") and all(one in line for one in marks)
        ]
        return int(sum(float(line.rpartition(" ")[2]) for line in counted))

    def define_knative(self) -> None:
        """Have it serve Knative's own kinds."""
        for file in knative.definitions():
            self.kubectl("apply", "--server-side", f"--filename={file}")
        self._wait("/apis/serving.knative.dev/v1/services")
