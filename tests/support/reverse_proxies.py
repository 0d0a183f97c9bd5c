"""nginx and HAProxy in front of a server, configured as docs/reverse_proxy.md says."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import ClassVar

from .certificates import Authority
from .playbooks import REPOSITORY
from .ports import free_port, listeners
from .processes import until

NAME = "mlflow.example.com"
PREFIX = "/mlflow"


class ReverseProxy:
    """One process on a free port of loopback. C(begin) is what its packages' own configuration holds around ours."""

    language: ClassVar[str]
    command: ClassVar[list[str]]
    begin: ClassVar[str]
    end: ClassVar[str] = ""

    def __init__(self, folder: Path, server_port: int) -> None:
        self.folder, self.port = folder, free_port()
        certificate, key = Authority(folder).issue("mlflow", f"DNS:{NAME}")
        (folder / "mlflow.both.pem").write_text(certificate.read_text() + key.read_text())
        settings = re.sub(r":?\b443\b", f"127.0.0.1:{self.port}", documented(self.language))
        settings = settings.replace("127.0.0.1:5000", f"127.0.0.1:{server_port}").replace("/etc/ssl", str(folder))
        self.file = folder / "proxy.conf"
        self.file.write_text(self.begin.replace("FOLDER", str(folder)) + settings + self.end)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"https://{NAME}:{self.port}{PREFIX}"

    def start(self) -> None:
        program = shutil.which(self.command[0], path="/usr/sbin:/usr/local/sbin:/usr/bin:/bin")
        assert program, f"{self.command[0]} is needed: tests/browser/run installs it"
        with (self.folder / "log").open("wb") as log:
            command = [program, *self.command[1:], str(self.file)]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)
        until(lambda: listeners(self.port), f"{program} does not listen, see {self.folder}/log")

    def stop(self) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait(20)


class Nginx(ReverseProxy):
    language = "nginx"
    command: ClassVar[list[str]] = ["nginx", "-c"]
    begin = """
daemon off; pid FOLDER/pid; error_log stderr; worker_processes 1;
events {}
http {
    access_log off;
    client_body_temp_path FOLDER/body; proxy_temp_path FOLDER/proxy; fastcgi_temp_path FOLDER/fastcgi;
    uwsgi_temp_path FOLDER/uwsgi; scgi_temp_path FOLDER/scgi;
"""
    end = "}\n"


class HAProxy(ReverseProxy):
    language = "haproxy"
    command: ClassVar[list[str]] = ["haproxy", "-db", "-f"]
    begin = ""


def documented(language: str) -> str:
    page = (REPOSITORY / "docs" / "reverse_proxy.md").read_text()
    (block,) = re.findall(rf"```{language}\n(.*?)```", page, flags=re.DOTALL)
    return str(block)
