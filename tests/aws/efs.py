"""The calls for tags of file systems that community.aws makes, and moto lacks. Runs in moto's environment."""

from __future__ import annotations

import json
from typing import Any

from moto.efs import urls
from moto.efs.responses import EFSResponse

ROUTES = (
    "/2015-02-01/tags/<file_system_id>/",
    "/2015-02-01/create-tags/<file_system_id>",
    "/2015-02-01/delete-tags/<file_system_id>",
)
_JSON = {"Content-Type": "application/json"}


def describe_tags(response: EFSResponse) -> tuple[str, dict[str, Any]]:
    tags = response.efs_backend.list_tags_for_resource(response._get_param("FileSystemId"))
    return json.dumps({"Tags": tags}), dict(_JSON)


def create_tags(response: EFSResponse) -> tuple[str, dict[str, Any]]:
    tags = {one["Key"]: one["Value"] for one in response._get_param("Tags")}
    response.efs_backend.tag_resource(response._get_param("FileSystemId"), tags)
    return "", {"status": 204, **_JSON}


def delete_tags(response: EFSResponse) -> tuple[str, dict[str, Any]]:
    response.efs_backend.untag_resource(response._get_param("FileSystemId"), response._get_param("TagKeys"))
    return "", {"status": 204, **_JSON}


def install() -> None:
    for operation in (describe_tags, create_tags, delete_tags):
        setattr(EFSResponse, operation.__name__, operation)
    for route in ROUTES:
        urls.url_paths[route] = urls.response.dispatch
