"""Backup and restore killed at seeded points: a snapshot is whole or not there, and what was live is live again."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database import changes
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import SchemaError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.snapshot import manifest, verify
from support.snapshots import Small

POINTS = 24
_REPOSITORY = Path(__file__).resolve().parents[2]

# Every call that changes the disk raises an audit event: the process kills itself at the one with this number.
_VICTIM = """
import os, signal, sys
sys.path[:0] = [{dev!r}, {tests!r}]
from support.snapshots import Small
small = Small.__new__(Small)
small.at(__import__("pathlib").Path({home!r}))
CHANGES = {{"open", "os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "sqlite3.connect"}}
left = [{point}]
def count(event, arguments):
    if event in CHANGES and not str(arguments[0]).endswith((".py", ".pyc", ".so")):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(count)
small.{act}()
print(-left[0])
"""


def run(act: str, home: Path, point: int) -> subprocess.CompletedProcess[str]:
    script = _VICTIM.format(
        dev=str(_REPOSITORY / ".dev"), tests=str(_REPOSITORY / "tests"), home=str(home), point=point, act=act
    )
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)


def points(act: str, small: Small, copies: Path) -> list[int]:
    """Seeded points between the first and the last change that the act makes."""
    shutil.copytree(small.home, copies / "whole")
    whole = run(act, copies / "whole", 0)
    assert whole.returncode == 0, whole.stderr
    return sorted(random.Random(20261121).sample(range(1, int(whole.stdout.split()[-1]) + 1), POINTS))


def killed(act: str, small: Small, home: Path, point: int) -> Small:
    """What is left of a copy in which the act was killed at this point."""
    # Two new objects may share a folder, by the chance of their names. Then there are fewer changes: once more.
    for _ in range(5):
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(small.home, home)
        victim = run(act, home, point)
        if victim.returncode != 0:
            break
    assert victim.returncode == -signal.SIGKILL, victim.stderr
    after = Small.__new__(Small)
    after.at(home)
    return after


@pytest.mark.ci
def test_a_backup_killed_anywhere_leaves_no_half_snapshot_and_the_next_one_succeeds(tmp_path: Path) -> None:
    small = Small(tmp_path / "small")
    small.backup()
    small.add_rows(5000)
    for number in range(30):
        small.write(f"2/new/{number}", small.random.randbytes(2000))
    small.settle()
    state = small.state()
    outcomes = set()
    for point in points("backup", small, tmp_path):
        home = tmp_path / f"at-{point}"
        after = killed("backup", small, home, point)
        snapshots = manifest.ids(after.store)
        outcomes.add(len(snapshots))
        for snapshot in snapshots:  # what is there is whole
            assert verify.verify(after.place, snapshot).problems == [], f"killed at {point}"
        assert after.state() == state
        taken = after.backup()
        assert verify.verify(after.place, taken.id).problems == [], f"the backup after one killed at {point}"
        assert taken.databases["tracking"].rows["metrics"] == 25_000
        shutil.rmtree(home)
    assert 1 in outcomes


def test_a_restore_killed_anywhere_brings_the_old_state_back_or_the_new_one_whole(tmp_path: Path) -> None:
    small = Small(tmp_path / "small")
    wanted = small.state()
    small.backup()
    small.add_rows(11)
    small.write("0/later", b"later")
    old = small.state()
    chosen = points("restore", small, tmp_path)
    # Nearly all changes are the loading of artifacts: the exchange at the end is tried at each of its steps.
    last = int(run("restore", shutil.copytree(small.home, tmp_path / "count"), 0).stdout.split()[-1])
    outcomes = []
    for point in [*chosen, *range(last - 16, last)]:
        home = tmp_path / f"at-{point}"
        after = killed("restore", small, home, point)
        if not after.database.exists():
            with pytest.raises(SchemaError, match="Run the restore again"):  # no deployment hides what was moved away
                changes.ensure(f"sqlite:///{after.database}")
        after.recover()
        state = after.state()
        assert state in (old, wanted), f"killed at {point}: neither the old nor the new state"
        outcomes.append(state == wanted)
        report = after.restore()
        assert after.state() == wanted
        assert [name for name in after.litter() if "before" not in name] == []
        assert report.rows["tracking"]["metrics"] == 20_000
        shutil.rmtree(home)
    assert True in outcomes and False in outcomes
