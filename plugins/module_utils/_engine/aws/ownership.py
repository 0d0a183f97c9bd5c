# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whose the things of an account are. Roles find them by their names, and a name proves nothing: what a deployment
makes carries a tag with its region and name, and what lacks that is neither changed nor removed.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import BadInput
from . import oidc
from .client import AwsError, Service
from .tags import difference

MARK = "mlops.mlflow/deployment"
# Of any deployment, from before there was the mark.
_FORMER_MARK, _ANY = ("managed-by", "mlops.mlflow"), "any"

Tags = dict[str, str]


@dataclass(frozen=True)
class Place:
    """What services are asked, and within what: groups are of a network, add-ons of a cluster. Empty: there is none."""

    service: Callable[[str], Service]
    vpc: str = ""
    cluster: str = ""


@dataclass(frozen=True)
class Thing:
    """One that is there. C(id) is what AWS tags it by; C(tags) is None where nobody lets us read them."""

    id: str
    tags: Tags | None


@dataclass(frozen=True)
class Kind:
    """A kind of things that is found by name.

    :param tag: the operation that tags one, and :param request: what it is asked, for a thing and the mark.
    """

    what: str
    service: str
    find: Callable[[Place, str], Iterable[Thing]]
    tag: str
    request: Callable[[Thing, Tags], dict[str, Any]]


def deployment(place: Place, name: str) -> str:
    """What the mark says: roles and buckets are of no region, so that the name alone would not tell."""
    return f"{place.service('ec2').region}/{name}"


def inspect(
    place: Place, deployment: str, resources: Mapping[str, Sequence[str]], tags: Mapping[str, object]
) -> dict[str, Any]:
    """
    :param resources: names by kind, as in KINDS.
    :param tags: what things of the deployment are given besides the mark.
    :returns: C(tags), with the mark; C(ours), ids by kind and name; C(foreign), what each of the others is; and
        C(refusals), a sentence for each of them.
    """
    ours: dict[str, dict[str, str]] = {kind: {} for kind in KINDS}
    foreign, refusals = [], []
    for kind, name, thing in _found(place, resources):
        if is_ours(thing.tags or {}, deployment):
            ours[kind][name] = thing.id
        else:
            foreign.append(f"{KINDS[kind].what} {name}")
            refusals.append(_refusal(KINDS[kind], name, thing, deployment))
    given = difference({}, {**tags, MARK: deployment}, False).after
    return {"tags": given, "ours": ours, "foreign": foreign, "refusals": refusals}


def mark(place: Place, deployment: str, resources: Mapping[str, Sequence[str]], check: bool = False) -> list[str]:
    """Tag those that have just been made by what cannot tag them, and say which. What is another's stays so."""
    unmarked = [found for found in _found(place, resources) if found[2].tags is not None and not _who(found[2].tags)]
    for kind, _name, thing in unmarked if not check else []:
        request = KINDS[kind].request(thing, {MARK: deployment})
        place.service(KINDS[kind].service).call(KINDS[kind].tag, **request)
    return [f"{KINDS[kind].what} {name}" for kind, name, _thing in unmarked]


def is_ours(tags: Mapping[str, str], deployment: str) -> bool:
    return _who(tags) in (deployment, _ANY)


def _who(tags: Mapping[str, str]) -> str:
    """The deployment that made a thing with these tags; empty for none."""
    return tags.get(MARK) or (_ANY if _FORMER_MARK in tags.items() else "")


def _found(place: Place, resources: Mapping[str, Sequence[str]]) -> list[tuple[str, str, Thing]]:
    if unknown := sorted(set(resources) - set(KINDS)):
        raise BadInput(f"resources names {', '.join(unknown)}; kinds of things are {', '.join(KINDS)}.")
    asked = [(kind, name) for kind, names in resources.items() for name in names]
    return [(kind, name, thing) for kind, name in asked for thing in KINDS[kind].find(place, name)]


def _refusal(kind: Kind, name: str, thing: Thing, deployment: str) -> str:
    there = f"The {kind.what} {name} is there, and "
    if thing.tags is None:
        return (
            f"{there}who asks may not read whose it is: it is of another account, or the right to read its tags is "
            f"missing. Choose another name, or allow that."
        )
    other = f" ({_who(thing.tags)} did)" if _who(thing.tags) else ""
    return (
        f"{there}the deployment {deployment} did not make it{other}: choose another name, or give it to the "
        f"deployment, which then changes it and removes it: {command(kind, thing, deployment)}"
    )


