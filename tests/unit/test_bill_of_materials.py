"""The bills of materials name what is pinned, and what wheels hide."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def bills() -> ModuleType:
    path = ROOT / "packaging/bill_of_materials.py"
    spec = importlib.util.spec_from_file_location("bill_of_materials", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("image", ["streamer", "central"])
def test_everything_is_named_once_with_its_version(bills: ModuleType, image: str) -> None:
    document = bills.bill(image)
    components = {one["name"]: one for one in document["components"]}
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", document["serialNumber"])
    for name in ("aiohttp", "av", "FFmpeg", "libavcodec", "libx264", "Lua", "hls.js", "uplot"):
        assert components[name]["version"], name
    assert ("PostgreSQL" in components) == (image == "central")
    assert not {"colorama", "pywin32"} & set(components), "those are of other systems"
    references = [one["bom-ref"] for one in document["components"]]
    assert len(references) == len(set(references))
    assert document == bills.bill(image), "the same sources make the same document"


def test_a_pin_says_when_it_holds(bills: ModuleType) -> None:
    lock = (
        "a==1.0 \\\n    --hash=sha256:00\n"
        "b-c==2 ; sys_platform == 'win32' \\\n    --hash=sha256:1\n"
        "d[x]==3.1 ; python_full_version >= '3.12' \\\n    # via a\n"
    )
    found = [(one["name"], one["version"]) for one in bills.python_packages(lock)]
    assert found == [("a", "1.0"), ("d", "3.1")]
