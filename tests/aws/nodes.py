"""What moto's node groups, launch templates and NAT gateways lack, or have too much of. Runs in moto's environment."""

from __future__ import annotations

from aws.eks import Refused, update_of
from moto.core.responses import ActionResult
from moto.ec2 import utils
from moto.ec2.responses import EC2Response
from moto.eks import urls
from moto.eks.responses import EKSResponse

UPDATE_VERSION = "{0}/clusters/(?P<name>[^/]+)/node-groups/(?P<nodegroupName>[^/]+)/update-version$"
_create_nodegroup = EKSResponse.create_nodegroup
_list_tags_for_resource = EKSResponse.list_tags_for_resource
_create_launch_template = EC2Response.create_launch_template


def create_nodegroup(response: EKSResponse) -> ActionResult:
    result = _create_nodegroup(response)
    group = response.eks_backend.clusters[response._get_param("name")].nodegroups[response._get_param("nodegroupName")]
    group.update_config = response._get_param("updateConfig") or {"maxUnavailable": 1}
    return result


def update_nodegroup_version(response: EKSResponse) -> ActionResult:
    """As EKS does: one minor version at a time, and no group is newer than its cluster."""
    cluster = response.eks_backend.clusters[response._get_param("name")]
    group, version = cluster.nodegroups[response._get_param("nodegroupName")], response._get_param("version")
    now, then, most = (int(one.partition(".")[2]) for one in (group.version, version, cluster.version))
    if not now <= then <= min(now + 1, most):
        text = f"Nodegroup at {group.version} cannot be updated to {version} in a cluster at {cluster.version}"
        raise Refused("InvalidParameterException", text)
    group.version = version
    return ActionResult({"update": update_of("VersionUpdate", version=version)})


def list_tags_for_resource(response: EKSResponse) -> ActionResult:
    arn = response._extract_arn_from_path()
    groups = (group for cluster in response.eks_backend.clusters.values() for group in cluster.nodegroups.values())
    found = next((group for group in groups if group.arn == arn), None)
    return ActionResult({"tags": found.tags}) if found else _list_tags_for_resource(response)


def create_launch_template(response: EC2Response) -> ActionResult:
    """The tags of the template itself are not part of what instances are started with."""
    result = _create_launch_template(response)
    template = response.ec2_backend.get_launch_template_by_name(response._get_param("LaunchTemplateName"))
    data = template.default_version().data
    data["TagSpecifications"] = [
        one for one in data.get("TagSpecifications", []) if one["ResourceType"] != "launch-template"
    ]
    return result


def install() -> None:
    EKSResponse.create_nodegroup = create_nodegroup
    EKSResponse.update_nodegroup_version = update_nodegroup_version
    urls.url_paths[UPDATE_VERSION] = EKSResponse.dispatch
    EKSResponse.list_tags_for_resource = list_tags_for_resource
    EC2Response.create_launch_template = create_launch_template
    utils.EC2_PREFIX_TO_RESOURCE["nat"] = "natgateway"  # the type that filters of tags know
