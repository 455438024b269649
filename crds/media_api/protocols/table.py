"""The table: a row each. Whoever serves a protocol edits its row and fills its folder.

The order is that in which ways to watch are offered. URL forms, schemes and switches are those of
Flussonic Media Server's public documentation.
"""

from media_api.protocols.row import NOT_YET, TS_PUSH_OPTIONS, Form, Listener, Protocol, Role

_DEVICE = "not served: this server drives no such device"
_RTMP_VERSION = 3  # Adobe RTMP 1.0, section 5.2.2
_HTTP = ("user_agent", "headers")
_CHOICE = ("programs", "pids")
"""Of inputs that may be a transport stream of several programs."""
_SERVER = ("cluster_key", "remote_dvr")
"""Of inputs that may be another server of the cluster."""
_DATAGRAM_PUSH = ("multicast_loop", "standby", "bitrate", "vb", *TS_PUSH_OPTIONS)
_SEGMENTS = "not served: take the stream by its HLS playlist, hls:// or cmaf://"
_WEBSOCKET = "not served: between servers it is m4f:// or m4s://, from others rtmp:// or tshttp://"
_OTHER_SERVERS = "not served: the protocol between the vendor's servers is not public"

ROWS: list[Protocol] = [
    Protocol(
        name="http",
        title="HTTP",
        transport="http",
        listeners=(
            Listener("http", "HTTP", 80, socket="http", unprivileged=8080),
            Listener("https", "HTTPS", 443, tls=True, socket="http"),
        ),
    ),
    Protocol(
        name="hls",
        title="HLS",
        switch="hls",
        transport="http",
        carrier="ts",
        session="segmented",
        play=Role(forms=(Form("hls", "HLS", "/{name}/index.m3u8"),)),
        pull=Role(
            schemes=("hls", "hlss", "hls2", "hlss2"),
            input_options=(*_HTTP, "pids", "skip_stalled_check"),
        ),
        push=Role(schemes=("hls", "hlss"), push_options=TS_PUSH_OPTIONS),
    ),
    Protocol(
        name="llhls",
        title="LL-HLS, HLS in fragmented MP4",
        folder="hls",
        switch="cmaf",
        transport="http",
        carrier="fmp4",
        session="segmented",
        play=Role(
            forms=(
                Form("llhls", "LL-HLS", "/{name}/index.ll.m3u8"),
                Form("fmp4", "HLS, fragmented MP4", "/{name}/index.fmp4.m3u8"),
            )
        ),
        pull=Role(
            schemes=("llhls", "llhlss", "cmaf", "cmafs"),
            input_options=(*_HTTP, "pids", "skip_stalled_check"),
        ),
    ),
    Protocol(
        name="dash",
        title="DASH",
        switch="dash",
        transport="http",
        carrier="fmp4",
        session="segmented",
        play=Role(
            forms=(
                Form("dash", "DASH", "/{name}/index.mpd"),
                Form("lldash", "DASH, low latency", "/{name}/index.ll.mpd"),
            ),
            fields=("dash_update_period",),
        ),
        pull=Role(schemes=("dash", "dashs"), missing=_SEGMENTS),
    ),
    Protocol(
        name="mss",
        title="Smooth Streaming",
        switch="mss",
        transport="http",
        carrier="fmp4",
        session="segmented",
        play=Role(
            forms=(Form("mss", "Smooth Streaming", "/{name}.isml/manifest"),), missing=NOT_YET
        ),
        pull=Role(schemes=("mss", "msss"), missing=NOT_YET),
    ),
    Protocol(
        name="tshttp",
        title="HTTP MPEG-TS",
        folder="ts",
        switch="tshttp",
        switch_aliases=("mpegts", "ts", "http-ts"),
        transport="http",
        carrier="ts",
        play=Role(forms=(Form("tshttp", "HTTP MPEG-TS", "/{name}/mpegts"),)),
        publish=Role(
            forms=(Form("tshttp", "HTTP MPEG-TS", "/{name}/mpegts"),), input_options=_CHOICE
        ),
        pull=Role(
            schemes=("tshttp", "tshttps"),
            input_options=(*_HTTP, *_SERVER, *_CHOICE),
            other_schemes=("mpts-http", "mpts-https"),
        ),
        push=Role(schemes=("tshttp", "tshttps"), push_options=TS_PUSH_OPTIONS),
    ),
    Protocol(
        name="tstcp",
        title="MPEG-TS over TCP",
        folder="ts",
        carrier="ts",
        pull=Role(schemes=("tstcp", "tsssl"), input_options=_CHOICE),
    ),
    Protocol(
        name="flv",
        title="HTTP-FLV",
        switch="flv",
        transport="http",
        carrier="flv",
        play=Role(forms=(Form("flv", "HTTP-FLV", "/{name}.flv"),)),
    ),
    Protocol(
        name="mseld",
        title="MSE over a WebSocket",
        folder="mse",
        switch="mseld",
        switch_aliases=("mse",),
        transport="http",
        carrier="fmp4",
        play=Role(
            forms=(Form("mseld", "MSE over a WebSocket", "/{name}/mse_ld", scheme="ws"),),
        ),
        pull=Role(schemes=("mseld", "mselds"), missing=_WEBSOCKET),
    ),
    Protocol(
        name="webrtc",
        title="WebRTC",
        switch="webrtc",
        transport="http",
        listeners=(Listener("webrtc", "WebRTC media", socket="datagram"),),
        carrier="rtp",
        play=Role(
            forms=(Form("webrtc", "WebRTC (WHEP)", "/{name}/whep"),),
        ),
        publish=Role(
            forms=(Form("whip", "WebRTC (WHIP)", "/{name}/whip"),),
            input_options=(
                "prefer_codec", "transport", "min_bitrate", "webrtc_abr", "abr_stepup",
                "abr_stepdown", "abr_correction", "abr_loss_lower", "abr_loss_upper", "abr_mode",
                "abr_cycles", "abr_debug",
            ),
        ),
        pull=Role(schemes=("whep", "wheps", "webrtc", "webrtcs"), input_options=_HTTP),
        push=Role(schemes=("whip", "whips", "webrtc", "webrtcs")),
    ),
    Protocol(
        name="rtmp",
        title="RTMP",
        switch="rtmp",
        transport="own",
        listeners=(
            Listener("rtmp", "RTMP", 1935, unprivileged=1935, first_byte=_RTMP_VERSION),
            Listener("rtmps", "RTMPS", 443, tls=True, first_byte=_RTMP_VERSION),
        ),
        carrier="flv",
        play=Role(forms=(Form("rtmp", "RTMP", "/static/{name}"),)),
        publish=Role(forms=(Form("rtmp", "RTMP", "/static/{name}", server="/static"),)),
        pull=Role(
            schemes=("rtmp", "rtmps"),
            other_schemes=("rtmpe",),
            input_options=("page_url", "swf_url", "tc_url"),
        ),
        push=Role(schemes=("rtmp", "rtmps")),
    ),
    Protocol(
        name="rtsp",
        title="RTSP",
        switch="rtsp",
        transport="own",
        listeners=(
            Listener("rtsp", "RTSP", 554, unprivileged=8554),
            Listener("rtsps", "RTSPS", 322, tls=True),
        ),
        carrier="rtp",
        play=Role(forms=(Form("rtsp", "RTSP", "/{name}"),)),
        publish=Role(forms=(Form("rtsp", "RTSP", "/{name}"),)),
        pull=Role(
            schemes=("rtsp", "rtsps", "rtsp2", "rtsp-udp"),
            input_options=("user_agent", "rtp", "wait_rtcp", *_CHOICE),
        ),
        push=Role(schemes=("rtsp", "rtsps")),
    ),
    Protocol(
        name="srt",
        title="SRT",
        switch="srt",
        transport="own",
        listeners=(
            Listener("srt", "SRT", socket="datagram", per_worker=False, own_line=False),
        ),
        carrier="ts",
        play=Role(
            forms=(Form("srt", "SRT", "?streamid=%23!::r%3D{name},m%3Drequest"),),
            fields=("srt", "srt2", "srt_play", "srt2_play"),
        ),
        publish=Role(
            forms=(Form("srt", "SRT", "?streamid=%23!::r%3D{name},m%3Dpublish"),),
            fields=("srt_publish", "srt2_publish"),
            input_options=_CHOICE,
        ),
        pull=Role(
            schemes=("srt",),
            input_options=(
                "passphrase", "latency", "streamid", "connect_timeout", "linger", "minversion",
                "version", "enforcedencryption", *_CHOICE,
            ),
        ),
        push=Role(
            schemes=("srt",),
            push_options=(
                "passphrase", "latency", "streamid", "linger", "minversion", "version",
                "enforcedencryption",
                *TS_PUSH_OPTIONS,
            ),
        ),
    ),
    Protocol(
        name="m4s",
        title="Low latency between servers",
        folder="m4f",
        switch="m4s",
        transport="http",
        play=Role(missing=NOT_YET),
        publish=Role(missing=NOT_YET),
        pull=Role(schemes=("m4s", "m4ss"), input_options=(*_HTTP, *_SERVER)),
        push=Role(schemes=("m4s", "m4ss"), missing=_OTHER_SERVERS),
    ),
    Protocol(
        name="m4f",
        title="Frames between our servers",
        switch="m4f",
        transport="http",
        play=Role(),
        pull=Role(schemes=("m4f", "m4fs"), input_options=(*_HTTP, *_SERVER)),
        push=Role(schemes=("m4f", "m4fs"), missing=_OTHER_SERVERS),
    ),
    Protocol(
        name="shoutcast",
        title="SHOUTcast",
        switch="shoutcast",
        transport="http",
        play=Role(forms=(Form("shoutcast", "SHOUTcast", "/{name}/shoutcast"),), missing=NOT_YET),
        pull=Role(schemes=("shoutcast", "shoutcasts"), missing=NOT_YET),
        push=Role(schemes=("shoutcast", "shoutcasts"), missing=NOT_YET),
    ),
    Protocol(
        name="mp4",
        title="MP4 of the archive",
        switch="mp4",
        transport="http",
        carrier="mp4",
        play=Role(),
    ),
    Protocol(
        name="player",
        title="Player page",
        switch="player",
        transport="http",
        session="uncounted",
        play=Role(forms=(Form("player", "Player page", "/{name}/embed.html"),)),
    ),
    Protocol(
        name="jpeg",
        title="Pictures",
        switch="jpeg",
        transport="http",
        carrier="jpeg",
        session="uncounted",
        play=Role(forms=(Form("jpeg", "Last picture", "/{name}/preview.jpg"),)),
    ),
    Protocol(
        name="api",
        title="media_info.json",
        folder="info",
        switch="api",
        transport="http",
        session="uncounted",
        play=Role(),
    ),
    Protocol(
        name="udp",
        title="MPEG-TS over UDP",
        carrier="ts",
        pull=Role(
            schemes=("udp", "udp1", "udp2", "udp3", "spts"),
            other_schemes=("mpts-udp",),
            input_options=("bind_ip", *_CHOICE),
        ),
        push=Role(schemes=("udp",), push_options=_DATAGRAM_PUSH),
    ),
    Protocol(
        name="rtp",
        title="RTP",
        carrier="rtp",
        pull=Role(schemes=("rtp", "sdp"), input_options=("bind_ip", *_CHOICE)),
        push=Role(schemes=("rtp",), push_options=_DATAGRAM_PUSH),
    ),
    Protocol(
        name="fake",
        title="Test picture",
        pull=Role(schemes=("fake",), input_options=("width", "height", "bitrate")),
    ),
    Protocol(
        name="file",
        title="Files",
        pull=Role(schemes=("file",)),
        push=Role(schemes=("file",), missing=NOT_YET),
    ),
    Protocol(
        name="copy",
        title="Another stream of this server",
        pull=Role(schemes=("copy",)),
        push=Role(schemes=("copy",), missing=NOT_YET),
    ),
    Protocol(
        name="playlist",
        title="Files one after another",
        pull=Role(schemes=("playlist",), input_options=_HTTP),
    ),
    Protocol(
        name="timeshift",
        title="An archive, delayed",
        pull=Role(schemes=("timeshift",)),
    ),
    Protocol(
        name="mixer",
        title="Picture and sound of several streams",
        pull=Role(schemes=("mixer", "mosaic", "mosaic2"), missing=NOT_YET),
    ),
    Protocol(
        name="ndi",
        title="NDI",
        pull=Role(schemes=("ndi",), missing=_DEVICE),
        push=Role(schemes=("ndi",), missing=_DEVICE),
    ),
    Protocol(
        name="capture",
        title="Capture and broadcast cards",
        pull=Role(
            schemes=("dvb", "mpts-dvb", "decklink", "dektec", "aja", "v4l", "v4l2"),
            missing=_DEVICE,
        ),
        push=Role(schemes=("decklink", "dektec"), missing=_DEVICE),
    ),
    Protocol(
        name="st2110",
        title="SMPTE ST 2110",
        pull=Role(schemes=("st2110",), missing=_DEVICE),
        push=Role(schemes=("st2110",), missing=_DEVICE),
    ),
    Protocol(
        name="sip",
        title="SIP and H.323",
        transport="own",
        listeners=(Listener("sip", "SIP", 5060),),
        pull=Role(schemes=("h323", "frip"), missing=NOT_YET),
    ),
    Protocol(
        name="turn",
        title="TURN",
        transport="own",
        listeners=(Listener("turn", "TURN", 3478, socket="datagram", per_worker=False),),
    ),
    Protocol(
        name="snmp",
        title="SNMP",
        transport="own",
        listeners=(Listener("snmp", "SNMP", 161, socket="datagram", per_worker=False),),
    ),
]  # fmt: skip
