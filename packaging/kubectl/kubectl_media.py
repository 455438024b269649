#!/usr/bin/env python3
"""`kubectl media`: what the streams of a cluster do, and why one does not play.

kubectl media status [NAME…]  streams, what is wrong first, and pools
kubectl media why NAME        everything that the cluster knows of a stream that does not play
kubectl media logs NAME       what its streamer says of it
kubectl media play NAME       its address, or a player that shows it

One file of Python's own library, so that it runs wherever kubectl does. It asks the cluster through
`kubectl`: whatever lets that in lets this in, and it needs no rights but to read. What it shows are
the conditions of the resources; it decides nothing by itself.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

GROUP = "media.flussonic.com"
STREAMS, POOLS = f"streams.{GROUP}", f"streamers.{GROUP}"
TIMEOUT = 30.0
"""Seconds of a question to the cluster."""
FORWARD_SECONDS = 20.0
HTTP_PORT = 8080
"""Of a streamer pod."""
PLAYERS = (("ffplay", "-hide_banner"), ("mpv",), ("vlc",))
COMMANDS = ("status", "why", "logs", "play")
ORDER = (
    "Stalled",
    "CredentialsResolved",
    "Scheduled",
    "ConfigAccepted",
    "Ready",
    "InputActive",
    "Recording",
)
"""Conditions from the cause to what follows of it."""
RESOURCE_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
BAD_IF_TRUE = frozenset({"Stalled"})

Resource = dict[str, Any]


class MediaError(Exception):
    """What the user is told in place of an answer."""


class Kubectl:
    """kubectl with the flags that say which cluster, as whom and where."""

    def __init__(self, flags: Sequence[str] = (), namespace: Sequence[str] = ()) -> None:
        self._command = [os.environ.get("KUBECTL", "kubectl"), *flags]
        self._namespace = list(namespace)

    def command(self, *arguments: str) -> list[str]:
        return [*self._command, *self._namespace, *arguments]

    def text(self, *arguments: str) -> str:
        """What it prints. Raises MediaError with its own words."""
        try:
            done = subprocess.run(
                self.command(*arguments),
                capture_output=True,
                text=True,
                timeout=TIMEOUT,
                check=False,
            )
        except FileNotFoundError as error:
            raise MediaError("kubectl is not in PATH") from error
        except subprocess.TimeoutExpired as error:
            raise MediaError(f"the cluster has not answered for {TIMEOUT:.0f} s") from error
        if done.returncode:
            raise MediaError(done.stderr.strip() or f"kubectl exited with {done.returncode}")
        return done.stdout

    def items(self, kind: str, *arguments: str) -> list[Resource]:
        found: list[Resource] = json.loads(self.text("get", kind, "-o", "json", *arguments))[
            "items"
        ]
        return found

    def stream(self, name: str) -> Resource:
        """By the name of the resource, or by that in its play URLs."""
        words = f"there is no stream {name}"
        if RESOURCE_NAME.fullmatch(name):
            try:
                found: Resource = json.loads(self.text("get", STREAMS, name, "-o", "json"))
                return found
            except MediaError as error:
                if "NotFound" not in str(error):
                    raise
                words = str(error)
        same = [one for one in self.items(STREAMS) if stream_name(one) == name]
        if not same:
            raise MediaError(words)
        return same[0]


def stream_name(stream: Resource) -> str:
    """The name in play URLs."""
    name = (stream.get("spec") or {}).get("name") or stream["metadata"]["name"]
    return str(name)


def conditions(resource: Resource) -> list[dict[str, str]]:
    """In the order in which one follows of another; unknown ones last."""
    found = (resource.get("status") or {}).get("conditions") or []
    places = {name: number for number, name in enumerate(ORDER)}
    return sorted(found, key=lambda one: places.get(one["type"], len(ORDER)))


def is_wrong(condition: dict[str, str]) -> bool:
    if condition["type"] in BAD_IF_TRUE:
        return condition["status"] == "True"
    return condition["status"] == "False"


def state(stream: Resource) -> str:
    """One word: playing, waiting (nobody can know yet), disabled, or wrong."""
    if (stream.get("spec") or {}).get("disabled"):
        return "disabled"
    found = conditions(stream)
    if any(is_wrong(one) for one in found if one["type"] != "ConfigAccepted"):
        return "wrong"
    by_type = {one["type"]: one["status"] for one in found}
    is_playing = by_type.get("Ready") == "True" and by_type.get("InputActive", "True") == "True"
    return "playing" if is_playing else "waiting"


def reason(resource: Resource) -> str:
    """The first thing that is wrong, in words."""
    for one in conditions(resource):
        if is_wrong(one):
            return f"{one['reason']}: {one.get('message', '')}".rstrip(": ")
    return ""


def table(rows: Iterable[Sequence[str]]) -> str:
    """Columns as kubectl makes them, the last one as long as it is."""
    lines = [list(row) for row in rows]
    widths = [max(len(row[column]) for row in lines) + 3 for column in range(len(lines[0]) - 1)]
    return "\n".join(
        "".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False))
        + row[-1].rstrip()
        for row in lines
    )


RANKS = {"wrong": 0, "waiting": 1, "playing": 2, "disabled": 3}


def stream_table(streams: list[Resource], all_namespaces: bool) -> str:
    rows = []
    for one in sorted(streams, key=lambda s: (RANKS[state(s)], s["metadata"]["name"])):
        status = one.get("status") or {}
        where = status.get("activeStreamer") or status.get("streamer") or "-"
        row = [one["metadata"]["name"], state(one), where, reason(one)]
        rows.append([one["metadata"].get("namespace", ""), *row] if all_namespaces else row)
    head = ["STREAM", "STATE", "STREAMER", "WHY"]
    return table([["NAMESPACE", *head] if all_namespaces else head, *rows])


def pool_table(pools: list[Resource]) -> str:
    rows = [["POOL", "PODS", "VERSION", "WHY"]]
    for one in sorted(pools, key=lambda pool: str(pool["metadata"]["name"])):
        status = one.get("status") or {}
        is_external = "apiUrl" in (one.get("spec") or {})
        pods = f"{status.get('readyReplicas') or 0}/{status.get('replicas') or 0}"
        rows.append(
            [
                one["metadata"]["name"],
                "external" if is_external else pods,
                status.get("version") or "-",
                reason(one),
            ]
        )
    return table(rows)


def status_command(kubectl: Kubectl, options: argparse.Namespace) -> int:
    everywhere = ["-A"] if options.all_namespaces else []
    streams = kubectl.items(STREAMS, *everywhere)
    if options.names:
        wanted = set(options.names)
        streams = [one for one in streams if {one["metadata"]["name"], stream_name(one)} & wanted]
        if not streams:
            raise MediaError(f"there is no stream {' or '.join(sorted(wanted))}")
    if streams:
        print(stream_table(streams, options.all_namespaces))
    else:
        print("There are no streams. A first one: manifests/samples/stream.yaml")
    if not options.names and (pools := kubectl.items(POOLS, *everywhere)):
        print(f"\n{pool_table(pools)}")
    return 1 if any(state(one) == "wrong" for one in streams) else 0


def why_command(kubectl: Kubectl, options: argparse.Namespace) -> int:
    """Exit status 1 if something is wrong."""
    stream = kubectl.stream(options.name)
    status = stream.get("status") or {}
    print(f"Stream {stream_name(stream)} is {WORDS[state(stream)]}.")
    for one in conditions(stream):
        sign = "x" if is_wrong(one) else "?" if one["status"] == "Unknown" else "+"
        words = f"{one['reason']}: {one.get('message', '')}".rstrip(": ")
        print(f"  {sign} {one['type']:<20} {words}")
    if not conditions(stream):
        print("  ? The operator has not seen it. Does it run? kubectl get pods -A | grep operator")
    if status.get("input"):
        print(f"Input: {status['input']}")
    _pod(kubectl, status.get("activeStreamer") or status.get("streamer"))
    events = kubectl.items("events", f"--field-selector=involvedObject.uid={_uid(stream)}")
    if events:
        print("Events:")
        for event in sorted(events, key=_when)[-8:]:
            print(f"  {_when(event)} {event.get('reason', '')}: {event.get('message', '')}")
    pod = status.get("streamer")
    if state(stream) == "wrong" and pod:
        with contextlib.suppress(MediaError):
            lines = said_of(stream_name(stream), kubectl.text("logs", pod, "--tail=2000"))
            if found := list(lines)[-5:]:
                print(f"Its streamer {pod} says:")
                print("\n".join(f"  {line}" for line in found))
    return 1 if state(stream) == "wrong" else 0


WORDS = {
    "wrong": "not playing",
    "waiting": "waited for",
    "playing": "playing",
    "disabled": "disabled: spec.disabled is true",
}


def _pod(kubectl: Kubectl, name: str | None) -> None:
    if not name:
        print("It is on no streamer.")
        return
    try:
        pod: Resource = json.loads(kubectl.text("get", "pod", name, "-o", "json"))
    except MediaError:
        print(f"Streamer: {name}, which is no pod here (an external server?)")
        return
    containers = (pod.get("status") or {}).get("containerStatuses") or [{}]
    restarts = containers[0].get("restartCount", 0)
    node = pod["spec"].get("nodeName", "no node yet")
    phase = (pod.get("status") or {}).get("phase", "unknown")
    print(f"Streamer: pod {name} on {node}, {phase}, restarted {restarts} times")


def _uid(resource: Resource) -> str:
    return str(resource["metadata"]["uid"])


def _when(event: Resource) -> str:
    return str(
        event.get("eventTime")
        or event.get("lastTimestamp")
        or event["metadata"]["creationTimestamp"]
    )


def said_of(name: str, log: str) -> Iterator[str]:
    """Lines of a log that name the stream, not one whose name begins alike."""
    named = re.compile(rf"(?<![\w./-]){re.escape(name)}(?![\w/-]|\.\w)")
    return (line for line in log.splitlines() if named.search(line))


def logs_command(kubectl: Kubectl, options: argparse.Namespace) -> int:
    stream = kubectl.stream(options.name)
    pod = (stream.get("status") or {}).get("streamer")
    if not pod:
        raise MediaError(f"{options.name} is on no streamer: kubectl media why {options.name}")
    arguments = ["logs", pod, f"--since={options.since}"]
    if options.follow:
        arguments.append("--follow")
    process = subprocess.Popen(kubectl.command(*arguments), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if options.all or next(said_of(stream_name(stream), line), None) is not None:
                print(line.rstrip("\n"), flush=True)
        return process.wait(TIMEOUT)
    finally:
        process.kill()
        process.stdout.close()
        process.wait(TIMEOUT)


def play_command(kubectl: Kubectl, options: argparse.Namespace) -> int:
    stream = kubectl.stream(options.name)
    status = stream.get("status") or {}
    urls = status.get("urls") or {}
    if not urls:
        raise MediaError(f"it has no address yet: kubectl media why {options.name}")
    if options.form not in urls:
        raise MediaError(f"there is no form {options.form}; it has {', '.join(sorted(urls))}")
    url = str(urls[options.form])
    with contextlib.ExitStack() as stack:
        if options.forward:
            if urlsplit(url).scheme not in ("http", "https"):
                raise MediaError("only forms by HTTP go through --forward")
            port = stack.enter_context(forwarded(kubectl, str(status.get("streamer"))))
            url = f"http://127.0.0.1:{port}{urlsplit(url).path}"
        if options.url and not options.forward:
            print(url)
            return 0
        command = [options.player] if options.player else player()
        print(url, flush=True)
        return subprocess.run([*command, url], check=False).returncode


def player() -> list[str]:
    """The first player that this machine has."""
    for name, *arguments in PLAYERS:
        if found := shutil.which(name):
            return [found, *arguments]
    names = ", ".join(name for name, *_ in PLAYERS)
    raise MediaError(
        f"no player is here ({names}); --url prints the address, --player names another"
    )


@contextlib.contextmanager
def forwarded(kubectl: Kubectl, pod: str) -> Iterator[int]:
    """A port of this machine that leads to the pod's HTTP port, as long as this lasts."""
    command = kubectl.command("port-forward", f"pod/{pod}", f":{HTTP_PORT}")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        found = re.search(r"127\.0\.0\.1:(\d+)", process.stdout.readline())
        if found is None:
            raise MediaError(f"kubectl cannot forward a port of {pod}")
        yield int(found[1])
    finally:
        process.terminate()
        process.stdout.close()
        process.wait(FORWARD_SECONDS)


