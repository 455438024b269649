"""What is written reads back as the same."""

from hypothesis import HealthCheck, given, settings
from media_api.server import ServerConfig
from media_streamer.config import parse, write

from .samples import EVERYTHING
from .strategies import configs


@settings(suppress_health_check=list(HealthCheck))
@given(configs())
def test_a_written_configuration_reads_back(config: ServerConfig) -> None:
    text = write(config)
    parsed = parse(text)
    assert [str(error) for error in parsed.errors] == []
    assert parsed.config == ServerConfig.model_validate(config.explicit())


def test_a_file_with_every_section_reads_back() -> None:
    config = parse(EVERYTHING).config
    assert parse(write(config)).config == config


def test_what_is_written_looks_like_what_people_write() -> None:
    text = """\
http 80;

http 81 {
  api false;
}

stream a {
  title "Two words";
  input udp://239.0.0.1:5000 priority=1;
  transcoder hw=nvenc vb=1M size=1280x720 preset=veryfast ab=128k;
  dvr /storage 7d 97% 500G;
  protocols -hls -tshttp;
  segment_duration 4;
}
"""
    assert write(parse(text).config) == text
