"""What the images promise is what the table of protocols says."""

import re
from pathlib import Path

import pytest
from media_api.protocols import usual_listeners

ROOT = Path(__file__).resolve().parents[2]
CENTRAL_PORT = 9019
PORTS = {
    (item.unprivileged, "udp" if item.socket == "datagram" else "tcp")
    for _, item in usual_listeners().values()
}


def exposed(dockerfile: str) -> set[tuple[int, str]]:
    text = (ROOT / dockerfile).read_text(encoding="utf-8")
    words = " ".join(re.findall(r"^EXPOSE (.+)$", text, re.MULTILINE)).split()
    return {(int(word.partition("/")[0]), word.partition("/")[2] or "tcp") for word in words}


@pytest.mark.parametrize(
    ("dockerfile", "more"),
    [("streamer-image/Dockerfile", set()), ("central-image/Dockerfile", {(CENTRAL_PORT, "tcp")})],
)
def test_images_expose_the_ports_that_are_served(
    dockerfile: str, more: set[tuple[int, str]]
) -> None:
    assert exposed(dockerfile) == PORTS | more


def test_the_streamer_image_opens_them() -> None:
    text = (ROOT / "streamer-image/Dockerfile").read_text(encoding="utf-8")
    for name, (_, item) in usual_listeners().items():
        assert f"STREAMER_{name.upper()}={item.unprivileged}" in text


@pytest.mark.parametrize("file", ["README.md", "central-image/Dockerfile"])
def test_the_docker_command_maps_them(file: str) -> None:
    commands = re.findall(r"`docker run ([^`]*flussonic/central)`", (ROOT / file).read_text())
    assert commands
    for number, kind in PORTS:
        mapping = f"-p {number}:{number}" + ("" if kind == "tcp" else "/udp")
        assert all(mapping in command for command in commands), mapping
