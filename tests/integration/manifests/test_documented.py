"""Resources that the documentation and the examples show are taken by a real API server."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.api_server import ApiServer

ROOT = Path(__file__).parents[3]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
BLOCK = re.compile(r"^```(?:yaml|sh)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
HEREDOC = re.compile(r"<<'?END'?\n(.*?)^END$", re.MULTILINE | re.DOTALL)
GROUP = "media.flussonic.com/"


def shown(page: Path) -> list[dict[str, Any]]:
    """Resources of this project in blocks of YAML and in what kubectl is given in blocks of sh."""
    found = []
    for block in BLOCK.findall(page.read_text(encoding="utf-8")):
        for text in HEREDOC.findall(block) or [block]:
            if f"apiVersion: {GROUP}" in text:
                found += [one for one in yaml.safe_load_all(text) if one]
    return [one for one in found if one.get("apiVersion", "").startswith(GROUP)]


RESOURCES = [
    pytest.param(one, id=f"{page.name}-{one['kind']}-{one['metadata']['name']}")
    for page in PAGES
    for one in shown(page)
]


@pytest.mark.parametrize("resource", RESOURCES)
def test_a_resource_of_the_documentation(
    resource: dict[str, Any], api_server: ApiServer, namespace: str
) -> None:
    resource = {**resource, "metadata": {**resource["metadata"], "namespace": namespace}}
    done = api_server.run("apply", "--dry-run=server", "-f", "-", data=resource)
    assert done.returncode == 0, done.stderr


def test_documentation_shows_resources() -> None:
    assert len(RESOURCES) > 2


def test_example(api_server: ApiServer, namespace: str) -> None:
    path = ROOT / "examples" / "kubernetes" / "channel.yaml"
    done = api_server.run("apply", "-n", namespace, "-f", str(path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("created") == 5
