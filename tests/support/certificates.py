"""Certificates for tests, by an authority that is made for them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path


class Authority:
    """An authority in a folder: C(ca.pem) is what trusts it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._openssl("req", "-x509", *_NEW_KEY, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2",
                      "-subj", "/CN=Test authority", "-addext", "keyUsage=critical,keyCertSign,cRLSign")  # fmt: skip

    @property
    def file(self) -> Path:
        return self.folder / "ca.pem"

    def issue(self, name: str, alternatives: str) -> tuple[Path, Path]:
        """C(name.pem) and C(name.key), anew each time. :param alternatives: such as DNS:localhost,IP:127.0.0.1"""
        (self.folder / "san").write_text(f"subjectAltName={alternatives}\n")
        self._openssl("req", "-new", *_NEW_KEY, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        self._openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                      "-days", "2", "-extfile", "san", "-out", f"{name}.pem")  # fmt: skip
        return self.folder / f"{name}.pem", self.folder / f"{name}.key"

    def _openssl(self, *words: str) -> None:
        program = shutil.which("openssl")
        assert program, "openssl is needed to make the certificates of this test"
        subprocess.run([program, *words], cwd=self.folder, check=True, capture_output=True)


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
