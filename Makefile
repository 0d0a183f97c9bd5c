# Everything a person does with a clone. `make help` lists it.
SHELL := /bin/sh
INVENTORY ?= inventories/local
VENV := .venv
RUN := . $(VENV)/bin/activate &&
# Further variables of a deployment: make deploy VARS="mlflow_server_port=5001"
VARS ?=
# Arguments of a benchmark: make bench ARGS=--quick
ARGS ?=
EXTRA := $(foreach var,$(VARS),-e '$(var)')

# Advice of the playbooks is then about make as well.
export MLOPS_MLFLOW_RUN_BY := make
# Without its bytecode each program of Ansible compiles itself anew, which takes as long as what it does.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help deploy destroy health status check test test-all test-host test-aws test-browser test-cluster test-compose test-benchmark soak lint lock readmes bench bench-backup bench-cluster bench-fleet bench-fleet-nodes bench-fleet-load bench-knative clean cluster-up cluster-down

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

deploy: $(VENV)/run ## run MLflow on this machine: http://127.0.0.1:5000
	@$(RUN) ansible-playbook -i $(INVENTORY) playbooks/local.yml $(EXTRA)

destroy: $(VENV)/run ## stop and remove it; data stays unless VARS="mlflow_remove_data=true"
	@$(RUN) ansible-playbook -i $(INVENTORY) playbooks/destroy.yml -e mlflow_destroy=true $(EXTRA)

health: $(VENV)/run ## check the server in depth
	@$(RUN) ansible-playbook -i $(INVENTORY) playbooks/health.yml $(EXTRA)

status: $(VENV)/run ## what runs, where, and what it holds
	@$(RUN) ansible-playbook -i $(INVENTORY) playbooks/status.yml $(EXTRA)

check: $(VENV)/dev ## while you work (2 min; 3 after a change of what is rendered): ruff, mypy, lint of the YAML that changed, unit tests
	@$(RUN) tests/run lint_changed unit

test: $(VENV)/dev ## checks that need neither root nor Docker nor Kubernetes, of what takes long the heart (10 min)
	@$(RUN) tests/run

test-all: $(VENV)/dev ## the same, all lint and all integration tests; ended and started again, it goes on (half an hour)
	@$(RUN) GALAXY_IMPORTER_RUN_ANSIBLE_LINT=true tests/run unit docs sanity build longer molecule upgrade integration aws azure

test-host: $(VENV)/dev ## a host of its own over SSH, killed and rebooted (Linux, root, systemd-nspawn)
	@$(RUN) tests/run host_scenario

test-aws: $(VENV)/dev ## the modules for AWS against an emulator of it, moto
	@$(RUN) tests/run aws

test-browser: $(VENV)/dev ## the web page in a real browser, alone and behind nginx and HAProxy (Debian, root)
	@$(RUN) tests/run browser

test-cluster: $(VENV)/dev ## the targets kubernetes, kubernetes_knative and cratedb_seaweedfs on a real Kubernetes (Linux, root, Go; the first time 15 min more)
	@$(RUN) tests/run kubernetes_scenario knative_scenario cratedb_scenario cluster

test-compose: $(VENV)/dev ## the compose targets on a real Docker Engine (Linux, root, Go; the first time 5 min more)
	@$(RUN) tests/run compose_scenario compose_zones_scenario compose

test-benchmark: $(VENV)/dev ## of these only the benchmark over local, compose_single_az and compose_multi_az: build/benchmark/benchmark.html
	@$(RUN) tests/run benchmark

soak: $(VENV)/dev ## backups of whole size, and the tests on the cluster with their full counts (the same, and an hour and a half)
	@$(RUN) tests/run soak

cluster-up: ## a real Kubernetes for tests, built from Go modules (Linux, root, Go)
	@python3 tests/cluster/cluster.py up

cluster-down: ## end it and take away everything it made
	@python3 tests/cluster/cluster.py down

lint: $(VENV)/dev ## ruff, mypy, yamllint, ansible-lint of everything
	@$(RUN) tests/run lint

bench: $(VENV)/dev ## measure the profiles beside plain `mlflow server` (ARGS=--quick: one short round)
	@$(RUN) python benchmarks/server.py $(ARGS)

bench-cluster: $(VENV)/dev ## measure the playbook beside `kubectl apply` (on the cluster of TEST_KUBECONFIG)
	@$(RUN) python benchmarks/kubernetes.py $(ARGS)

bench-fleet: $(VENV)/dev ## measure a fleet of 100, 1,000 and 10,000 beside `kubectl apply` (builds an API server from Go modules)
	@$(RUN) python benchmarks/fleet.py --sizes 100 1000 10000 $(ARGS)

bench-fleet-nodes: $(VENV)/dev ## the same with 10,000 pods on 150 nodes that KWOK simulates; scheduler and controllers are real
	@$(RUN) python benchmarks/fleet_nodes.py $(ARGS)

bench-fleet-load: $(VENV)/dev ## how many users the load test of a fleet can be, beside instances that cost nothing
	@$(RUN) python benchmarks/fleet_load.py $(ARGS)

bench-knative: $(VENV)/dev ## a server that comes with a request, beside plain `mlflow server` and hardly anything (as test-cluster)
	@$(RUN) TEST_ADDONS=knative tests/cluster/with python benchmarks/knative.py $(ARGS)

bench-backup: $(VENV)/dev ## measure snapshots beside pg_dump, psql, cp and uploads, and a server while it is backed up
	@$(RUN) python benchmarks/backup.py
	@$(RUN) python benchmarks/backup_alongside.py

lock: $(VENV)/dev ## resolve the pins of what the roles install anew
	@$(RUN) tools/lock

readmes: $(VENV)/dev ## write what is generated of the documentation: tables of the roles, ways of values, dashboards
	@$(RUN) tools/role_readmes.py && tools/ways.py && tools/dashboards.py

clean: ## remove what the targets above put into the clone
	@rm -rf $(VENV) build .cache

# An environment is complete when its stamp is written; a changed requirements file makes it anew.
$(VENV)/run: requirements.txt requirements.lock
	@tools/environment $(VENV) requirements.txt && touch $@

$(VENV)/dev: requirements.txt requirements-dev.txt requirements-kubernetes.txt requirements-compose.txt requirements-aws.txt requirements.lock
	@tools/environment $(VENV) requirements-dev.txt && touch $@ $(VENV)/run
