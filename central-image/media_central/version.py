"""Which release this is."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version

BUILD = 1


@cache
def central_version() -> str:
    """Version of the installed distribution."""
    try:
        return version("media-appliance")
    except PackageNotFoundError:
        return "0"


def version_number(text: str) -> int:
    """The version as one number that grows with it: 1.2.3 is 10_002_0003. Four digits a part."""
    parts = [int(part) if part.isdigit() else 0 for part in text.split(".")[:3]]
    major, minor, patch = (*parts, 0, 0, 0)[:3]
    return major * 10**8 + min(minor, 9999) * 10**4 + min(patch, 9999)
