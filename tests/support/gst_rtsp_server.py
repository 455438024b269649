# mypy: ignore-errors
"""GStreamer's RTSP server with a film for who has the login: arguments FILM, USER, PASSWORD.

`/film` has the tracks of the film, `/transport` a transport stream in RTP.

Run by the system's Python, which has the bindings (python3-gi, gir1.2-gst-rtsp-server-1.0). Prints
its port. Each client sees the film from its beginning, as time passes; sound is MP4A-LATM.
"""

import sys

import gi

for name in ("Gst", "GstRtsp", "GstRtspServer"):
    gi.require_version(name, "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

TRANSPORT = (
    '( filesrc location="{film}" ! qtdemux name=film'
    " mpegtsmux name=mux ! rtpmp2tpay name=pay0 pt=33"
    " film.video_0 ! queue ! h264parse config-interval=-1 ! mux."
    " film.audio_0 ! queue ! aacparse ! mux. )"
)
PIPELINE = (
    '( filesrc location="{film}" ! qtdemux name=film'
    " film.video_0 ! queue ! h264parse ! rtph264pay name=pay0 pt=96"
    " film.audio_0 ! queue ! aacparse ! rtpmp4apay name=pay1 pt=97 )"
)
ACCESS = ("media.factory.access", "media.factory.construct")


def main() -> None:
    film, user, password = sys.argv[1:]
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service("0")
    permissions = GstRtspServer.RTSPPermissions.new()
    permissions.add_role("viewer")
    for access in ACCESS:
        permissions.add_permission_for_role("viewer", access, True)
    for place, pipeline in (("/film", PIPELINE), ("/transport", TRANSPORT)):
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(pipeline.format(film=film))
        factory.set_permissions(permissions)
        server.get_mount_points().add_factory(place, factory)
    auth = GstRtspServer.RTSPAuth()
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    auth.add_digest(user, password, token)
    server.set_auth(auth)
    server.attach(None)
    print(server.get_bound_port(), flush=True)
    GLib.MainLoop().run()


main()
