# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PostgreSQL's own programs: pg_dump and pg_restore."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass

from ..errors import SnapshotError, one_line


@dataclass(frozen=True)
class Programs:
    """pg_dump and pg_restore of one version. C(password) reaches them by their environment only."""

    folder: str | None
    version: int

    @classmethod
    def find(cls, pg_bindir: str | None) -> Programs:
        """
        :raises SnapshotError: they are not there.
        """
        program = shutil.which("pg_dump", path=pg_bindir or None)
        if not program or not shutil.which("pg_restore", path=pg_bindir or None):
            raise SnapshotError(
                f"pg_dump and pg_restore are not in {pg_bindir or 'PATH'}. Install PostgreSQL's client tools (Debian: "
                f"postgresql-client, Red Hat: postgresql), or say where they are in pg_bindir."
            )
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
        match = re.search(r"(\d+)", said)
        if not match:
            raise SnapshotError(f"{program} does not say its version: {said[:200]}")
        return cls(pg_bindir, int(match[1]))

    def require_fit(self, server: int) -> None:
        """Refuse programs that are older than the server: they do not know what it can hold.

        :raises SnapshotError: they are.
        """
        if self.version < server:
            raise SnapshotError(
                f"The PostgreSQL server is version {server}, and pg_dump in {self.folder or 'PATH'} is only version "
                f"{self.version}. Install postgresql-client-{server} (from apt.postgresql.org or yum.postgresql.org), "
                f"and say where it is in pg_bindir."
            )

    def start(
        self, program: str, *arguments: str, password: str | None, own_group: bool = False
    ) -> subprocess.Popen[bytes]:
        """
        :param own_group: lead a process group, which can be held and continued as a whole. Should we die meanwhile, the
            kernel continues and ends it.
        """
        path = shutil.which(program, path=self.folder or None)
        if path is None:
            raise AssertionError(f"{program} was found before")
        environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "PGAPPNAME": "mlops.mlflow snapshot"}
        environment |= {name: value for name, value in os.environ.items() if name.startswith("PGSSL")}
        if password:
            environment["PGPASSWORD"] = password
        return subprocess.Popen(
            [path, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0 if own_group else None,
        )

    def run(self, program: str, *arguments: str, password: str | None = None) -> bytes:
        process = self.start(program, *arguments, password=password)
        output, said = process.communicate()
        ended(program, process, said)
        return output


def ended(program: str, process: subprocess.Popen[bytes], said: bytes) -> None:
    """
    :raises SnapshotError: the program failed; its own words are in the message.
    """
    if process.returncode:
        text = one_line(said.decode(errors="replace"))
        raise SnapshotError(f"{program} failed ({process.returncode}): {text[:600] or 'it said nothing'}")
