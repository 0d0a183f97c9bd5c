"""What is there under a deployment's names and was not made by it: refused, left, and adopted as the refusal says."""

from __future__ import annotations

import json
import shlex
import uuid
from collections.abc import Callable
from typing import Any

from aws.test_target import REMOVE, Client, Target, changed, holds, target
from botocore import xform_name
from support.aws import ACCOUNT, REGION, Play

__all__ = ["target"]

NOBODY = json.dumps({"Version": "2012-10-17", "Statement": []})


def made_by_somebody(client: Client, name: str, cluster: str) -> tuple[dict[str, list[str]], str]:
    """One of each kind; their names by kind, and the network."""
    ec2, rds, kms = client("ec2"), client("rds"), client("kms")
    issuer = f"https://oidc.example.com/{name}"
    client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=NOBODY)
    client("iam").create_open_id_connect_provider(Url=issuer, ClientIDList=["x"], ThumbprintList=[])
    client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    client("s3").put_bucket_tagging(Bucket=name, Tagging={"TagSet": [{"Key": "owner", "Value": "some body's"}]})
    kms.create_alias(AliasName=f"alias/{name}", TargetKeyId=kms.create_key()["KeyMetadata"]["KeyId"])
    client("secretsmanager").create_secret(Name=name, SecretString="x")
    client("logs").create_log_group(logGroupName=name)
    client("ecr").create_repository(repositoryName=name)
    client("eks").create_addon(clusterName=cluster, addonName="coredns")
    client("efs").create_file_system(CreationToken=name)
    vpc = ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
    ec2.create_tags(Resources=[vpc], Tags=[{"Key": "Name", "Value": name}])
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.7.{number}.0/24", AvailabilityZone=f"{REGION}{zone}")["Subnet"]
        for number, zone in enumerate("ab")
    ]
    ec2.create_security_group(GroupName=name, Description="x", VpcId=vpc)
    ec2.create_launch_template(LaunchTemplateName=name, LaunchTemplateData={"InstanceType": "m7i.large"})
    group = {"DBSubnetGroupName": name, "DBSubnetGroupDescription": "x"}
    rds.create_db_subnet_group(**group, SubnetIds=[subnet["SubnetId"] for subnet in subnets])
    rds.create_db_parameter_group(DBParameterGroupName=name, DBParameterGroupFamily="postgres17", Description="x")
    rds.create_db_instance(DBInstanceIdentifier=name, DBInstanceClass="db.m7g.large", Engine="postgres")
    special = {"addon": ["coredns"], "cluster": [cluster], "provider": [issuer]}
    kinds = "bucket database file_system key launch_template log_group parameter_group repository role secret"
    return {**{kind: [name] for kind in [*kinds.split(), "security_group", "subnet_group", "vpc"]}, **special}, vpc


def run_as_aws_cli_would(client: Client, refusal: str) -> None:
    """The command in a sentence, whose words AWS CLI makes of the operations and parameters that boto3 knows."""
    program, service, operation, *given = shlex.split(refusal.partition("removes it: ")[2])
    assert program == "aws" and given[-2:] == ["--region", REGION]
    asked = client("s3" if service == "s3api" else service)
    wanted = asked.meta.service_model.operation_model(
        next(name for name in asked.meta.service_model.operation_names if xform_name(name, "-") == operation)
    )
    members = {f"--{xform_name(name, '-')}": (name, shape) for name, shape in wanted.input_shape.members.items()}
    request = {}
    for option, value in zip(given[:-2:2], given[1:-2:2], strict=True):
        name, shape = members[option]
        request[name] = value if shape.type_name == "string" else json.loads(value)
    getattr(asked, operation.replace("-", "_"))(**request)


