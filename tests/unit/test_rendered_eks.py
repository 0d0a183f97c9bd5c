"""What the roles of EKS write as text: the storage class, the kubeconfig, and the policies of buckets and roles."""

from __future__ import annotations

import json

import yaml
from support.rendered.roles import rendered

KEY = "arn:aws:kms:us-west-2:123456789012:key/k"


def test_volumes_are_encrypted_and_of_the_zone_of_their_pod() -> None:
    found = yaml.safe_load(rendered("eks_cluster/templates/storage_class.yaml.j2", eks_cluster_storage_class="gp3"))
    assert (found["kind"], found["metadata"]["name"]) == ("StorageClass", "gp3")
    assert found["parameters"] == {"type": "gp3", "encrypted": "true"}
    assert (found["volumeBindingMode"], found["allowVolumeExpansion"]) == ("WaitForFirstConsumer", True)


def test_a_volume_on_efs_is_a_folder_that_only_its_owner_enters() -> None:
    item = {"key": "efs-2", "value": "fs-1"}
    text = rendered("efs_csi/templates/storage_class.yaml.j2", item=item, efs_csi_uid=10001, efs_csi_gid=10001)
    found = yaml.safe_load(text)
    assert (found["metadata"]["name"], found["provisioner"]) == ("efs-2", "efs.csi.aws.com")
    parameters = found["parameters"]
    assert (parameters["provisioningMode"], parameters["fileSystemId"]) == ("efs-ap", "fs-1")
    assert (parameters["directoryPerms"], parameters["uid"], parameters["gid"]) == ("700", "10001", "10001")
    assert parameters["subPathPattern"] == "${.PVC.namespace}/${.PVC.name}"


def test_the_autoscaler_has_its_role_finds_the_groups_of_its_cluster_and_no_more_rights_than_it_needs() -> None:
    text = rendered(
        "eks_cluster/templates/autoscaler.yaml.j2",
        eks_cluster_name="mlflow",
        eks_cluster_region="us-west-2",
        _eks_cluster_iam="arn:aws:iam::123456789012",
        _eks_cluster_autoscaler={"role": "mlflow-autoscaler", "image": "registry.k8s.io/autoscaling/c:v1"},
    )
    found = {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(text)}
    account = found["ServiceAccount", "cluster-autoscaler"]
    role = "arn:aws:iam::123456789012:role/mlflow-autoscaler"
    assert account["metadata"]["annotations"] == {"eks.amazonaws.com/role-arn": role}
    pod = found["Deployment", "cluster-autoscaler"]["spec"]["template"]["spec"]
    [container] = pod["containers"]
    tags = "asg:tag=k8s.io/cluster-autoscaler/enabled,k8s.io/cluster-autoscaler/mlflow"
    assert f"--node-group-auto-discovery={tags}" in container["command"]
    assert "--skip-nodes-with-local-storage=false" in container["command"]
    assert container["securityContext"]["readOnlyRootFilesystem"] and pod["securityContext"]["runAsNonRoot"]
    rules = [rule for kind in ("ClusterRole", "Role") for rule in found[kind, "cluster-autoscaler"]["rules"]]
    assert not any("*" in rule["resources"] + rule["verbs"] or "secrets" in rule["resources"] for rule in rules)
    for kind in ("ClusterRoleBinding", "RoleBinding"):
        [subject] = found[kind, "cluster-autoscaler"]["subjects"]
        assert (subject["name"], subject["namespace"]) == ("cluster-autoscaler", "kube-system")


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
    grant = {"role": "r", "what": "artifacts", "where": {"bucket": "b", "prefix": "team/mlflow", "key": KEY}}
    variables = {"item": grant, "_eks_storage_s3": "arn:aws:s3:::"}
    listing, objects, key = json.loads(rendered("eks_storage/templates/policy.json.j2", **variables))["Statement"]
    assert (listing["Action"], listing["Resource"]) == ("s3:ListBucket", "arn:aws:s3:::b")
    assert listing["Condition"] == {"StringLike": {"s3:prefix": ["team/mlflow", "team/mlflow/*"]}}
    assert objects["Resource"] == "arn:aws:s3:::b/team/mlflow/*"
    assert not any("*" in action for one in (listing, objects, key) for action in one["Action"])
    assert (key["Action"], key["Resource"]) == (["kms:GenerateDataKey", "kms:Decrypt"], KEY)


def test_of_a_bucket_whose_key_nobody_named_no_key_is_granted() -> None:
    grant = {"role": "r", "what": "backups", "where": {"bucket": "b", "prefix": "p", "key": ""}}
    policy = rendered("eks_storage/templates/policy.json.j2", item=grant, _eks_storage_s3="arn:aws:s3:::")
    assert [one["Resource"] for one in json.loads(policy)["Statement"]] == ["arn:aws:s3:::b", "arn:aws:s3:::b/p/*"]


def test_a_bucket_takes_requests_by_tls_alone() -> None:
    policy = json.loads(rendered("eks_storage/templates/bucket.json.j2", item="b", _eks_storage_s3="arn:aws:s3:::"))
    [statement] = policy["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert statement["Resource"] == ["arn:aws:s3:::b", "arn:aws:s3:::b/*"]
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
