"""Addresses on a page hide what the servers hide in their logs."""

import json
import shutil
import subprocess

import pytest
from media_rest.redact import SECRET_PARAMETERS, redact_url
from media_web.assets import STATIC

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")

ADDRESSES = [
    "rtsp://camera/1", "rtsp://camera:554/1?track=2", "rtsp://[2001:db8::1]:554/a@b",
    "rtsp://admin:secret@cam/1", "rtsp-udp://admin:secret@cam/1", "http://h:/a@b", "fake://fake",
    "rtsp://admin:p#ss@cam/1", "rtsp://admin:pa/ss@cam/1", "rtsp://admin:p@ss?word@cam/1?a=b@c",
    "srt://host:9000?passphrase=abc&mode=caller", "srt://host:9000?mode=caller;Passphrase=abc",
    "hls://host/a.m3u8?next=1?token=abc&empty=&token=", "udp://239.0.0.1:5000/eth0", "/dvr/file",
    "securetoken://word", "tshttp://admin:secret@host/a?token=abc#here", "rtsp://***@cam/1?key=***",
    *(f"m4f://host/a?{key}=abc" for key in SECRET_PARAMETERS),
]  # fmt: skip


def masked(addresses: list[str | None]) -> list[str]:
    program = f"""
      const {{ masked }} = await import("{STATIC}/redact.js");
      console.log(JSON.stringify({json.dumps(addresses)}.map(masked)));
    """
    done = subprocess.run(
        ["node", "--input-type=module", "-e", program], capture_output=True, check=True, timeout=30
    )
    found: list[str] = json.loads(done.stdout)
    return found


def test_a_page_hides_what_the_log_hides() -> None:
    assert masked([*ADDRESSES]) == [redact_url(address) for address in ADDRESSES]


def test_what_ends_an_address_in_a_text_is_a_part_of_one_that_stands_alone() -> None:
    assert masked(['rtsp://admin:a"b|c d@cam/1', None]) == ["rtsp://***@cam/1", ""]
