"""What servers take while they are loaded, read from a /proc that is made up."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.compose import client, inspect
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.load.resources import Watch, Watched, watched

TICK = os.sysconf("SC_CLK_TCK")


def process(proc: Path, pid: int, group: int, cpu_seconds: float, pss_kib: int = 0) -> Path:
    folder = proc / str(pid)
    (folder / "fd").mkdir(parents=True, exist_ok=True)
    (folder / "net").mkdir(exist_ok=True)
    ticks = int(cpu_seconds * TICK)
    fields = ["S", "1", str(group), *["0"] * 8, str(ticks), "0", "0", "0"]
    (folder / "stat").write_text(f"{pid} (a (strange) name) {' '.join(fields)} 0 0\n")
    (folder / "smaps_rollup").write_text(f"x\nRss: 999999 kB\nPss:  {pss_kib} kB\n")
    return folder


@pytest.fixture
def server(tmp_path: Path) -> Watched:
    (tmp_path / "launch.group").write_text("10")
    return Watched("one", str(tmp_path / "launch.group"), database_port=5432)


def test_cpu_counts_from_the_first_look_and_survives_processes_that_come_and_go(
    server: Watched, tmp_path: Path
) -> None:
    proc = tmp_path / "proc"
    process(proc, 10, 10, cpu_seconds=100, pss_kib=1024)
    process(proc, 99, 99, cpu_seconds=50)  # somebody else's
    server.measure(0.0, proc)
    process(proc, 10, 10, cpu_seconds=102, pss_kib=1024)
    process(proc, 11, 10, cpu_seconds=3, pss_kib=2048)
    server.measure(1.0, proc)
    (proc / "11" / "stat").unlink()
    process(proc, 10, 10, cpu_seconds=103)
    server.measure(2.0, proc)
    found = server.summary()
    assert [one["cpu_seconds"] for one in found["moments"]] == [0, 5, 6]
    assert (found["cpu_seconds"], found["memory_peak_bytes"], found["processes_peak"]) == (6, 3072 * 1024, 2)


def test_database_connections_are_the_established_ones_of_the_servers_own_processes(
    server: Watched, tmp_path: Path
) -> None:
    proc = tmp_path / "proc"
    folder = process(proc, 10, 10, 1)
    line = "{}: 0100007F:1234 0100007F:{:04X} {} 0 0 0 0 0 {} 0\n"
    rows = [(5432, "01", 7), (5432, "01", 8), (5432, "06", 9), (80, "01", 11), (5432, "01", 55)]
    table = "".join(line.format(n, port, state, inode) for n, (port, state, inode) in enumerate(rows))
    (folder / "net" / "tcp").write_text("header\n" + table)
    for number, inode in enumerate((7, 8, 9, 11)):  # 55 is another process's
        (folder / "fd" / str(number)).symlink_to(f"socket:[{inode}]")
    server.measure(0.0, proc)
    assert server.summary()["database_connections_peak"] == 2


def test_a_server_that_cannot_be_seen_is_not_measured_and_says_why(tmp_path: Path) -> None:
    server = Watched("gone", str(tmp_path / "nowhere"))
    server.measure(0.0, tmp_path)
    found = server.summary()
    assert found["measured"] is False and "nowhere cannot be read: No such file" in found["why_not"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has /proc")
def test_a_process_of_this_machine_is_seen(tmp_path: Path) -> None:
    (tmp_path / "launch.group").write_text(str(os.getpgrp()))
    watch = Watch([Watched("me", str(tmp_path / "launch.group"), 5432)], interval=0.05)
    watch.start()
    sum(number * number for number in range(3_000_000))
    (found,) = watch.stop()
    assert found["measured"] and found["memory_peak_bytes"] > 1024**2 and len(found["moments"]) >= 2
    assert found["database_connections_peak"] == 0


@pytest.mark.parametrize(
    "one", [{"name": "one"}, {"group_file": "f"}, {"name": "one", "group_file": "f", "container": "c"}]
)
def test_a_server_to_watch_needs_a_name_and_one_place(one: dict[str, str]) -> None:
    with pytest.raises(BadInput, match="needs name, and group_file or container"):
        watched([one])


def test_a_server_in_a_container_is_all_processes_of_that_container_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = "5d" * 32
    monkeypatch.setattr(inspect, "identity", lambda name: {"mlflow-server-1": identity}[name])
    paths = {10: f"/docker/{identity}", 11: f"/system.slice/docker-{identity}.scope", 12: f"/docker/{'7e' * 32}"}
    for pid, path in paths.items():
        process(tmp_path, pid, group=pid, cpu_seconds=1, pss_kib=1024)
        (tmp_path / str(pid) / "cgroup").write_text(f"0::{path}\n")
    (server,) = watched([{"name": "one", "container": "mlflow-server-1"}])
    server.measure(0.0, tmp_path)
    found = server.summary()
    assert (found["processes_peak"], found["memory_peak_bytes"]) == (2, 2048 * 1024)


def test_a_container_that_is_not_there_is_not_measured_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(name: str) -> str:
        raise client.DockerError(f"docker inspect --type=container failed: No such container: {name}")

    monkeypatch.setattr(inspect, "identity", none)
    (server,) = watched([{"name": "one", "container": "gone"}])
    server.measure(0.0, tmp_path)
    assert "No such container: gone" in server.summary()["why_not"]
