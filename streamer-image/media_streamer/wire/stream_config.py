"""The configuration of a stream within `ApplyStream`.

Apart from the messages, so that egress workers, which read the same unions, do not load the models:
they are a third of what such a worker has to load before it serves.
"""

from media_api.stream import StreamConfig

from media_streamer.wire.control import ApplyStream, ArchivePlace


def apply_stream(
    config: StreamConfig,
    vods: dict[str, list[str]],
    archive: ArchivePlace | None = None,
    archives: dict[str, list[tuple[str, str, str]]] | None = None,
) -> ApplyStream:
    """The message that has a stream run. Raises ValueError if the configuration is no JSON."""
    text = config.model_dump_json(exclude_unset=True, exclude_none=True)
    return ApplyStream(config.name, text.encode(), vods, archive, archives or {})


def stream_of(message: ApplyStream) -> StreamConfig:
    """Raises ValueError if the configuration is not valid here."""
    return StreamConfig.model_validate_json(message.config)
