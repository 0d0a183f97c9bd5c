"""What the roles of EKS write as text: the storage class, the kubeconfig, and the policies of buckets and roles."""

from __future__ import annotations

import json
from typing import Any

import jinja2
import yaml
from support.playbooks import REPOSITORY

KEY = "arn:aws:kms:us-west-2:123456789012:key/k"


def rendered(template: str, **variables: Any) -> str:
    """A template of a role; these use no filter of Ansible's."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701
    environment.filters["to_json"] = json.dumps
    return environment.from_string((REPOSITORY / "roles" / template).read_text()).render(**variables)


def test_volumes_are_encrypted_and_of_the_zone_of_their_pod() -> None:
    found = yaml.safe_load(rendered("eks_cluster/templates/storage_class.yaml.j2", eks_cluster_storage_class="gp3"))
    assert (found["kind"], found["metadata"]["name"]) == ("StorageClass", "gp3")
    assert found["parameters"] == {"type": "gp3", "encrypted": "true"}
    assert (found["volumeBindingMode"], found["allowVolumeExpansion"]) == ("WaitForFirstConsumer", True)


def test_a_kubeconfig_names_a_profile_and_no_key() -> None:
    found = yaml.safe_load(
        rendered(
            "eks_cluster/templates/kubeconfig.j2",
            eks_cluster_name="mlflow",
            eks_cluster_region="us-west-2",
            _eks_cluster_found={"endpoint": "https://x.eks.amazonaws.com", "certificate_authority": "QQ=="},
            _eks_cluster_login_env=[{"name": "AWS_PROFILE", "value": "team"}],
            ansible_playbook_python="/venv/bin/python",
            role_path="/collections/eks_cluster",
        )
    )
    [user] = found["users"]
    login = user["user"]["exec"]
    assert set(user["user"]) == {"exec"} and login["env"] == [{"name": "AWS_PROFILE", "value": "team"}]
    command = ["/collections/eks_cluster/files/eks_token.py", "--cluster", "mlflow", "--region", "us-west-2"]
    assert (login["command"], login["args"]) == ("/venv/bin/python", command)
    assert found["clusters"][0]["cluster"]["server"] == "https://x.eks.amazonaws.com"


def test_a_role_reaches_its_prefix_and_its_key_and_nothing_else() -> None:
    grant = {"role": "r", "what": "artifacts", "where": {"bucket": "b", "prefix": "team/mlflow"}}
    variables = {"item": grant, "_eks_storage_s3": "arn:aws:s3:::", "__eks_storage_key": {"key_arn": KEY}}
    listing, objects, key = json.loads(rendered("eks_storage/templates/policy.json.j2", **variables))["Statement"]
    assert (listing["Action"], listing["Resource"]) == ("s3:ListBucket", "arn:aws:s3:::b")
    assert listing["Condition"] == {"StringLike": {"s3:prefix": ["team/mlflow", "team/mlflow/*"]}}
    assert objects["Resource"] == "arn:aws:s3:::b/team/mlflow/*"
    assert not any("*" in action for one in (listing, objects, key) for action in one["Action"])
    assert (key["Action"], key["Resource"]) == (["kms:GenerateDataKey", "kms:Decrypt"], KEY)


def test_a_bucket_takes_requests_by_tls_alone() -> None:
    policy = json.loads(rendered("eks_storage/templates/bucket.json.j2", item="b", _eks_storage_s3="arn:aws:s3:::"))
    [statement] = policy["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert statement["Resource"] == ["arn:aws:s3:::b", "arn:aws:s3:::b/*"]
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
