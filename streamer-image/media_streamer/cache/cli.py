"""`media-cache`: a caching HTTP proxy in front of streamers, set up by the environment.

Variables: CACHE_PORT, CACHE_ADDRESS, CACHE_ORIGINS, CACHE_PATH, CACHE_MISSES,
CACHE_EXPIRATION_SECONDS, CACHE_STORAGE_BYTES, CACHE_ONLY, CACHE_EXCEPT, CACHE_CLUSTER_KEY,
CACHE_TRUSTED_PROXIES, CACHE_LOG_LEVEL, CACHE_LOG_FORMAT (text or json).
"""

import argparse
import asyncio
import os
import sys

from media_process import collector, descriptors, logs, reading

from media_streamer.cache.server import serve
from media_streamer.cache.settings import read_settings


def main(arguments: list[str] | None = None) -> int:
    """Run; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="media-cache",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args(arguments)
    try:
        logs.set_up(
            "media-cache",
            logs.level_of(os.environ.get("CACHE_LOG_LEVEL") or "info"),
            logs.format_of(os.environ.get("CACHE_LOG_FORMAT", "")),
        )
        descriptors.raise_limit()
        collector.settle()
        reading.bound()
        asyncio.run(serve(read_settings(os.environ)))
    except (ValueError, OSError) as error:
        print(f"media-cache: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
