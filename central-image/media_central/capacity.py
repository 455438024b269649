"""How much a streamer can send: what Central was told of it, else what it says of itself."""

from collections.abc import Mapping
from typing import Any

from media_api.balancing import BITS_PER_KBIT


def capacity_kbit(config: Mapping[str, Any], stats: Mapping[str, Any]) -> int:
    """kbit/s; 0 if nobody says. The directive `total_bandwidth` of a streamer is in bit/s."""
    told = config.get("total_bandwidth") or config.get("max_bitrate")
    if told:
        return int(told)
    says = stats.get("total_bandwidth")
    return int(says) // BITS_PER_KBIT if isinstance(says, int) and says > 0 else 0
