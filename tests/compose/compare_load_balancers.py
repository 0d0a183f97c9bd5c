#!/usr/bin/env python
"""HAProxy beside nginx, before the same two servers: requests lost when one stops, dies, or loses its network.

tests/compose/engine.py run python tests/compose/compare_load_balancers.py [TIMES]
on a deployment of compose_multi_az that runs there, by the name of mlflow. It prints a table in Markdown.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

from support.compose.deployment import Deployment
from support.compose.engine import docker, inspect, is_healthy, kill_all
from support.kubernetes import load
from support.kubernetes.kubectl import eventually

NAME, IMAGE = "mlflow-nginx", "mlops-test.local/nginx:test"
THREADS = 6
# As far as nginx can do what HAProxy does: it has no health checks of its own, only what failed requests tell it.
NGINX = """
events {}
pid /tmp/nginx.pid;
error_log stderr;
http {
  access_log off;
  client_body_temp_path /tmp/b; proxy_temp_path /tmp/p; fastcgi_temp_path /tmp/f;
  uwsgi_temp_path /tmp/u; scgi_temp_path /tmp/s;
  client_max_body_size 0;
  resolver 127.0.0.11 valid=1s;
  upstream servers {
    zone servers 64k;
    least_conn;
    server mlflow-server-1:5000 max_fails=1 fail_timeout=2s;
    server mlflow-server-2:5000 max_fails=1 fail_timeout=2s;
  }
  server {
    listen 5000;
    location / {
      proxy_pass http://servers;
      proxy_set_header Host $http_host;
      proxy_connect_timeout 2s;
      proxy_next_upstream error timeout;
    }
  }
}
"""


class Balancer:
    """What C(under_load) needs to know of one."""

    host, port = "localhost", 5000

    def __init__(self, address: str) -> None:
        self.address = address


def main() -> int:
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    deployment = Deployment("compose_multi_az", "mlflow", Path("/nonexistent"))
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "nginx.conf").write_text(NGINX)
        Path(folder).chmod(0o755)
        docker("rm", "--force", NAME, check=False)
        docker("run", "--detach", f"--name={NAME}", "--network=mlflow-a", f"--volume={folder}:/etc/load-balancer:ro",
               "--entrypoint=nginx", IMAGE, "-g", "daemon off;", "-c", "/etc/load-balancer/nginx.conf")  # fmt: skip
        try:
            docker("network", "connect", "mlflow-b", NAME)
            docker("restart", "--time=1", NAME)
            balancers = {"HAProxy": address_of("mlflow-load-balancer"), "nginx": address_of(NAME)}
            print(f"| a server, {times} times, {THREADS} clients | by | answers | failed | slowest answer |\n"
                  "|---|---|---|---|---|")  # fmt: skip
            for what, harm in HARMS.items():
                for balancer, address in balancers.items():
                    with load.under_load(Balancer(address), THREADS, pause=0) as seen:  # type: ignore[arg-type]
                        for number in range(times):
                            harm(f"mlflow-server-{number % 2 + 1}", "ab"[number % 2])
                            deployment.wait_until_healthy()
                            if balancer == "nginx":
                                docker(
                                    "exec",
                                    NAME,
                                    "nginx",
                                    "-c",
                                    "/etc/load-balancer/nginx.conf",
                                    "-s",
                                    "reload",
                                    check=False,
                                )
                            time.sleep(3)
                    print(
                        f"| {what} | {balancer} | {seen.answers} | {len(seen.failures)} | {seen.slowest:.1f} s |",
                        flush=True,
                    )
        finally:
            docker("rm", "--force", "--volumes", NAME)
    return 0


def address_of(container: str) -> str:
    return str(inspect(container)["NetworkSettings"]["Networks"]["mlflow-a"]["IPAddress"])


def stop(server: str, _zone: str) -> None:
    docker("stop", server)
    time.sleep(1)
    docker("start", server)


def kill(server: str, _zone: str) -> None:
    before = inspect(server)["State"]["StartedAt"]
    kill_all(server)
    eventually("it was started again", lambda: inspect(server)["State"]["StartedAt"] != before)


def cut(server: str, zone: str) -> None:
    docker("network", "disconnect", f"mlflow-{zone}", server)
    time.sleep(5)
    docker("network", "connect", f"mlflow-{zone}", server)
    eventually("it is well again", lambda: is_healthy(server))


HARMS = {"stops (`docker stop`)": stop, "is killed (`kill -9`)": kill, "is cut off for 5 s": cut}


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        sys.exit(str(error))
