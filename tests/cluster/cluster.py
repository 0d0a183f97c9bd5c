#!/usr/bin/env python
"""A real single-node Kubernetes for tests, on a machine where no image registry is reachable."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.testbed import (
    build,
    cloudnative_pg,
    cratedb,
    knative,
    lifecycle,
    preflight,
    processes,
    prometheus_operator,
    target_images,
)
from support.testbed.shell import Failure, say, tail


def main() -> int:
    arguments = parser().parse_args()
    try:
        return int(arguments.run(arguments))
    except Failure as failure:
        print(f"cluster: error: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        say("interrupted; `up` starts over, `down` takes away what was started")
        return 130


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="cluster.py", description=__doc__)
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[argparse.Namespace], int], help_text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=help_text, description=help_text)
        added.set_defaults(run=run)
        return added

    command("up", up, "build what is not built, start the cluster, and wait until it is usable")
    command("down", down, "end the cluster and take away everything it made on this machine").add_argument(
        "--purge", action="store_true", help="remove the caches too: programs, images and logs"
    )
    command("status", status, "tell what runs; the exit code is 0 if the cluster is up")
    command("env", env, "print the shell commands that set TEST_KUBECONFIG and TEST_CONTEXT")
    command("build", build_programs, "build the programs only").add_argument(
        "--knative", action="store_true", help="those of Knative, instead of the cluster's own"
    )
    command("load-image", load_image, "copy an image of the cluster's Docker engine into the node").add_argument("name")
    command("images", build_images, "build and load the images that the tests of the target kubernetes deploy")
    command("knative", load_knative, "build and load Knative, and write the files with which the role installs it")
    command("cratedb", load_cratedb, "build and load what the target cratedb_seaweedfs needs, and write its variables")
    command("cloudnative-pg", load_cloudnative_pg, "build, load and install the operator CloudNativePG")
    command(
        "prometheus-operator",
        load_prometheus_operator,
        "build and load the operator of Prometheus and what it runs, and write the file that installs it",
    )
    command("logs", logs, "print the last lines of a component's log").add_argument("name", choices=lifecycle.NAMES)
    return top


def up(_arguments: argparse.Namespace) -> int:
    lifecycle.up()
    return 0


def down(arguments: argparse.Namespace) -> int:
    lifecycle.down(purge=arguments.purge)
    return 0


def status(_arguments: argparse.Namespace) -> int:
    return 0 if lifecycle.status() else 1


def env(_arguments: argparse.Namespace) -> int:
    print(lifecycle.environment())
    return 0


def build_programs(arguments: argparse.Namespace) -> int:
    preflight.check_build()
    with lifecycle.lock():
        say(f"the programs are in {knative.build_programs() if arguments.knative else build.ensure()}")
    return 0


def load_image(arguments: argparse.Namespace) -> int:
    lifecycle.load_image(arguments.name)
    return 0


def build_images(_arguments: argparse.Namespace) -> int:
    target_images.ensure()
    return 0


def load_knative(_arguments: argparse.Namespace) -> int:
    lifecycle.require_up()
    with lifecycle.lock():
        knative.ensure()
    return 0


def load_cratedb(_arguments: argparse.Namespace) -> int:
    lifecycle.require_up()
    with lifecycle.lock():
        cratedb.ensure()
    return 0


def load_cloudnative_pg(_arguments: argparse.Namespace) -> int:
    lifecycle.require_up()
    with lifecycle.lock():
        cloudnative_pg.ensure()
    return 0


def load_prometheus_operator(_arguments: argparse.Namespace) -> int:
    lifecycle.require_up()
    with lifecycle.lock():
        prometheus_operator.ensure()
    return 0


def logs(arguments: argparse.Namespace) -> int:
    print(tail(processes.log(arguments.name), lines=100))
    return 0


if __name__ == "__main__":
    sys.exit(main())