def command(kind: Kind, thing: Thing, deployment: str) -> str:
    """What gives a thing to a deployment, for AWS CLI, whose words are those of the operation."""
    words = ["aws", {"s3": "s3api"}.get(kind.service, kind.service), kind.tag.replace("_", "-")]
    for option, value in kind.request(thing, {MARK: deployment}).items():
        words += [f"--{_dashed(option)}", value if isinstance(value, str) else json.dumps(value)]
    return shlex.join([*words, "--region", deployment.partition("/")[0]])


def _dashed(option: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", option).lower()


def _pairs(tags: Mapping[str, str], key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
    return [{key: name, value: text} for name, text in tags.items()]


def _tags(listed: Iterable[Mapping[str, str]] | None, key: str = "Key", value: str = "Value") -> Tags:
    return {one[key]: one[value] for one in listed or []}


def _role(place: Place, name: str) -> Iterable[Thing]:
    found = place.service("iam").find("get_role", RoleName=name)
    return [Thing(name, _tags(found["Role"].get("Tags")))] if found else []


def _provider(place: Place, issuer: str) -> Iterable[Thing]:
    found = oidc.provider(place.service("iam"), issuer)
    return [Thing(found["arn"], found["tags"])] if found else []


def _bucket(place: Place, name: str) -> Iterable[Thing]:
    try:
        return [Thing(name, _tags(place.service("s3").call("get_bucket_tagging", Bucket=name)["TagSet"]))]
    except AwsError as error:
        if error.code == "NoSuchBucket":
            return []
        if error.code == "NoSuchTagSet":
            return [Thing(name, {})]
        if error.code == "AccessDenied":
            return [Thing(name, None)]
        raise


def _key(place: Place, alias: str) -> Iterable[Thing]:
    kms = place.service("kms")
    found = kms.find("describe_key", KeyId=f"alias/{alias}")
    if not found:
        return []
    key = found["KeyMetadata"]["KeyId"]
    return [Thing(key, _tags(kms.pages("list_resource_tags", "Tags", KeyId=key), "TagKey", "TagValue"))]


def _secret(place: Place, name: str) -> Iterable[Thing]:
    found = place.service("secretsmanager").find("describe_secret", SecretId=name)
    return [Thing(found["ARN"], _tags(found.get("Tags")))] if found else []


def _log_group(place: Place, name: str) -> Iterable[Thing]:
    logs = place.service("logs")
    listed = logs.pages("describe_log_groups", "logGroups", logGroupNamePrefix=name)
    for arn in (one["arn"].removesuffix(":*") for one in listed if one["logGroupName"] == name):
        yield Thing(arn, dict(logs.call("list_tags_for_resource", resourceArn=arn)["tags"]))


def _repository(place: Place, name: str) -> Iterable[Thing]:
    ecr = place.service("ecr")
    found = ecr.find("describe_repositories", repositoryNames=[name])
    for arn in (one["repositoryArn"] for one in (found or {"repositories": []})["repositories"]):
        yield Thing(arn, _tags(ecr.call("list_tags_for_resource", resourceArn=arn)["tags"]))


def _cluster(place: Place, name: str) -> Iterable[Thing]:
    found = place.service("eks").find("describe_cluster", name=name)
    return [Thing(found["cluster"]["arn"], dict(found["cluster"].get("tags") or {}))] if found else []


def _addon(place: Place, name: str) -> Iterable[Thing]:
    if not place.cluster:
        return []
    found = place.service("eks").find("describe_addon", clusterName=place.cluster, addonName=name)
    return [Thing(found["addon"]["addonArn"], dict(found["addon"].get("tags") or {}))] if found else []


def _file_system(place: Place, name: str) -> Iterable[Thing]:
    listed = place.service("efs").pages("describe_file_systems", "FileSystems", CreationToken=name)
    return [Thing(one["FileSystemId"], _tags(one.get("Tags"))) for one in listed]


def _of_ec2(operation: str, listed: str, key: str, **filters: str) -> Callable[[Place, str], Iterable[Thing]]:
    """Those that a filter finds, which takes a name, and where the place has it the network."""

    def find(place: Place, name: str) -> Iterable[Thing]:
        values = {one: {"name": name, "vpc": place.vpc}[what] for what, one in filters.items()}
        if not all(values.values()):
            return []
        asked = [{"Name": one, "Values": [value]} for one, value in values.items()]
        found = place.service("ec2").pages(operation, listed, Filters=asked)
        return [Thing(one[key], _tags(one.get("Tags"))) for one in found]

    return find


def _of_rds(operation: str, option: str, listed: str, arn: str) -> Callable[[Place, str], Iterable[Thing]]:
    def find(place: Place, name: str) -> Iterable[Thing]:
        rds = place.service("rds")
        for one in (rds.find(operation, **{option: name}) or {listed: []})[listed]:
            yield Thing(one[arn], _tags(rds.call("list_tags_for_resource", ResourceName=one[arn])["TagList"]))

    return find


def _to_ec2(thing: Thing, mark: Tags) -> dict[str, Any]:
    return {"Resources": [thing.id], "Tags": _pairs(mark)}


def _to_rds(thing: Thing, mark: Tags) -> dict[str, Any]:
    return {"ResourceName": thing.id, "Tags": _pairs(mark)}


def _to_arn(thing: Thing, mark: Tags) -> dict[str, Any]:
    return {"resourceArn": thing.id, "tags": mark}


def _ec2(what: str, operation: str, listed: str, key: str, **filters: str) -> Kind:
    return Kind(what, "ec2", _of_ec2(operation, listed, key, **filters), "create_tags", _to_ec2)


def _rds(what: str, operation: str, option: str, listed: str, arn: str) -> Kind:
    return Kind(what, "rds", _of_rds(operation, option, listed, arn), "add_tags_to_resource", _to_rds)


# What is within one of these goes with it: policies of a role, mount targets of a file system, nodes of a cluster.
KINDS = {
    "addon": Kind("add-on", "eks", _addon, "tag_resource", _to_arn),
    "bucket": Kind(
        "bucket",
        "s3",
        _bucket,
        "put_bucket_tagging",  # of all tags, the others would be gone
        lambda thing, mark: {"Bucket": thing.id, "Tagging": {"TagSet": _pairs({**(thing.tags or {}), **mark})}},
    ),
    "cluster": Kind("cluster of EKS", "eks", _cluster, "tag_resource", _to_arn),
    "database": _rds(
        "database of RDS", "describe_db_instances", "DBInstanceIdentifier", "DBInstances", "DBInstanceArn"
    ),
    "file_system": Kind(
        "file system of EFS",
        "efs",
        _file_system,
        "tag_resource",
        lambda thing, mark: {"ResourceId": thing.id, "Tags": _pairs(mark)},
    ),
    "key": Kind(
        "key of KMS",
        "kms",
        _key,
        "tag_resource",
        lambda thing, mark: {"KeyId": thing.id, "Tags": _pairs(mark, "TagKey", "TagValue")},
    ),
    "launch_template": _ec2(
        "launch template",
        "describe_launch_templates",
        "LaunchTemplates",
        "LaunchTemplateId",
        name="launch-template-name",
    ),
    "log_group": Kind("group of logs", "logs", _log_group, "tag_resource", _to_arn),
    "parameter_group": _rds(
        "parameter group of RDS",
        "describe_db_parameter_groups",
        "DBParameterGroupName",
        "DBParameterGroups",
        "DBParameterGroupArn",
    ),
    "provider": Kind(
        "identity provider",
        "iam",
        _provider,
        "tag_open_id_connect_provider",
        lambda thing, mark: {"OpenIDConnectProviderArn": thing.id, "Tags": _pairs(mark)},
    ),
    "repository": Kind(
        "repository of images",
        "ecr",
        _repository,
        "tag_resource",
        lambda thing, mark: {"resourceArn": thing.id, "tags": _pairs(mark)},
    ),
    "role": Kind(
        "role of IAM", "iam", _role, "tag_role", lambda thing, mark: {"RoleName": thing.id, "Tags": _pairs(mark)}
    ),
    "secret": Kind(
        "secret",
        "secretsmanager",
        _secret,
        "tag_resource",
        lambda thing, mark: {"SecretId": thing.id, "Tags": _pairs(mark)},
    ),
    "security_group": _ec2(
        "security group", "describe_security_groups", "SecurityGroups", "GroupId", name="group-name", vpc="vpc-id"
    ),
    "subnet_group": _rds(
        "subnet group of RDS",
        "describe_db_subnet_groups",
        "DBSubnetGroupName",
        "DBSubnetGroups",
        "DBSubnetGroupArn",
    ),
    "vpc": _ec2("VPC", "describe_vpcs", "Vpcs", "VpcId", name="tag:Name"),
}
