# mypy: ignore-errors
"""GStreamer as a player of `rtsps`: arguments URL and, if any, the one certificate that it trusts.

Run by the system's Python, which has the bindings (python3-gi). Prints `played` after some
pictures, or `refused` and why.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gio, Gst  # noqa: E402

PICTURES = 20
SECONDS = 20


def main():
    Gst.init(None)
    pipeline = Gst.parse_launch(
        f"rtspsrc name=source location={sys.argv[1]} protocols=tcp"
        f" ! rtph264depay ! h264parse ! identity eos-after={PICTURES} ! fakesink"
    )
    source = pipeline.get_by_name("source")
    source.set_property("tls-validation-flags", Gio.TlsCertificateFlags.VALIDATE_ALL)
    if len(sys.argv) > 2:
        backend = Gio.TlsBackend.get_default()
        assert backend.supports_tls(), "apt install glib-networking"
        source.set_property("tls-database", Gio.TlsFileDatabase.new(sys.argv[2]))
    pipeline.set_state(Gst.State.PLAYING)
    kinds = Gst.MessageType.EOS | Gst.MessageType.ERROR
    message = pipeline.get_bus().timed_pop_filtered(SECONDS * Gst.SECOND, kinds)
    if message is None:
        print("nothing")
    elif message.type == Gst.MessageType.ERROR:
        error, more = message.parse_error()
        print("refused", error.message, more)
    else:
        print("played")
    pipeline.set_state(Gst.State.NULL)


if __name__ == "__main__":
    main()