def place(words: Sequence[str]) -> list[str]:
    """The flags of an unfinished command that say where to ask."""
    found = []
    for word, value in itertools.pairwise(words):
        if word in WHERE:
            found += [word, value]
        elif word.startswith(tuple(f"{flag}=" for flag in WHERE if flag.startswith("--"))):
            found.append(word)
    return found


def complete(kubectl: Kubectl, words: Sequence[str]) -> list[str]:
    """What may stand in place of the last word."""
    *before, last = words or [""]
    values = {
        number + 1 for number, word in enumerate(before) if word in (*WHERE, "--form", "--player")
    }
    chosen = [
        word
        for number, word in enumerate(before)
        if not word.startswith("-") and number not in values
    ]
    if last.startswith("-"):
        found: Iterable[str] = OPTIONS.get(chosen[0] if chosen else "", ())
    elif not chosen:
        found = COMMANDS
    elif before[-1] == "--form":
        found = ("hls", "llhls", "fmp4", "tshttp", "flv", "rtmp", "player")
    else:
        try:
            found = (one["metadata"]["name"] for one in kubectl.items(STREAMS))
        except MediaError:
            found = ()
    return sorted(word for word in found if word.startswith(last))


WHERE = ("-n", "--namespace", "--context", "--kubeconfig")
OPTIONS = {
    "": ("--namespace", "--context", "--kubeconfig", "--help"),
    "status": ("--all-namespaces", "--namespace", "--context", "--kubeconfig"),
    "why": ("--namespace", "--context", "--kubeconfig"),
    "logs": ("--follow", "--since", "--all", "--namespace", "--context", "--kubeconfig"),
    "play": (
        *("--url", "--form", "--player", "--forward"),
        *("--namespace", "--context", "--kubeconfig"),
    ),
}
RUNS = {
    "status": status_command,
    "why": why_command,
    "logs": logs_command,
    "play": play_command,
}


