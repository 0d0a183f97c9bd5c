"""The architecture page says where a platform's files go: there those of each platform are, and nowhere else."""

from __future__ import annotations

import fnmatch
import re
import subprocess

import pytest
from support.architecture import files_for
from support.playbooks import REPOSITORY

# Roles and modules that are of one platform by what they are for, and have its name as part of their own.
OWN = re.compile(r"roles/(compose_project|kubernetes_manifests|host_prerequisites)/|.*host_(folders|inspect)")


@pytest.fixture(scope="module")
def tracked() -> list[str]:
    command = ["git", "ls-files", "roles", "playbooks", "plugins"]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.splitlines()


def named_after(platform: str, files: list[str]) -> list[str]:
    """Files of which a name on the way to them has the platform as a word; not those of targets."""
    word = re.compile(rf"(?<![a-z]){platform}(?![a-z])(?!_(local|single|multi|knative))")
    return [file for file in files if word.search(file) and not OWN.match(file) and file != f"playbooks/{platform}.yml"]


@pytest.mark.parametrize("platform", ["host", "compose", "kubernetes"])
def test_every_file_of_a_platform_is_where_the_page_says(platform: str, tracked: list[str]) -> None:
    patterns = [pattern.replace("nomad", platform) for pattern in files_for("platform (say nomad)")]
    found = named_after(platform, tracked)
    assert len(found) > 10
    assert [file for file in found if not any(fnmatch.fnmatch(file, pattern) for pattern in patterns)] == []


def test_the_page_lists_no_place_where_no_platform_has_a_file(tracked: list[str]) -> None:
    for pattern in files_for("platform (say nomad)"):
        platforms = [pattern.replace("nomad", one) for one in ("host", "compose", "kubernetes")]
        assert any(fnmatch.filter(tracked, one) for one in platforms), pattern