def test_what_somebody_else_made_is_told_from_what_the_deployment_made_of_each_kind(
    play: Play, client: Client, cluster: str
) -> None:
    name = f"mlflow-{uuid.uuid4().hex[:6]}"
    resources, vpc = made_by_somebody(client, name, cluster)
    options = {"name": name, "resources": resources, "vpc": vpc, "cluster": cluster, "tags": {"team": "ml"}}
    task = {"name": "inspect", "mlops.mlflow.aws_ownership": options}
    found = play([task]).succeeded().of("inspect")
    assert len(found["refusals"]) == len(found["foreign"]) == len(resources) == 16
    assert found["tags"] == {"team": "ml", "mlops.mlflow/deployment": f"{REGION}/{name}"}
    assert not any(found["ours"].values()) and not found["changed"]

    for refusal in found["refusals"]:
        assert f" is there, and the deployment {REGION}/{name} did not make it: choose another name" in refusal
        run_as_aws_cli_would(client, refusal)
    adopted = play([task]).succeeded().of("inspect")
    # moto shows no tags of a launch template but those that it was created with.
    assert adopted["foreign"] == [f"launch template {name}"]
    assert {kind: list(ids) for kind, ids in adopted["ours"].items() if ids} == {
        kind: names for kind, names in resources.items() if kind != "launch_template"
    }
    tags = client("s3").get_bucket_tagging(Bucket=name)["TagSet"]
    assert {"Key": "owner", "Value": "some body's"} in tags, "it keeps the tags that it had"

    other = play([{"name": "of another", "mlops.mlflow.aws_ownership": {**options, "name": "other"}}]).succeeded()
    refusals = other.of("of another")["refusals"]
    assert [one for one in refusals if "launch template" not in one and f"({REGION}/{name} did)" not in one] == []
    assert len(refusals) == 16


def test_an_unmarked_thing_is_marked_and_that_of_another_deployment_is_not(play: Play, client: Client) -> None:
    ecr, names = client("ecr"), [f"{kind}-{uuid.uuid4().hex[:6]}" for kind in ("new", "other")]
    other = [{"Key": "mlops.mlflow/deployment", "Value": f"{REGION}/other"}]
    arns = [
        ecr.create_repository(repositoryName=name, tags=tags)["repository"]["repositoryArn"]
        for name, tags in zip(names, ([], other), strict=True)
    ]
    mark = {"name": "mlflow", "resources": {"repository": names}, "state": "marked"}
    task = {"name": "mark", "mlops.mlflow.aws_ownership": mark}
    would = play([task], "--check").succeeded()
    assert ecr.list_tags_for_resource(resourceArn=arns[0])["tags"] == []
    done = play([task, task]).succeeded()
    assert [result["changed"] for _name, result in [*would.results, *done.results]] == [True, True, False]
    said = [ecr.list_tags_for_resource(resourceArn=arn)["tags"][0]["Value"] for arn in arns]
    assert said == [f"{REGION}/mlflow", f"{REGION}/other"]


def somebody_elses(client: Client, name: str) -> Callable[[], dict[str, Any]]:
    """A role and a bucket with something in it, under the names of a deployment; what there is of them."""
    iam, s3, bucket = client("iam"), client("s3"), f"{name}-{ACCOUNT}-artifacts"
    iam.create_role(RoleName=f"{name}-server", AssumeRolePolicyDocument=NOBODY)
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket=bucket, Key="thesis", Body=b"of years")

    def state() -> dict[str, Any]:
        return {
            "everything": holds(client, name),
            "trust": iam.get_role(RoleName=f"{name}-server")["Role"]["AssumeRolePolicyDocument"],
            "objects": [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]],
            "versioning": s3.get_bucket_versioning(Bucket=bucket).get("Status"),
        }

    return state


def test_a_deploy_takes_no_role_and_no_bucket_of_somebody_else_and_changes_nothing(
    target: Target, client: Client
) -> None:
    state = somebody_elses(client, target.name)
    before = state()
    for options in (("--check",), ()):
        refused = target.run(*options)
        assert refused.code != 0, options
        for words in (
            f"The role of IAM {target.name}-server is there, and the deployment {REGION}/{target.name} did not make it",
            f"aws iam tag-role --role-name {target.name}-server --tags ",
            f"The bucket {target.name}-{ACCOUNT}-artifacts is there",
            "eks_storage_artifact_bucket",
            "Nothing was changed",
        ):
            assert words in refused.message, words
        assert state() == before


def test_a_removal_leaves_what_somebody_else_made_and_says_so(target: Target, client: Client) -> None:
    state = somebody_elses(client, target.name)
    before = state()
    removed = target.run(**REMOVE, eks_storage_remove_data=True, eks_cluster_remove_images=True).succeeded()
    assert changed(removed) == [] and state() == before
    said = [
        str(result["msg"]) for task, result in removed.results if "somebody else made it" in task and "msg" in result
    ]
    assert f"role of IAM {target.name}-server" in said[0] and f"bucket {target.name}-{ACCOUNT}-artifacts" in said[0]
