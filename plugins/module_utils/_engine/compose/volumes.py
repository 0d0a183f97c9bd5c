# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Volumes of a deployment: made with an owner that containers without rights can be, and removed."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import BadInput
from .client import call, inspect_objects
from .inspect import owner, users_of
from .template import labels


def ensure_volume(
    name: str,
    deployment: str,
    component: str,
    image: str,
    user: str,
    options: Mapping[str, str] | None = None,
    dry_run: bool = False,
) -> bool:
    """Make a volume that a user without rights can write to; tells whether something was changed.

    An engine gives a new volume to root, whose rights no container of ours has: a container that does nothing else
    gives it away. It is asked again until a container uses the volume, so an interrupted first time does no harm.
    A volume with C(options) (an NFS export) keeps the owner that it has.

    :raises BadInput: the volume is another deployment's, or leads elsewhere.
    """
    found = next(iter(inspect_objects("volume", [name])), None)
    if found and owner(found) != deployment:
        whose = f"belongs to the deployment '{owner(found)}'" if owner(found) else "was not made by this collection"
        raise BadInput(
            f"The volume {name} {whose}, and is not touched. Choose another mlflow_name, or remove it yourself "
            f"(docker volume rm {name}) where nobody needs it."
        )
    if found and options and (found.get("Options") or {}) != dict(options):
        raise BadInput(
            f"The volume {name} leads to {(found.get('Options') or {}).get('device') or 'this host'}, not to "
            f"{options.get('device')}. An existing volume cannot be changed: choose another mlflow_name, or remove it "
            f"(docker volume rm {name}), which removes nothing on the NFS server."
        )
    if dry_run:
        return found is None
    if not found:
        marks = [f"--label={key}={value}" for key, value in labels(deployment, component).items()]
        drivers = [f"--opt={key}={value}" for key, value in (options or {}).items()]
        call("volume", "create", *marks, *drivers, name)
    if not options and not call("ps", "--quiet", "--filter", f"volume={name}").stdout.strip():
        _give_away(name, image, user)
    return found is None


def remove_volume(name: str, deployment: str, dry_run: bool = False) -> bool:
    """Remove a volume with all data in it, if it is this deployment's and nobody else uses it."""
    found = next(iter(inspect_objects("volume", [name])), None)
    if not found or owner(found) != deployment or users_of("volume", name, deployment):
        return False
    if not dry_run:
        call("volume", "rm", name)
    return True


def _give_away(volume: str, image: str, user: str) -> None:
    call(
        "run", "--rm", "--pull=never", "--network=none", "--read-only", "--user=0:0", "--cap-drop=ALL",
        "--cap-add=CHOWN", "--security-opt=no-new-privileges", f"--volume={volume}:/volume", "--entrypoint=chown",
        image, user, "/volume",
    )  # fmt: skip
