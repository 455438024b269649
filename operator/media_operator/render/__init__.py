"""Objects made for a Streamer or Cache resource: pure builders, a record in, plain dicts out."""

from media_operator.render.cache import cache_objects
from media_operator.render.streamer import streamer_objects

__all__ = ["cache_objects", "streamer_objects"]
