"""The environment variables of the streamer, as `--help` and the reference list them.

Role: one table for people; what reads each is the module that needs it. `STREAMER_X` may also be
spelled `FLUSSONIC_X` where the last column says so. A unit test holds it complete.
"""

from dataclasses import dataclass

from media_api.protocols import listeners, served_listeners


@dataclass(frozen=True, slots=True)
class Variable:
    """`names` are told in one line; `twin`: its older spelling is read, too."""

    names: tuple[str, ...]
    about: str
    twin: bool = True


def _ports() -> tuple[str, ...]:
    return tuple(f"STREAMER_{name.upper()}" for name in served_listeners())


VARIABLES: tuple[Variable, ...] = (
    Variable(_ports(), "ports"),
    Variable(("STREAMER_ADMIN_HTTP",), "a further HTTP port"),
    Variable(
        ("STREAMER_EDIT_AUTH", "STREAMER_VIEW_AUTH"), '"login password" of the API and the UI'
    ),
    Variable(("STREAMER_ADMIN_VIEW_DISABLED",), "administrators may not watch past authorisation"),
    Variable(("STREAMER_CLUSTER_KEY",), "key of the servers of the cluster"),
    Variable(("STREAMER_CONFIG_EXTERNAL",), "backend that gives the streams"),
    Variable(
        ("STREAMER_CONFIG_EXTERNAL_TOKEN_FILE",),
        "file with the token that this backend is shown",
        twin=False,
    ),
    Variable(("STREAMER_HOSTNAME",), "name of this server in the cluster"),
    Variable(("STREAMER_TRUSTED_PROXIES",), "networks whose X-Forwarded-For is believed"),
    Variable(("STREAMER_WEBRTC_ADDRESSES",), "addresses at which WebRTC peers reach this server"),
    Variable(
        ("STREAMER_SRT_ADDRESS_CONNECTIONS",),
        "connections that an address has on an SRT port (default: 128)",
        twin=False,
    ),
    Variable(("STREAMER_LOG_LEVEL",), "debug, info, warning or error"),
    Variable(("STREAMER_LOG_FORMAT",), "text (default) or json"),
    Variable(
        ("STREAMER_MEDIA_WORKERS", "STREAMER_EGRESS_WORKERS"),
        "processes (default: cores, at most 8)",
        twin=False,
    ),
    Variable(("STREAMER_SEGMENTS_DIR",), "HLS segments (default: shared memory)", twin=False),
    Variable(("STREAMER_STATE_DIR",), "what survives a restart", twin=False),
    Variable(
        ("STREAMER_LINK_LOCAL_ALLOWED",),
        "link-local networks that may be connected to",
        twin=False,
    ),
    Variable(("STREAMER_LOG_DIR",), "files of event sinks (/var/log/flussonic)", twin=False),
    Variable(("STREAMER_ACCESS_LOG",), "file of logrequests; -: this log", twin=False),
    Variable(("STREAMER_RUNTIME_DIR",), "sockets (default: a new directory)", twin=False),
)
UNSERVED = tuple(
    f"STREAMER_{name.upper()}" for name in listeners().keys() - served_listeners().keys()
)
"""Ports that are read and said to be not served."""


def help_text() -> str:
    """The table for `--help`."""
    lines = []
    for one in VARIABLES:
        names = ", ".join(one.names)
        if len(names) > 48:
            lines.append(f"  {names}")
            names = ""
        lines.append(f"  {names:<48}  {one.about}")
    return "\n".join(lines)
