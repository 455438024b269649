"""The player's choices, without a browser: what it says when nothing works."""

import json
import shutil
import subprocess

import pytest
from media_web.assets import STATIC

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")


def run(program: str) -> object:
    done = subprocess.run(
        ["node", "--input-type=module", "-e", program], capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def test_a_codec_that_was_lacked_is_not_what_is_lacked_later() -> None:
    said = run(
        f"""
        const {{ LivePlayer }} = await import("{STATIC}/player/live.js");
        const player = Object.create(LivePlayer.prototype), said = [];
        const say = (text, values) => said.push([text, values]);
        const on = {{ say, away() {{}}, changed() {{}} }};
        Object.assign(player, {{ on, sources: [], choice: 0, video: {{}}, run: {{}} }});
        player.undecoded("hvc1.1.6.L93");
        clearTimeout(player.retry);
        player.run = {{}};
        player.events(player.run).playing();
        player.undecoded(undefined);
        clearTimeout(player.retry);
        console.log(JSON.stringify(said));
        """
    )
    assert said == [
        ["This browser cannot decode {codec}.", {"codec": "HEVC (H.265)"}],
        ["", None],
        ["This browser cannot play the stream.", None],
    ]


def test_key_frames_far_apart_are_measured_by_parts() -> None:
    """Each update lists parts that were there before; only what lies between two key frames
    counts, and it is told once they are too far apart."""
    told = run(
        f"""
        const {{ HlsPlayer }} = await import("{STATIC}/player/hls.js");
        const player = Object.create(HlsPlayer.prototype), told = [];
        player.on = {{ longGop: (track, seconds) => told.push([track, Math.round(10 * seconds)]) }};
        const part = (n) => ({{ independent: n % 25 === 7, duration: 0.2, index: n % 10,
                               fragment: {{ sn: Math.floor(n / 10) }} }});
        const url = "http://h/live/tracks-v1/index.ll.m3u8";
        for (let end = 5; end <= 60; end += 5)
          player.measure({{ url, partList: Array.from({{ length: end }}, (_, n) => part(n)) }});
        player.measure({{ url: url.replace("v1", "a1"), partList: [part(67)] }});
        player.measure({{ url }});
        console.log(JSON.stringify(told));
        """
    )
    assert told == [["v1", 50], ["v1", 50]]
