"""The command line: ``python -m local_cluster up|down|status|load-image|kill-node|start-node``."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence

from local_cluster import binaries, envoy, images
from local_cluster.cluster import LocalCluster
from local_cluster.layout import KUBECONFIG, NODES
from local_cluster.processes import ClusterError


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="local_cluster", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="build the programs and base images only")
    commands.add_parser("build-ways-in", help="build what `test_ways_in.py` needs besides")
    commands.add_parser("up", help="start the cluster, unless it runs")
    commands.add_parser("down", help="stop it and remove everything")
    commands.add_parser("status", help="print what runs, as JSON; exit status 1 if it does not")
    load = commands.add_parser("load-image", help="load image archives into every node")
    load.add_argument("image", nargs="+", help="archive file, or " + ", ".join(images.RECIPES))
    for name, what in (("kill-node", "cut a node's power"), ("start-node", "start it again")):
        commands.add_parser(name, help=what).add_argument(
            "node", choices=[its.name for its in NODES]
        )
    return parser


def _carry_out(arguments: argparse.Namespace) -> int:
    cluster = LocalCluster()
    match arguments.command:
        case "build":
            binaries.ensure(cluster.layout)
            for tag in images.RECIPES:
                print(images.archive_of(cluster.layout, tag))
        case "build-ways-in":
            binaries.ensure(cluster.layout, binaries.WAYS_IN)
            print(envoy.ensure(cluster.layout))
        case "up":
            began = time.monotonic()
            started = cluster.up()
            took = f"started in {time.monotonic() - began:.0f} s" if started else "runs already"
            print(f"The cluster {took}. export KUBECONFIG={KUBECONFIG}")
        case "down":
            cluster.down()
        case "status":
            status = cluster.status()
            print(json.dumps(status, indent=2))
            return 0 if status["running"] else 1
        case "load-image":
            for image in arguments.image:
                print(cluster.load_image(image))
        case "kill-node":
            cluster.kill_node(arguments.node)
        case "start-node":
            cluster.start_node(arguments.node)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one command; the exit status."""
    try:
        return _carry_out(_parser().parse_args(arguments))
    except ClusterError as error:
        print(f"local_cluster: {error}", file=sys.stderr)
        return 1
