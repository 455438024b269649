"""The life of a stream that kubectl declares: placed, played, edited, renamed, disabled, deleted.

The tests of this module share one installation; each makes streams of its own.
"""

from __future__ import annotations

import urllib.error

import pytest
from appliance import Installation, decode, fake_stream, fetch
from local_cluster import ClusterError, wait_until

pytestmark = pytest.mark.timeout(300)


def is_gone(url: str) -> bool:
    """Whether the server denies that there is such a stream."""
    try:
        fetch(url)
    except urllib.error.HTTPError as error:
        return error.code == 404
    except OSError:
        return False
    return False


def test_stream_on_an_empty_cluster_gets_a_pod_and_plays(installation: Installation) -> None:
    assert installation.list("streamers") == []
    assert installation.pods("streamer") == []
    installation.apply(fake_stream("first", title="First"))
    installation.wait_reason("stream", "first", "Running")
    installation.wait_ready("streamer")
    hls = f"{installation.media()}/first/index.m3u8"
    installation.wait_playing(hls)
    assert decode(hls) >= 60
    assert decode(f"{installation.media()}/first/mpegts") >= 60
    installation.wait_reason("stream", "first", "FramesArrive", type_="InputActive")
    status = installation.get("stream", "first")["status"]
    assert status["streamer"] == status["activeStreamer"] == "streamer-default-0"
    assert status["urls"]["hls"].endswith("/first/index.m3u8")


def test_pods_have_no_rights(installation: Installation) -> None:
    installation.apply(fake_stream("rights"))
    installation.wait_reason("stream", "rights", "Running")
    for component in ("streamer", "central", "operator"):
        (pod,) = installation.pods(component)
        assert installation.kubectl("exec", pod, "--", "id", "-u") == "10001\n"
        with pytest.raises(ClusterError, match="Read-only file system"):
            installation.kubectl("exec", pod, "--", "touch", "/opt/app/written")
    (streamer,) = installation.pods("streamer")
    token = "/var/run/secrets/kubernetes.io/serviceaccount/token"
    with pytest.raises(ClusterError, match="No such file"):
        installation.kubectl("exec", streamer, "--", "cat", token)


def test_edit_takes_effect(installation: Installation) -> None:
    installation.apply(fake_stream("edited"))
    base = f"{installation.media()}/edited"
    installation.wait_playing(f"{base}/index.m3u8")
    installation.patch("stream", "edited", {"protocols": {"hls": False}, "title": "Edited"})
    wait_until(lambda: _is_forbidden(f"{base}/index.m3u8"), "HLS is off", 30)
    assert decode(f"{base}/mpegts") >= 60
    status, body = installation.wait_call("GET", "streams/edited")
    assert (status, body["title"]) == (200, "Edited")
    assert "hls" not in installation.get("stream", "edited")["status"]["urls"]


def _is_forbidden(url: str) -> bool:
    try:
        fetch(url)
    except urllib.error.HTTPError as error:
        return error.code in (403, 404)
    except OSError:
        return False
    return False


def test_rename_moves_the_url(installation: Installation) -> None:
    installation.apply(fake_stream("renamed"))
    base = installation.media()
    installation.wait_playing(f"{base}/renamed/index.m3u8")
    installation.patch("stream", "renamed", {"name": "studio/Two"})
    installation.wait_playing(f"{base}/studio/Two/index.m3u8")
    wait_until(lambda: is_gone(f"{base}/renamed/index.m3u8"), "the old name is gone", 30)
    assert installation.get("stream", "renamed")["status"]["streamName"] == "studio/Two"


def test_disabled_stream_stops_and_comes_back(installation: Installation) -> None:
    installation.apply(fake_stream("switched"))
    url = f"{installation.media()}/switched/index.m3u8"
    installation.wait_playing(url)
    installation.patch("stream", "switched", {"disabled": True})
    installation.wait_reason("stream", "switched", "Disabled")
    wait_until(lambda: is_gone(url), "the stream stops", 30)
    assert "streamer" not in installation.get("stream", "switched")["status"]
    installation.patch("stream", "switched", {"disabled": None})
    installation.wait_playing(url)


def test_deleted_stream_stops(installation: Installation) -> None:
    installation.apply(fake_stream("deleted"))
    url = f"{installation.media()}/deleted/index.m3u8"
    installation.wait_playing(url)
    installation.delete("stream", "deleted")
    wait_until(lambda: is_gone(url), "the stream stops", 30)


def test_second_stream_of_a_name_is_told_so(installation: Installation) -> None:
    installation.apply(fake_stream("owner"))
    installation.wait_reason("stream", "owner", "Running")
    # Creation times have seconds only; the older one wins, then the first by name.
    installation.apply(fake_stream("rival", name="owner"))
    refused = installation.wait_reason("stream", "rival", "NameConflict")
    assert "belongs to the older Stream 'owner'" in refused["message"]
    installation.delete("stream", "owner")
    installation.wait_reason("stream", "rival", "Running")
    installation.wait_playing(f"{installation.media()}/owner/index.m3u8")
