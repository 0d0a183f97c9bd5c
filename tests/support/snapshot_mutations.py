"""Mutations of everything that a destination and an operator's folder hold, each from a seed."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import zstandard

BOMB = 1 << 30


@cache
def bomb(of: bytes) -> bytes:
    """A gibibyte of the same, compressed."""
    packed = io.BytesIO()
    block = of * ((1 << 20) // len(of))
    with zstandard.ZstdCompressor(level=1).stream_writer(packed, closefd=False) as writer:
        for _ in range(BOMB // len(block)):
            writer.write(block)
    return packed.getvalue()


def lie() -> bytes:
    """A frame whose header says that it holds 2**60 bytes."""
    return bytes.fromhex("28b52ffde0") + (1 << 60).to_bytes(8, "little") + b"\x01\x00\x00"


def pack(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


def unpack(data: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompressobj().decompress(data)


class Mutation:
    """One mutation of a copy of a home. C(what) says it, for a failure's message."""

    def __init__(self, home: Path, seed: int) -> None:
        self.home = home
        self.destination = home / "destination"
        self.random = random.Random(seed)
        self.what = ""

    def apply(self) -> str:
        kinds = list(KINDS)
        kind = kinds[self.random.randrange(len(kinds))]
        KINDS[kind](self)
        return f"{kind}: {self.what}"

    def evil(self) -> Any:
        outside = str(self.home / "outside" / "victim")
        values: list[Any] = [
            None, True, False, -1, 0, 1, 2**31, 2**63, 2**70, 1e308, float("nan"), float("inf"), "", ".", "..", "/",
            "../../outside/victim", outside, "a/../../../outside/victim", "x\0y", "\ud800", "é" * 300, "x" * 5000,
            "/".join("d" * 1500), [], {}, [[]], {"path": outside}, [outside], "lists/../../outside/victim",
            "artifacts/ab/../../../outside/victim", "manifests/../x", "packs/00/" + "0" * 32, "latest", "1e5", "$",
            "scrypt$$", "scrypt$zz$zz", "scrypt$" + "00" * 16 + "$" + "00" * 32, "9999-99-99T00:00:00.000+00:00",
            "0001-01-01T00:00:00.000+00:00", "2026-11-25", "postgresql", "sqlite", "%s%n", "-rf", "\n", "toc.dat",
        ]  # fmt: skip
        return values[self.random.randrange(len(values))]

    def damaged(self, data: bytes) -> bytes:
        """Some bytes of it are others, fewer or more."""
        content = bytearray(data)
        way = self.random.randrange(6)
        self.what += f" bytes ({way})"
        if way == 0 and content:
            for _ in range(self.random.randrange(1, 4)):
                content[self.random.randrange(len(content))] ^= 1 << self.random.randrange(8)
        elif way == 1:
            del content[self.random.randrange(len(content) + 1) :]
        elif way == 2:
            place = self.random.randrange(len(content) + 1)
            content[place:place] = self.random.randbytes(self.random.randrange(1, 200))
        elif way == 3:
            content = bytearray(self.random.randbytes(self.random.randrange(300)))
        elif way == 4:
            content *= 2
        else:
            content = bytearray(lie())
        return bytes(content)

    def changed(self, body: Any) -> Any:
        """One value somewhere in a document is another, is missing, or is twice there."""
        places: list[tuple[Any, Any]] = []

        def walk(one: Any) -> None:
            for name, value in list(one.items()) if isinstance(one, dict) else enumerate(one):
                places.append((one, name))
                if isinstance(value, dict | list):
                    walk(value)

        walk(body)
        if not places:
            return self.evil()
        holder, name = places[self.random.randrange(len(places))]
        way = self.random.randrange(8)
        value = self.evil()
        self.what += f" {name!r} ({way}) {value!r}"[:300]
        if way == 0:
            del holder[name]
        elif way == 1 and isinstance(holder, dict):
            holder[str(value)] = holder[name]
        elif way == 1:
            holder.insert(0, holder[name])
        elif way == 2:
            deep: Any = value
            for _ in range(self.random.choice([10, 900])):
                deep = [deep]
            holder[name] = deep
        else:
            holder[name] = value
        return body

    # Places.

    def manifests(self) -> list[Path]:
        return sorted((self.destination / "manifests").iterdir())

    def files(self, kind: str) -> list[Path]:
        return sorted(path for path in (self.destination / kind).rglob("*") if path.is_file())

    def a_file(self, kind: str) -> Path:
        found = self.files(kind)
        return found[self.random.randrange(len(found))]

    def sign(self, path: Path, text: bytes) -> None:
        """Give a manifest the name that its text asks for."""
        path.unlink()
        (path.parent / f"{path.name[:20]}-{hashlib.sha256(text).hexdigest()[:16]}.json").write_bytes(text)

    # Kinds.

    def a_value_of_a_manifest(self) -> None:
        path = self.manifests()[-1]
        body = json.loads(path.read_bytes())
        for _ in range(self.random.choice([1, 1, 2])):
            body = self.changed(body)
        self.sign(path, json.dumps(body).encode())

    def the_bytes_of_a_manifest(self) -> None:
        path = self.manifests()[-1]
        text = self.damaged(path.read_bytes())
        if self.random.random() < 0.7:
            self.sign(path, text)
        else:
            path.write_bytes(text)

    def a_row_of_a_list(self) -> None:
        path = self.manifests()[-1]
        body = json.loads(path.read_bytes())
        keys = [body["artifacts"]] if self.random.random() < 0.6 else body["databases"]["tracking"]["files"]
        holder, name = keys[0], "list" if keys[0] is body["artifacts"] else "chunks"
        rows = [json.loads(line) for line in unpack((self.destination / holder[name]).read_bytes()).splitlines()]
        rows = self.changed(rows)
        lines = rows if isinstance(rows, list) else [rows]
        self.relist(path, body, holder, name, pack(b"".join(json.dumps(row).encode() + b"\n" for row in lines)))

    def the_bytes_of_a_list(self) -> None:
        path = self.manifests()[-1]
        body = json.loads(path.read_bytes())
        which = self.random.random() < 0.5
        holder, name = (body["artifacts"], "list") if which else (body["databases"]["tracking"]["files"][0], "chunks")
        data = (self.destination / holder[name]).read_bytes()
        way = self.random.randrange(4)
        if way == 0:
            self.what += " bomb of a row"
            data = bomb(b"\0" if which else b"[")
        elif way == 1:
            self.what += " bomb of rows"
            data = bomb(unpack(data).splitlines(keepends=True)[0])
        elif way == 2:
            data = pack(self.damaged(unpack(data)))
        else:
            data = self.damaged(data)
        self.relist(path, body, holder, name, data)

    def relist(self, path: Path, body: Any, holder: Any, name: str, data: bytes) -> None:
        digest = hashlib.sha256(data).hexdigest()
        holder[name] = f"lists/{digest[:2]}/{digest}"
        place = self.destination / holder[name]
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(data)
        self.sign(path, json.dumps(body).encode())

    def a_mark(self) -> None:
        name = self.random.choice(["20200101T000000Z-0a1b2c3d"] * 5 + ["x", "20200101", "99999999T999999Z-0a1b2c3d"])
        way = self.random.randrange(6)
        self.what += f" {name} ({way})"
        keys: Any = [
            f"artifacts/ab/{'ab' * 32}",
            self.evil(),
            str(self.home / "outside" / "victim"),
            "../outside/victim",
        ]
        data = [
            pack(json.dumps(keys[: self.random.randrange(1, 5)]).encode()),
            pack(json.dumps(self.evil()).encode()),
            self.damaged(pack(json.dumps(keys[:1]).encode())),
            bomb(b"["),
            pack(b"[" * 100_000),
            json.dumps(keys).encode(),
        ][way]
        marks = self.destination / "marks"
        marks.mkdir(exist_ok=True)
        (marks / name).write_bytes(data)

    def an_object(self) -> None:
        path = self.a_file(self.random.choice(["artifacts", "lists", "packs", "indexes", "manifests"]))
        way = self.random.randrange(7)
        self.what += f" {path.relative_to(self.destination)} ({way})"
        data = path.read_bytes()
        path.unlink()
        if way == 0:
            path.symlink_to(self.home / "outside" / "victim")
        elif way == 1:
            (self.home / "elsewhere").write_bytes(data)
            path.symlink_to(self.home / "elsewhere")
        elif way == 2:
            path.mkdir()
        elif way == 3:
            os.mkfifo(path)
        elif way == 4:
            path.write_bytes(data + bytes(5 << 20))
        elif way == 5:
            path.write_bytes(self.damaged(data))
        # else it is missing

    def a_folder_of_objects(self) -> None:
        kind = self.random.choice(["artifacts", "lists", "packs", "indexes", "marks", "incoming"])
        folder = self.destination / kind
        self.what += f" {kind} is a link"
        shutil.rmtree(folder, ignore_errors=True)
        folder.symlink_to(self.home / "outside")

    def an_index(self) -> None:
        path = self.a_file("indexes")
        rows = [json.loads(line) for line in unpack(path.read_bytes()).splitlines()]
        rows = self.changed(rows)
        data = pack(b"\n".join(json.dumps(row).encode() for row in (rows if isinstance(rows, list) else [rows])))
        path.write_bytes(self.random.choice([data, data, self.damaged(data), bomb(b"["), lie()]))

    def a_stray(self) -> None:
        """Something that no backup writes."""
        name = self.random.choice(
            ["manifests/x.json", "manifests/20261121T020000.123Z-8ea95121a0240df3.json", "artifacts/x", "packs/zz/y",
             "artifacts/ab/" + "g" * 64, "indexes/" + "0" * 32, "lists/é", "artifacts/ab/x.1", "packs/00/" + "0" * 32]
        )  # fmt: skip
        self.what += f" {name}"
        path = self.destination / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.random.choice([b"", b"{}", b"[]", lie(), self.random.randbytes(50)]))

    def the_journal(self) -> None:
        (path,) = (self.home / "operator").iterdir()
        if self.random.random() < 0.8:
            path.write_text(json.dumps(self.changed(json.loads(path.read_text()))))
        else:
            path.write_bytes(self.damaged(path.read_bytes()))


KINDS: dict[str, Callable[[Mutation], None]] = {
    "a value of a manifest": Mutation.a_value_of_a_manifest,
    "the bytes of a manifest": Mutation.the_bytes_of_a_manifest,
    "a row of a list": Mutation.a_row_of_a_list,
    "a row of a list, too": Mutation.a_row_of_a_list,
    "the bytes of a list": Mutation.the_bytes_of_a_list,
    "a mark": Mutation.a_mark,
    "an object": Mutation.an_object,
    "a folder of objects": Mutation.a_folder_of_objects,
    "an index": Mutation.an_index,
    "a stray": Mutation.a_stray,
    "the journal": Mutation.the_journal,
    "the journal, too": Mutation.the_journal,
}
