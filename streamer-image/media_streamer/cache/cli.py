"""`media-cache`: a caching HTTP proxy in front of streamers, set up by the environment.

Variables: CACHE_PORT, CACHE_ADDRESS, CACHE_ORIGINS, CACHE_PATH, CACHE_MISSES,
CACHE_EXPIRATION_SECONDS, CACHE_STORAGE_BYTES, CACHE_ONLY, CACHE_EXCEPT, CACHE_CLUSTER_KEY,
CACHE_TRUSTED_PROXIES.
"""

import argparse
import asyncio
import logging
import os
import sys

from media_streamer.cache.server import serve
from media_streamer.cache.settings import SettingsError, read_settings

log = logging.getLogger("media-cache")


def main(arguments: list[str] | None = None) -> int:
    """Run; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="media-cache",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args(arguments)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr
    )
    try:
        asyncio.run(serve(read_settings(os.environ)))
    except (SettingsError, OSError) as error:
        print(f"media-cache: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
