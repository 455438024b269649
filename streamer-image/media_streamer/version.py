"""Which program this is."""

from importlib import metadata


def server_version() -> str:
    """Version of the installed distribution."""
    try:
        return metadata.version("media-appliance")
    except metadata.PackageNotFoundError:
        return "0"
