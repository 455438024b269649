"""What the published API names is known to our models, by the same names."""

import pytest
from media_api import dvr, server_status, status
from media_api.base import ApiModel

from tests.support.published_fields import FIELDS

MODELS: dict[str, type[ApiModel]] = {
    "stream_stats": status.StreamStats,
    "input_stats": status.InputStats,
    "push_stats": status.PushStats,
    "session": status.SessionInfo,
    "server_stats": status.ServerStats,
    "partition_stats": server_status.PartitionStats,
    "transcoder_device_stats": server_status.TranscoderDeviceStats,
    "media_info": status.MediaInfo,
    "track_info": status.TrackInfo,
    "dvr_info": dvr.DvrInfo,
    "dvr_range": dvr.DvrRange,
}
LEFT_OUT = {
    "push_stats": {"last_error", "sent_bytes", "since"},
    "server_stats": {"license_txt"},
    "transcoder_device_stats": {"reconfig_support"},
    "track_info": {"length_size"},
    "dvr_info": {"motion_log"},
}
"""Published and not served: older names, and parts that this server has not."""


@pytest.mark.parametrize("kind", MODELS)
def test_every_published_field_is_known(kind: str) -> None:
    model = MODELS[kind]
    known = set(model.deprecated_aliases)
    for name, field in model.model_fields.items():
        known |= {name, field.alias or name}
    assert FIELDS[kind].keys() - known == LEFT_OUT.get(kind, set())
