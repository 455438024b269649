"""Subtitles as they are read and written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.files.cues import (
    MAX_CUE_CHARACTERS,
    MAX_CUES,
    Cue,
    decoded,
    marked_up,
    read_cues,
    text_of_sample,
    webvtt,
)

from tests.support.films import words

SRT = """1
00:00:01,000 --> 00:00:02,500
Hello <i>there</i>
<font color="#fff">second</font> {\\an8}line & more

2
00:00:00,5 --> 00:00:00,900
First

broken
00:00:09,000 --> 00:00:08,000
goes back
"""
VTT = """WEBVTT - a title

NOTE no cue --> at all

STYLE
::cue { color: red }

intro
00:01.000 --> 00:02.000 align:start position:10% evil:<x>
<v Roger>Hi &amp; bye</v>
- <b>you</b>

01:00:00.000 --> 01:00:01.000
late
"""


def test_subrip_is_read_in_the_order_of_time() -> None:
    assert read_cues(SRT) == [
        Cue(0.5, 0.9, "First"),
        Cue(1.0, 2.5, "Hello <i>there</i>\nsecond line &amp; more"),
    ]
    assert read_cues(SRT.replace("\n", "\r\n")) == read_cues(SRT)


def test_webvtt_is_read_with_its_settings() -> None:
    assert read_cues(VTT) == [
        Cue(1.0, 2.0, "Hi &amp; bye\n- <b>you</b>", "align:start position:10%"),
        Cue(3600.0, 3601.0, "late"),
    ]


@pytest.mark.parametrize("code", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_files_are_read_whatever_they_were_written_with(code: str) -> None:
    assert decoded("Grüße".encode(code)) == "Grüße"


def test_what_is_written_is_read_again() -> None:
    cues = read_cues(VTT)
    text = webvtt(cues, 1.5)
    assert text.startswith("WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:135000\n\n")
    assert read_cues(text) == cues


def test_lengths_have_bounds() -> None:
    (cue,) = read_cues("00:01.000 --> 00:02.000\n" + "x" * 100_000)
    assert len(cue.text) == MAX_CUE_CHARACTERS
    assert len(read_cues("00:01.000 --> 00:02.000\nx\n\n" * (MAX_CUES + 5))) == MAX_CUES


@given(st.text())
def test_no_text_becomes_anything_but_text(text: str) -> None:
    made = marked_up(text)
    assert "\n\n" not in made
    assert "-->" not in made
    assert read_cues(webvtt([Cue(1, 2, made)])) == ([Cue(1.0, 2.0, made)] if made else [])


@given(st.text(alphabet="0123456789:.,-> \n<ib/>&amp;{\\}x"))
def test_any_file_is_read(text: str) -> None:
    for cue in read_cues(text):
        assert 0 <= cue.begin < cue.end


@pytest.mark.parametrize(
    ("form", "data", "text"),
    [
        (b"tx3g", b"\0\5<Hi>&", "&lt;Hi&gt;&amp;"),
        (b"tx3g", b"\0\0", ""),
        (b"tx3g", b"", ""),
        (b"tx3g", b"\xff\xffshort", "short"),
        (b"tx3g", b"\0\6" + "Hi".encode("utf-16"), "Hi"),
        (b"text", b"\0\2ab\0\0\0\x0cencd\0\0\1\0", "ab"),
        (b"wvtt", words(21) + b"vttc" + words(13) + b"payla<b>b"[:9], "a"),
        (b"wvtt", words(8) + b"vtte", ""),
        (b"wvtt", words(99) + b"vttc", ""),
    ],
)
def test_samples_of_tracks_are_texts(form: bytes, data: bytes, text: str) -> None:
    assert text_of_sample(data, form).startswith(text)
    assert bool(text_of_sample(data, form)) == bool(text)
