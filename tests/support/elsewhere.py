"""What a stranger has: the built tarball, installed somewhere else, and used by its full names."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

from .playbooks import REPOSITORY
from .ports import free_port

BIN = Path(sys.executable).parent


class Elsewhere:
    """A folder outside the clone that holds nothing but the installed collection."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.data = folder / "data"
        # Variables of what is deployed there.
        self.words: list[str] = []

    def run(self, *command: str, programs: Path = BIN) -> str:
        """
        :param programs: the folder with those of another Ansible.
        """
        hidden = ("ANSIBLE_", "PYTHONPATH")
        env = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
        # The collections that ours needs are those of the package ansible, whoever runs them.
        places = [str(self.folder / "collections"), sysconfig.get_path("purelib")]
        env |= {"ANSIBLE_COLLECTIONS_PATH": ":".join(places), "ANSIBLE_NOCOLOR": "1"}
        done = subprocess.run(
            [str(programs / command[0]), *command[1:]],
            cwd=self.folder,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def readme_playbook(self, role: str) -> str:
        """The playbook of a role's README, as it stands there."""
        collection = self.folder / "collections/ansible_collections/mlops/mlflow"
        text = re.search(r"```yaml\n(- hosts:.*?)```", (collection / f"roles/{role}/README.md").read_text(), re.DOTALL)
        assert text, "the README has no playbook"
        playbook = self.folder / f"{role}.yml"
        playbook.write_text(text[1])
        return str(playbook)

    def inventory(self) -> str:
        path = self.folder / "hosts.yml"
        host = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
        path.write_text(json.dumps({"mlflow": {"hosts": {"elsewhere": host}}}))
        return str(path)


def installed(folder: Path) -> Elsewhere:
    place = Elsewhere(folder)
    tarball = max((REPOSITORY / "build").glob("mlops-mlflow-*.tar.gz"), key=lambda path: path.stat().st_mtime)
    place.run("ansible-galaxy", "collection", "install", str(tarball), "-p", "collections", "--offline", "--force")
    return place
