"""The announced segments as playlists, played by ffmpeg as an HLS client."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from media_streamer.wire.media import InitSection, SegmentReady

from tests.support.clips import read_clip

from .conftest import Collector

X264 = ("-s", "320x180", "-c:v", "libx264", "-preset", "veryfast", "-g", "25", "-bf", "2")
AAC = ("-sc_threshold", "0", "-c:a", "aac", "-ac", "2", "-ar", "44100")


def playlist(collector: Collector, name: str, track: str) -> str:
    """A media playlist of all that was announced (RFC 8216)."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-TARGETDURATION:2"]
    inits = {m.number: m.path for m in collector.of(name, InitSection, track)}
    shown = ""
    for segment in collector.of(name, SegmentReady, track):
        if segment.discontinuity:
            lines.append("#EXT-X-DISCONTINUITY")
        path = inits[segment.init]
        if path and path != shown:
            lines.append(f'#EXT-X-MAP:URI="{path}"')
            shown = path
        lines += [f"#EXTINF:{segment.duration:.6f},", segment.path]
    return "\n".join([*lines, "#EXT-X-ENDLIST", ""])


def play(path: Path, kind: str) -> tuple[int, str]:
    """Decoded frames and error lines."""
    command = ["ffmpeg", "-v", "error", "-allowed_extensions", "ALL", "-i", str(path)]
    command += ["-map", f"0:{kind}", "-f", "framecrc", "-"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    frames = [line for line in done.stdout.splitlines() if not line.startswith("#")]
    return len(frames), done.stderr


@pytest.mark.parametrize(
    ("name", "track", "kind", "size"),
    [
        ("hls_ts", "v1a1", "v", "640x360"),
        ("hls_ts", "v1a1", "a", "640x360"),
        # ffmpeg as HLS client reads the first EXT-X-MAP only; hls.js and AVPlayer read each.
        ("hls_fmp4", "v1", "v", "320x180"),
        ("hls_fmp4", "a1", "a", "320x180"),
    ],
)
def test_ffmpeg_plays_across_segments_and_a_discontinuity(
    encode: Callable[..., Path],
    collect: Callable[..., Collector],
    tmp_path: Path,
    name: str,
    track: str,
    kind: str,
    size: str,
) -> None:
    """A clip, a gap, the clip again, in another size where the client can do that."""
    collector = collect()
    clip = read_clip(encode("mp4", *X264, *AAC))
    other = read_clip(encode("mp4", "-s", size, *X264[2:], *AAC)).shifted(900_000)
    collector.output.set_tracks(clip.tracks)
    collector.subscribe(name)
    collector.push(clip.frames)
    collector.output.set_tracks(other.tracks)
    collector.output.gap()
    collector.push(other.frames)
    collector.output.gap()
    collector.output.flush()
    path = tmp_path / "list.m3u8"
    path.write_text(playlist(collector, name, track))
    frames, errors = play(path, kind)
    assert errors == ""
    wanted = 2 * clip.count("video" if kind == "v" else "audio")
    # Sound that arrives before the first key frame belongs to no segment.
    assert frames == wanted if kind == "v" else wanted - 12 <= frames <= wanted
