"""What a peer says beyond what anybody honest does."""

import pytest
from media_streamer.budgets import RTSP_FEEDBACK_PER_SECOND
from media_streamer.rtp import rtcp
from media_streamer.rtp.feedback import TELL_SECONDS, WISH_SECONDS, Feedback


def test_what_is_beyond_is_passed_over_counted_and_told(caplog: pytest.LogCaptureFixture) -> None:
    said = Feedback("stream s: 192.0.2.1 by RTSP")
    read = [said.may_be_read(0.5) for _ in range(RTSP_FEEDBACK_PER_SECOND + 100)]
    assert read.count(True) == RTSP_FEEDBACK_PER_SECOND
    assert all(read[:RTSP_FEEDBACK_PER_SECOND])
    assert said.surplus == 100
    assert said.may_be_read(1.5), "another second"
    for second in range(2, int(TELL_SECONDS)):
        for _ in range(RTSP_FEEDBACK_PER_SECOND + 1):
            said.may_be_read(float(second))
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("stream s: 192.0.2.1 by RTSP sends more than 500 RTCP packets a second")
    for _ in range(RTSP_FEEDBACK_PER_SECOND + 1):
        said.may_be_read(TELL_SECONDS + 1)
    assert len(caplog.records) == 2
    assert f"{said.surplus} so far" in caplog.records[-1].getMessage()


def test_a_key_frame_is_wished_for_now_and_then() -> None:
    said = Feedback("stream s: 192.0.2.1 by RTSP")
    wish = rtcp.receiver_report(9) + rtcp.picture_loss(9, 9)
    times = [10.0, 10.1, 10.0 + WISH_SECONDS, 30.0]
    assert [said.wants_key_frame(wish, now) for now in times] == [True, False, True, True]
    assert not said.wants_key_frame(rtcp.receiver_report(9), 40.0)
    assert not said.wants_key_frame(b"\x81\xc9\xff\xff" + bytes(60), 41.0), "garbage"
