"""Playlists of sources: bounded, with absolute addresses."""

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.protocols.hls.remote import (
    MAX_PLAYLIST_BYTES,
    MAX_SEGMENTS,
    MAX_SETTLED_BYTES,
    PlaylistError,
    read_playlist,
    settle,
)

URL = "https://cdn.example.com/a/b/index.m3u8?t=1"


def reader(data: bytes):
    position = 0

    def read(size: int) -> bytes:
        nonlocal position
        position += size
        return data[position - size : position]

    return read


def test_addresses_become_absolute() -> None:
    media = """#EXTM3U
#EXT-X-TARGETDURATION:4
#EXT-X-KEY:METHOD=AES-128,URI="../key?x=1",IV=0x00
#EXT-X-MAP:URI="init.mp4",BYTERANGE="100@0"
#EXTINF:4,title, with URI="inside"
/root/1.ts
#EXTINF:4,
https://other.example.com/2.ts
#EXTINF:4,
//third.example.com/3.ts

3 with blank.ts?a=b:c
"""
    playlist = settle(media.replace("\n", "\r\n").encode(), URL)
    assert playlist.data.decode().splitlines() == [
        "#EXTM3U",
        "#EXT-X-TARGETDURATION:4",
        '#EXT-X-KEY:METHOD=AES-128,URI="https://cdn.example.com/a/key?x=1",IV=0x00',
        '#EXT-X-MAP:URI="https://cdn.example.com/a/b/init.mp4",BYTERANGE="100@0"',
        '#EXTINF:4,title, with URI="inside"',
        "https://cdn.example.com/root/1.ts",
        "#EXTINF:4,",
        "https://other.example.com/2.ts",
        "#EXTINF:4,",
        "https://third.example.com/3.ts",
        "",
        "https://cdn.example.com/a/b/3 with blank.ts?a=b:c",
    ]
    assert playlist.children == ()


def test_a_multivariant_playlist_names_others() -> None:
    text = """#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="x",URI="audio.m3u8"
#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID="c",NAME="y",INSTREAM-ID="CC1"
#EXT-X-STREAM-INF:BANDWIDTH=1
v1.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=2
v2.m3u8
"""
    base = "https://cdn.example.com/a/b/"
    assert settle(text.encode(), URL).children == tuple(
        base + name for name in ("audio.m3u8", "v1.m3u8", "v2.m3u8")
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<html>", "no playlist"),
        ("", "no playlist"),
        ("#EXTM3U\nfile:///etc/passwd\n", "not http"),
        ("#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI=\"data:x/y;base64,AA\"\n", "not http"),
        ("#EXTM3U\ngopher://x/\n", "not http"),
        ("#EXTM3U\nhttp://[::1\n", None),
        ("#EXTM3U\n//[::1\n", "cannot be read"),
        ("#EXTM3U\n" + "x\n" * (MAX_SEGMENTS + 1), "segments"),
        ("#EXTM3U\n" + "".join(f"#EXT-X-STREAM-INF:\n{n}\n" for n in range(65)), "others"),
    ],
)  # fmt: skip
def test_what_is_refused(text: str, words: str | None) -> None:
    if words is None:
        settle(text.encode(), URL)  # the client refuses it, when it is asked for
        return
    with pytest.raises(PlaylistError, match=words):
        settle(text.encode(), URL)


def test_short_lines_do_not_become_long_ones_without_end() -> None:
    far = "https://cdn.example.com/" + "x" * 4000 + "/index.m3u8"
    with pytest.raises(PlaylistError):
        settle(b"#EXTM3U\n" + b"y\n" * 10_000, far)


@pytest.mark.parametrize("coding", ["identity", "gzip", "deflate"])
def test_reading(coding: str) -> None:
    pack = {"identity": bytes, "gzip": gzip.compress, "deflate": zlib.compress}[coding]
    text = b"#EXTM3U\n" + b"#x\n" * 1000
    assert read_playlist(reader(pack(text)), coding) == text
    bomb = pack(b"#EXTM3U\n" + bytes(50 * 1024 * 1024))
    with pytest.raises(PlaylistError, match="exceeds 2 MiB"):
        read_playlist(reader(bomb), coding)


def test_other_packings_and_broken_ones() -> None:
    with pytest.raises(PlaylistError, match="not asked for"):
        read_playlist(reader(b"x"), "br")
    with pytest.raises(PlaylistError, match="cannot be unpacked"):
        read_playlist(reader(b"not packed at all"), "gzip")


@given(st.binary(max_size=300), st.booleans())
def test_anything_is_taken_or_refused(data: bytes, head: bool) -> None:
    data = b"#EXTM3U\n" + data if head else data
    try:
        playlist = settle(data, URL)
    except PlaylistError:
        return
    assert len(playlist.data) <= MAX_SETTLED_BYTES + MAX_PLAYLIST_BYTES
    for line in playlist.data.decode().splitlines():
        assert not line or line.startswith(("#", "http://", "https://"))
