"""The compose files that the targets render. The defects of the reference setup are regression tests here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from support.playbooks import REPOSITORY, WITHOUT_FORKS, run_play
from support.rendered.compose import CASES, NFS, TARGETS, Rendered


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, rendered: dict[str, Rendered]) -> Rendered:
    return rendered[request.param]


# Defects of the reference setup


def test_every_target_is_published_on_its_port_by_exactly_one_container(case: Rendered) -> None:
    published = {name: service["ports"] for name, service in case.services.items() if service.get("ports")}
    if case.name == "monitored":
        assert published.pop("exporter") == ["127.0.0.1:9500:9500"], "metrics are this host's alone"
        assert published.pop("prometheus") == ["127.0.0.1:9190:9090"]
        assert published.pop("alertmanager") == ["127.0.0.1:9093:9093"]
    [(name, ports)] = published.items()
    assert name == ("load-balancer" if len(case.servers) > 1 else "server-1")
    host, port = case.settings["mlflow_server_host"], case.settings["mlflow_server_port"]
    assert ports == [f"{host}:{port}:5000" if host else f"{port}:5000"]
    if case.name in TARGETS:
        assert port == 5000


def test_the_load_balancer_says_nothing_of_the_servers_own_metrics(rendered: dict[str, Rendered]) -> None:
    template = (REPOSITORY / "roles/mlflow_server/templates/compose/haproxy.cfg.j2").read_text()
    denied = "http-request deny deny_status 404 if { path,url_dec /metrics {{ mlflow_server_static_prefix }}/metrics }"
    assert denied in template
    assert "/metrics" not in rendered["compose_multi_az"].haproxy, "where the servers have none"


def test_probes_ask_for_health_and_the_database_and_not_for_a_page_of_the_user_interface(case: Rendered) -> None:
    for server in case.servers.values():
        assert server["healthcheck"]["test"] == ["CMD", "mlflow-ready"]
        assert server["environment"]["READY_DATABASE"].startswith("postgresql://mlflow@")
    if len(case.servers) > 1:
        prefix = case.settings.get("mlflow_server_static_prefix", "")
        assert f"http-check send meth GET uri {prefix}/health ver HTTP/1.1 hdr Host localhost" in case.haproxy


def test_no_secret_is_in_an_environment_or_a_file_that_is_rendered(case: Rendered) -> None:
    secret = re.compile(r"PASSWORD|SECRET|ACCESS_KEY|TOKEN", re.IGNORECASE)
    for service in case.services.values():
        for name, value in service.get("environment", {}).items():
            assert not secret.search(name) or (name.endswith("_FILE") and value.startswith("/run/secrets/")), name
    for name in case.launch["env"]:
        assert not secret.search(name)
    for name, place in case.launch["secrets"].items():
        assert place == {"file": f"/run/secrets/{name}"} or set(place) == {"random_bytes"}
    assert not re.search(r"://[^/@\s]+:[^/@\s]+@", "".join(case.files.values())), "a URI with a password"


def test_servers_do_not_race_for_an_empty_database(case: Rendered) -> None:
    for server in case.servers.values():
        assert server["command"][0] == "exec", "which waits for the schema, and cannot create it"
        assert "depends_on" not in server
    own = case.services["schema"]
    assert own["profiles"] == ["ops"], "it runs when the role asks for it, before the servers"
    assert own["restart"] == "no"
    owners = {mount["source"] for mount in own["volumes"]}
    others = {
        mount.get("source") for name, one in case.services.items() if name != "schema" for mount in one["volumes"]
    }
    assert not owners & others, "nobody else has the owner's password"


def test_the_start_command_is_a_list_of_words_and_the_server_itself(case: Rendered) -> None:
    argv = case.launch["argv"]
    assert argv[:2] == ["/opt/mlflow/bin/python", "-m"] and argv[2] in ("gunicorn", "uvicorn")
    # gunicorn reads its application as an expression of Python.
    words = argv[:-1] if argv[-1].startswith("mlops_mlflow_transfers:application(") else argv
    assert not [word for word in words if " " in word or word == "server"]
    assert "0.0.0.0" in " ".join(argv) and "5000" in " ".join(argv)
    for name, service in case.services.items():
        command = service.get("command", [])
        assert isinstance(command, list)
        assert all("'" not in word and '"' not in word for word in command), f"quotes of no shell in {name}"
    if "artifacts" in case.services:
        store = case.services["artifacts"]
        if case.name == "seaweedfs":
            assert store["entrypoint"] == ["/bin/sh", "/etc/seaweedfs/start.sh", "all"]
        else:
            assert store["command"][-2:] == ["posix", "/objects"]


def test_no_subnet_is_fixed_so_that_targets_can_live_side_by_side(rendered: dict[str, Rendered]) -> None:
    for name in TARGETS:
        assert not any(rendered[name].settings.get("mlflow_zones", {}).values())
        for project in rendered[name].projects.values():
            assert all(network == {"name": key, "external": True} for key, network in project["networks"].items())


def test_the_front_reads_the_configuration_that_it_is_given(case: Rendered) -> None:
    if len(case.servers) < 2:
        assert "load-balancer" not in case.services
        return
    balancer = case.services["load-balancer"]
    [mount] = balancer["volumes"]
    assert balancer["entrypoint"] == ["haproxy"]
    assert balancer["command"][-1] == f"{mount['target']}/haproxy.cfg"
    assert mount["source"].endswith("/server/load-balancer")
    name = case.settings["mlflow_name"]
    listed = dict(re.findall(r"^    server (\S+) (\S+)$", case.haproxy, re.MULTILINE))
    assert listed == {server: f"{name}-{server}:5000" for server in case.servers}
    for host in (f"{name}-load-balancer", *[f"{name}-{server}" for server in case.servers]):
        assert f"{host}:*" in case.launch["env"]["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")


def test_every_inventory_has_a_playbook_of_its_own_name() -> None:
    for target in TARGETS:
        [play] = yaml.safe_load((REPOSITORY / "playbooks" / f"{target}.yml").read_text())
        assert play["ansible.builtin.import_playbook"] == "deploy.yml"
        variables = yaml.safe_load((REPOSITORY / "inventories" / target / "group_vars/mlflow.yml").read_text())
        assert variables["mlflow_platform"] == "compose"


# What the targets are


def test_targets_have_the_servers_zones_and_stores_that_the_documentation_says(rendered: dict[str, Rendered]) -> None:
    shape = {
        name: (len(rendered[name].servers), len(rendered[name].settings.get("mlflow_zones", {})),
               rendered[name].settings["mlflow_artifact_store_type"])
        for name in TARGETS
    }  # fmt: skip
    assert shape == {
        "compose_local": (1, 0, "volume"),
        "compose_single_az": (1, 0, "s3"),
        "compose_multi_az": (2, 2, "s3"),
        "compose_multi_az_nfs": (2, 2, "nfs"),
    }
    assert all("database" in rendered[name].services for name in TARGETS)


def test_each_server_is_in_one_zone_and_what_all_need_in_every_zone(rendered: dict[str, Rendered]) -> None:
    case = rendered["everything"]
    assert [server["networks"] for server in case.servers.values()] == [["tracking-a"], ["tracking-b"], ["tracking-a"]]
    assert [server["labels"]["mlops.mlflow.zone"] for server in case.servers.values()] == ["a", "b", "a"]
    for shared in ("database", "artifacts", "load-balancer", "ops", "schema"):
        assert case.services[shared]["networks"] == ["tracking-a", "tracking-b"]


def test_each_component_is_a_project_of_its_own(case: Rendered) -> None:
    name = case.settings["mlflow_name"]
    names = {project["name"] for project in case.projects.values()}
    known = ("server", "database", "artifacts", "backup", "monitoring", "prometheus")
    assert names <= {f"{name}-{one}" for one in known} and f"{name}-server" in names
    assert len(names) == len(case.projects)


def test_containers_have_no_rights_and_end_nowhere_else_than_where_they_are_wanted(case: Rendered) -> None:
    for name, service in case.services.items():
        assert service["read_only"] is True and service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["user"].split(":")[0] not in ("", "0", "root"), name
        assert service["cpus"] > 0 and service["mem_limit"] == service["memswap_limit"] > 0, name
        assert service["pids_limit"] and service["logging"]["options"]["max-size"], name
        assert not {"privileged", "cap_add", "network_mode", "pid", "devices"} & set(service), name
        assert service["pull_policy"] == "never", name
        long_running = "profiles" not in service
        assert (service["restart"] == "unless-stopped") is long_running
        assert bool(service.get("healthcheck")) is long_running
        assert not [mount for mount in service.get("volumes", []) if "docker.sock" in str(mount)]


def test_data_is_in_volumes_that_the_project_does_not_own(case: Rendered) -> None:
    for project in case.projects.values():
        for name, volume in project.get("volumes", {}).items():
            assert volume.get("external") is True or name.endswith("-scratch")
    prefix = case.settings["mlflow_name"]
    if "database" in case.services:
        assert f"{prefix}-database" in case.projects["database"]["volumes"]
    for server in case.servers.values():
        mounts = {mount["target"]: mount.get("source") for mount in server["volumes"]}
        store = case.settings["mlflow_artifact_store_type"]
        assert mounts.get("/mnt/artifacts") == (f"{prefix}-artifacts" if store in ("volume", "nfs") else None)


def test_images_can_be_those_of_a_registry_of_ones_own(rendered: dict[str, Rendered]) -> None:
    images = {service["image"] for service in rendered["everything"].services.values()}
    assert {image.partition("/")[0] for image in images} == {"registry.example.com"} and len(images) == 4


def test_the_front_has_the_certificate_and_the_servers_do_not(rendered: dict[str, Rendered]) -> None:
    case = rendered["everything"]
    assert "bind :5000 ssl crt /etc/load-balancer/certificate.pem" in case.haproxy
    assert "certfile" not in str(case.launch["argv"])
    assert " ssl " not in rendered["compose_multi_az"].haproxy


def test_text_with_a_dollar_reaches_the_server_as_it_is(rendered: dict[str, Rendered]) -> None:
    assert rendered["everything"].launch["env"]["PRICE"] == "5 $ for $USER"
    script = rendered["compose_multi_az"].services["artifacts"]["entrypoint"][2]
    assert "$$(cat /run/secrets/access-key)" in script and not re.search(r"(?<!\$)\$(?!\$)", script)


def test_the_connections_of_all_servers_fit_into_what_the_database_offers(case: Rendered) -> None:
    text = case.files.get("database/postgresql.conf", "max_connections = 100")
    found = re.search(r"^max_connections = (\d+)", text, re.MULTILINE)
    assert found
    env = case.launch["env"]
    each = int(env["MLFLOW_SQLALCHEMYSTORE_POOL_SIZE"]) + int(env["MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW"])
    assert len(case.servers) * each <= int(found[1]) - 13


def test_what_clients_ask_again_is_only_what_reads(rendered: dict[str, Rendered]) -> None:
    text = rendered["compose_multi_az"].haproxy
    assert "http-request disable-l7-retry unless METH_GET || { method HEAD }" in text
    assert "http-reuse never" in text and "option http-server-close" in text
    assert rendered["compose_multi_az"].services["server-1"]["command"][1].startswith("--drain=")
    assert not [word for word in rendered["compose_local"].services["server-1"]["command"] if "--drain" in word]


def test_a_server_that_is_slow_stays_and_one_that_cannot_be_reached_goes(rendered: dict[str, Rendered]) -> None:
    """Fifty slow uploads of one client had both servers marked down, whose checks took longer than five seconds."""
    text = rendered["compose_multi_az"].haproxy
    seconds = dict(re.findall(r"^    timeout (connect|check) (\d+)s$", text, re.MULTILINE))
    assert int(seconds["connect"]) <= 2 and int(seconds["check"]) >= 20


# NFS, whose mount needs a kernel that most test machines do not have


def test_the_volume_of_an_export_is_made_with_its_mount_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = tmp_path / "said"
    program = tmp_path / "docker"
    program.write_text(f'#!/bin/sh\necho "$@" >> {said}\n[ "$2" != inspect ] || {{ echo "[]"; exit 1; }}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    role = {"ansible.builtin.include_role": {"name": "mlops.mlflow.mlflow_artifact_store"}}
    settings = {"mlflow_platform": "compose", "mlflow_artifact_store_type": "nfs", "mlflow_image": "any", **NFS}
    run_play([role], variables=settings, program=WITHOUT_FORKS).succeeded()
    [created] = [line for line in said.read_text().splitlines() if line.startswith("volume create")]
    assert created.split()[2:] == [
        "--label=mlops.mlflow.deployment=mlflow",
        "--label=mlops.mlflow.component=artifacts",
        "--opt=type=nfs",
        "--opt=o=addr=nfs.example.com,rw,nfsvers=4.2,hard,timeo=100,retrans=3",
        "--opt=device=:/exports/mlflow",
        "mlflow-artifacts",
    ]
