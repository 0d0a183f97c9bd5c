"""The archive of a CrateDB in a snapshot is input: it is read as one that a dump wrote, or refused in one sentence."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database import cratedb_snapshots
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import SnapshotError


def archive(*members: tuple[str, bytes], **changed: object) -> bytes:
    """C(changed): fields of the last one."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        for number, (name, content) in enumerate(members):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            for field, value in changed.items() if number == len(members) - 1 else ():
                setattr(member, field, value)
            tar.addfile(member, io.BytesIO(content))
    return written.getvalue()


def with_holes() -> bytes:
    """Of GNU tar: a file of 1 TiB in an archive of 10 KiB."""
    member = tarfile.TarInfo("index")
    member.type, member.size = tarfile.GNUTYPE_SPARSE, 512
    header = bytearray(member.tobuf(tarfile.GNU_FORMAT))
    header[386:410] = b"%011o\0%011o\0" % (0, 512)
    header[483:495] = b"\x80" + (1 << 40).to_bytes(11, "big")
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + b"x" * 512 + b"\0" * 9216


REVISION = ("./revision", b"7d34483879f0")
HOSTILE: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "no archive": lambda: b"no archive at all" * 100,
    "compressed": lambda: gzip.compress(archive(REVISION)),
    "cut off": lambda: archive(("./index", b"x" * 5000), REVISION)[:3000],
    "without a revision": lambda: archive(("./index", b"x")),
    "revision is no text": lambda: archive(("./revision", b"\xff\xfe")),
    "revision is a folder": lambda: archive(("./revision", b""), type=tarfile.DIRTYPE),
    "outside": lambda: archive(REVISION, ("../../outside", b"x")),
    "holes": with_holes,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_an_archive_that_no_dump_wrote_is_refused_and_nothing_is_written_elsewhere(tmp_path: Path, kind: str) -> None:
    packed, folder = tmp_path / "database.tar", tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    packed.write_bytes(HOSTILE[kind]())
    with pytest.raises(SnapshotError, match=r"^database.tar of the snapshot is no archive of a CrateDB: "):
        cratedb_snapshots._unpack(packed, folder)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "database.tar"]
    assert sum(path.stat().st_blocks for path in folder.rglob("*")) < 100


def test_links_and_devices_are_left_out(tmp_path: Path) -> None:
    packed = tmp_path / "database.tar"
    packed.write_bytes(archive(REVISION, ("./link", b""), type=tarfile.SYMTYPE, linkname="/etc/passwd"))
    folder = tmp_path / "folder"
    folder.mkdir()
    assert cratedb_snapshots._unpack(packed, folder) == "7d34483879f0"
    assert os.listdir(folder) == ["revision"]
