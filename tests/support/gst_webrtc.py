# mypy: ignore-errors
"""GStreamer's `webrtcbin` as a client of WHEP or WHIP: arguments `play` or `publish`, and the URL.

Run by the system's Python, which has the bindings (python3-gi, gir1.2-gst-plugins-bad-1.0). Prints
a line for each step: `offered`, `answered STATUS`, the states of ICE and of the connection, and of
a player each kind of media once `BUFFERS` of it are decoded. Ends when its input does.
"""

import sys
import urllib.error
import urllib.request

import gi

for name in ("Gst", "GstSdp", "GstWebRTC"):
    gi.require_version(name, "1.0")
from gi.repository import GLib, GObject, Gst, GstSdp, GstWebRTC  # noqa: E402

BUFFERS = 25
SECONDS = 20
RECEIVED = {
    "video": "application/x-rtp,media=video,encoding-name=H264,payload=102,clock-rate=90000,"
    "packetization-mode=(string)1,profile-level-id=(string)42e01f",
    "audio": "application/x-rtp,media=audio,encoding-name=OPUS,payload=111,clock-rate=48000,"
    "encoding-params=(string)2",
}
SENT = (
    "videotestsrc is-live=true ! video/x-raw,width=320,height=180,framerate=25/1"
    " ! openh264enc gop-size=25 ! video/x-h264,profile=constrained-baseline"
    " ! rtph264pay aggregate-mode=zero-latency config-interval=-1 pt=102 ! peer."
    " audiotestsrc is-live=true ! audioconvert ! audioresample ! audio/x-raw,channels=2"
    " ! opusenc ! rtpopuspay pt=111 ! peer."
)
PIPELINE = "webrtcbin name=peer bundle-policy=max-bundle "


def say(*words):
    # In one piece: threads of GStreamer call it.
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


class Client:
    def __init__(self, mode, url):
        self.url = url
        self.pipeline = Gst.Pipeline()
        whole = Gst.parse_launch(PIPELINE + (SENT if mode == "publish" else ""))
        self.pipeline.add(whole)
        # Of one element there is no bin around it.
        self.peer = whole if mode == "play" else whole.get_by_name("peer")
        self.peer.connect("notify::ice-gathering-state", self.on_gathered)
        for state in ("ice-connection-state", "connection-state"):
            self.peer.connect(f"notify::{state}", self.on_state)
        if mode == "play":
            # The bindings make a class for its pads at the first one: two threads that bring one
            # each at the same moment get a class that is no pad.
            GObject.new(GObject.type_from_name("GstWebRTCBinSrcPad"), name="first")
            self.peer.connect("pad-added", self.on_track)
            for caps in RECEIVED.values():
                direction = GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY
                self.peer.emit("add-transceiver", direction, Gst.Caps.from_string(caps))
            self.pipeline.set_state(Gst.State.PLAYING)
            self.offer()
        else:
            self.peer.connect("on-negotiation-needed", lambda _: self.offer())
            self.pipeline.set_state(Gst.State.PLAYING)

    def offer(self):
        promise = Gst.Promise.new_with_change_func(self.on_offer)
        self.peer.emit("create-offer", None, promise)

    def on_offer(self, promise):
        reply = promise.get_reply()  # owns the offer
        self.peer.emit("set-local-description", reply.get_value("offer"), None)
        say("offered")

    def on_gathered(self, peer, _):
        if peer.get_property("ice-gathering-state") == GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            GLib.idle_add(self.ask)

    def ask(self):
        offer = self.peer.get_property("local-description").sdp.as_text()
        if "-v" in sys.argv:
            print(offer, file=sys.stderr)
        headers = {"Content-Type": "application/sdp"}
        request = urllib.request.Request(self.url, offer.encode(), headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:
                text = answer.read().decode()
                say("answered", answer.status)
        except urllib.error.HTTPError as error:
            say("answered", error.code, error.read().decode().strip())
            return False
        if "-v" in sys.argv:
            print(text, file=sys.stderr)
        _, message = GstSdp.SDPMessage.new_from_text(text)
        kind = GstWebRTC.WebRTCSDPType.ANSWER
        described = GstWebRTC.WebRTCSessionDescription.new(kind, message)
        self.peer.emit("set-remote-description", described, None)
        return False

    def on_state(self, peer, spec):
        say(spec.name, peer.get_property(spec.name).value_nick)

    def on_track(self, _, pad):
        if pad.direction != Gst.PadDirection.SRC:
            return
        kind = pad.get_current_caps().get_structure(0).get_string("media")
        decode = "rtph264depay ! avdec_h264" if kind == "video" else "rtpopusdepay ! opusdec"
        sink = Gst.parse_bin_from_description(
            f"{decode} ! fakesink sync=false signal-handoffs=true name=sink", True
        )
        self.pipeline.add(sink)
        sink.sync_state_with_parent()
        pad.link(sink.get_static_pad("sink"))
        count = [0]

        def on_buffer(*_):
            count[0] += 1
            if count[0] == BUFFERS:
                say("decoded", kind)

        sink.get_by_name("sink").connect("handoff", on_buffer)


def main():
    Gst.init(None)
    client = Client(sys.argv[1], sys.argv[2])
    loop = GLib.MainLoop()
    GLib.io_add_watch(sys.stdin, GLib.IOCondition.HUP, lambda *_: loop.quit())
    bus = client.pipeline.get_bus()
    bus.add_signal_watch()
    bus.connect("message::error", lambda _, message: say("error", message.parse_error()))
    loop.run()
    client.pipeline.set_state(Gst.State.NULL)


main()
