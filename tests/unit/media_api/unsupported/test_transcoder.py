"""Each documented option of a transcoder: it is served, or it is refused by its name."""

from typing import Any

import pytest
from media_api.base import ApiModel
from media_api.transcoder import (
    AudioOptions,
    Burn,
    Label,
    LabelBox,
    LabelFont,
    TranscoderDecoder,
    TranscoderGlobal,
    TranscoderSpec,
    VideoOptions,
)
from media_api.unsupported.transcoder import transcoder_in_vain

SERVED: dict[str, tuple[type[ApiModel], set[str]]] = {
    "global": (TranscoderGlobal, {"hw", "deviceid", "gop", "burn", "external"}),
    "decoder": (
        TranscoderDecoder,
        {"deinterlace", "deinterlace_rate", "crop", "drop_frame_interval", "pix_fmt"},
    ),
    "audio": (
        AudioOptions, {"bitrate", "codec", "sample_rate", "channels", "avol", "split_channels"},
    ),
    "video": (
        VideoOptions,
        {
            "bitrate", "codec", "preset", "profile", "level", "size", "sar", "logo", "alogo", "fps",
            "bframes", "refs", "gop", "open_gop", "qp_range", "threads", "interlace", "rc_method",
            "vbv_bufsize", "burn", "extra", "temporal_tradeoff",
        },
    ),
}  # fmt: skip
IN_VAIN: dict[str, dict[str, Any]] = {
    "global": {"target": "hdtv"},
    "decoder": {"no_dpb": True, "streaming_frame": True},
    "audio": {},
    "video": {"resize_mode": "cuda"},
}
DOCUMENTED = {
    "global": {"burn", "deviceid", "external", "gop", "hw"},
    "decoder": {"crop", "deinterlace", "deinterlace_rate", "drop_frame_interval", "no_dpb",
                "pix_fmt", "streaming_frame"},
    "audio": {"avol", "bitrate", "channels", "codec", "sample_rate", "split_channels"},
    "video": {
        "alogo", "bframes", "bitrate", "burn", "codec", "extra", "fps", "gop", "interlace",
        "level", "logo", "open_gop", "preset", "profile", "qp_range", "rc_method", "refs",
        "resize_mode", "sar", "size", "temporal_tradeoff", "threads", "vbv_bufsize",
    },
}  # fmt: skip
"""Names of the published API that our models know; of others the answer to a write tells."""
NUMBERED = {"track"}


def said(document: dict[str, Any]) -> list[tuple[str | int, ...]]:
    """Paths of what is told to have no effect."""
    spec = TranscoderSpec.model_validate(document)
    return [path for _, path, _ in transcoder_in_vain({"transcoder": spec})]


@pytest.mark.parametrize("block", SERVED)
def test_each_option_is_served_or_named(block: str) -> None:
    model, served = SERVED[block]
    assert set(model.model_fields) - NUMBERED == served | set(IN_VAIN[block])
    assert DOCUMENTED[block] <= served | set(IN_VAIN[block])
    assert served & set(IN_VAIN[block]) == set()


@pytest.mark.parametrize(
    ("block", "option"), [(block, option) for block in IN_VAIN for option in IN_VAIN[block]]
)
def test_what_has_no_effect_is_said(block: str, option: str) -> None:
    one = {option: IN_VAIN[block][option]}
    paths = said({block: [one] if block == "video" else one})
    assert [path[-1] for path in paths] == [option]


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"global": {"external": False}}, ("global", "external")),
        ({"global": {"hw": "qsv"}}, ("global", "hw")),
        ({"global": {"burn": {"sub": {"position": "c"}}}}, ("global", "burn", "sub")),
        ({"video": [{"interlace": "bff_separated"}]}, ("video", 0, "interlace")),
        ({"video": [{"interlace": True, "codec": "av1"}]}, ("video", 0, "interlace")),
        ({"video": [{"burn": {"sub": {}}}]}, ("video", 0, "burn", "sub")),
        ({"video": [{"rc_method": "cbr2pass"}]}, ("video", 0, "rc_method")),
        ({"video": [{"temporal_tradeoff": 1}]}, ("video", 0, "temporal_tradeoff")),
        (
            {"tracks": [{"content": "audio", "bitrate": "copy", "split_channels": True}]},
            ("tracks", 0, "split_channels"),
        ),
        ({"audio": {"codec": "pcm"}}, ("audio", "codec")),
    ],
)
def test_values_that_are_not_done_are_said(document: dict[str, Any], path: tuple[Any, ...]) -> None:
    assert [one[-len(path) :] for one in said(document)] == [path]


def test_a_value_that_has_no_effect_stops_nothing() -> None:
    for number in (1, 2, 3):
        [(_, _, text)] = transcoder_in_vain(
            {"transcoder": {"video": [{"temporal_tradeoff": number}]}}
        )
        assert text == f"transcoder: temporal_tradeoff={number} has no effect in this version"


def test_what_is_burnt_in_has_no_option_without_an_effect() -> None:
    assert set(Burn.model_fields) == {"text", "time", "sub"}
    assert set(Label.model_fields) == {"text", "position", "x", "y", "font", "box"}
    assert set(LabelFont.model_fields) == {"file", "size", "color", "alpha"}
    assert set(LabelBox.model_fields) == {"color", "alpha", "borderw"}
