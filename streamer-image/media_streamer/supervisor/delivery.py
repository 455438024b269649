"""What of the configuration matters to delivery, as an egress worker is told it."""

from media_api.server import ServerConfig

from media_streamer.supervisor.catalog import Stream
from media_streamer.wire.control import DeliveryConfig


def delivery_config(stream: Stream, server: ServerConfig) -> DeliveryConfig:
    """What an egress worker must know of the configuration."""
    config = stream.config
    prefix = config.url_prefix if config.url_prefix is not None else server.url_prefix
    return DeliveryConfig(
        segment_duration=config.segment_duration or _UNSAID.segment_duration,
        segment_count=config.segment_count or _UNSAID.segment_count,
        chunk_duration=config.chunk_duration or _UNSAID.chunk_duration,
        url_prefix=prefix or "",
        add_audio_only=bool(config.add_audio_only),
        dash_update_period=config.dash_update_period or 0.0,
        title=config.title or "",
        provider=config.provider or "",
        static=config.static,
        auth_token=server.auth_token,
        protocols=config.protocols.explicit() if config.protocols else {},
    )


_UNSAID = DeliveryConfig()
