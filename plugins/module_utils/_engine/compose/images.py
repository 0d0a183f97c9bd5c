# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Images that containers of a deployment are made from."""

from __future__ import annotations

from collections.abc import Sequence

from .client import DockerError, call, inspect_objects, last_line

_PULL_SECONDS = 3600.0


def pull(images: Sequence[str], dry_run: bool = False) -> list[str]:
    """Pull the images that are missing; returns them.

    :raises DockerError: with the names of all that cannot be had.
    """
    missing = [image for image in dict.fromkeys(images) if not inspect_objects("image", [image])]
    failed, words = [], ""
    for image in missing if not dry_run else []:
        done = call("pull", "--quiet", image, timeout=_PULL_SECONDS, check=False)
        if done.returncode:
            failed.append(image)
            words = words or last_line(done.stderr)
    if failed:
        raise DockerError(
            f"Images are not there, and cannot be pulled: {', '.join(failed)}. Build ours with the playbook images, "
            f"load others with docker load, or name those that your registry has (set mlflow_image, "
            f"mlflow_database_image, mlflow_artifact_store_image, mlflow_server_load_balancer_image, "
            f"mlflow_monitoring_prometheus_image, mlflow_monitoring_alertmanager_image, locust_image). "
            f"The engine said: {words}"
        )
    return missing