def parser() -> argparse.ArgumentParser:
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument("-n", "--namespace", help="where the streams are")
    where.add_argument("--context", help="which cluster of the kubeconfig")
    where.add_argument("--kubeconfig", help="file that says how to reach the cluster")
    main_parser = argparse.ArgumentParser(
        prog="kubectl media",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = main_parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    one = commands.add_parser("status", parents=[where], help="streams and pools")
    one.add_argument("names", nargs="*", metavar="NAME")
    one.add_argument("-A", "--all-namespaces", action="store_true")
    one = commands.add_parser("why", parents=[where], help="why a stream does not play")
    one.add_argument("name", metavar="NAME")
    one = commands.add_parser("logs", parents=[where], help="what its streamer says of a stream")
    one.add_argument("name", metavar="NAME")
    one.add_argument("-f", "--follow", action="store_true", help="go on until Ctrl-C")
    one.add_argument("--since", default="1h", help="how far back (default 1h)")
    one.add_argument("--all", action="store_true", help="also what does not name the stream")
    one = commands.add_parser("play", parents=[where], help="show a stream")
    one.add_argument("name", metavar="NAME")
    one.add_argument("--url", action="store_true", help="only print the address")
    one.add_argument("--form", default="hls", help="hls (default), llhls, rtmp … as in status.urls")
    one.add_argument("--player", help="a command that takes the address")
    one.add_argument(
        "--forward",
        action="store_true",
        help="through the API server, where the address cannot be reached from here",
    )
    return main_parser


def main(arguments: Sequence[str] | None = None) -> int:
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["__complete"]:
        print(*complete(Kubectl(place(words[1:])), words[1:]), sep="\n")
        print(":4")  # cobra: complete no files
        return 0
    options = parser().parse_args(words)
    flags = [
        f"--{name}={value}"
        for name in ("context", "kubeconfig")
        if (value := getattr(options, name)) is not None
    ]
    namespace = [f"--namespace={options.namespace}"] if options.namespace else []
    try:
        return RUNS[options.command](Kubectl(flags, namespace), options)
    except MediaError as error:
        print(f"kubectl media: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
