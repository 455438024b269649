"""The protocols of this server: one table, from which every list of them is derived.

Models (schemes, switches), routing, listeners, sessions, play and publish URLs, `--check`, the
operator's ports, the UI and the README read it. A protocol is one row here and one folder in the
streamer. Whether a role is served says its row, and nobody else.
"""

from collections.abc import Iterator
from typing import Literal, get_args

from media_api.protocols.row import (
    INPUT_OPTIONS,
    NOT_YET,
    PUSH_OPTIONS,
    Form,
    Listener,
    Protocol,
    Role,
    RoleName,
    SessionKind,
    Socket,
    Transport,
)
from media_api.protocols.table import ROWS

__all__ = [
    "ANY_PUBLISHER", "INPUT_OPTIONS", "NOT_YET", "PUSH_OPTIONS", "ROWS", "Form", "Listener",
    "Protocol", "Role", "RoleName", "SessionKind", "Socket", "Transport", "find",
    "input_option_schemes", "listeners",
    "missing_switches", "pull_protocol", "push_protocol", "roles", "schemes",
    "served_listeners", "served_schemes", "session_kind", "switch_of", "switches",
    "unserved_fields", "unserved_input_options", "usual_listeners", "why_not",
]  # fmt: skip

_ROLES: tuple[RoleName, ...] = get_args(RoleName)
ANY_PUBLISHER = "publish"
"""Scheme of the input that no protocol pulls: whoever publishes, by any of them."""


def find(name: str) -> Protocol | None:
    """The row by its name."""
    return next((row for row in ROWS if row.name == name), None)


def roles(role: RoleName) -> Iterator[tuple[Protocol, Role]]:
    """The rows that have the role, served or not."""
    for row in ROWS:
        found: Role | None = getattr(row, role)
        if found is not None:
            yield row, found


def schemes(role: RoleName) -> frozenset[str]:
    """Schemes that a configuration may name."""
    return frozenset(
        scheme for _, found in roles(role) for scheme in (*found.schemes, *found.other_schemes)
    )


def served_schemes(role: RoleName) -> frozenset[str]:
    """Schemes that this server opens."""
    return frozenset(s for _, found in roles(role) if found.served for s in found.schemes)


def unserved_fields() -> dict[str, str]:
    """Options of streams and of the server that no served role reads, with the reason."""
    return _unserved("fields")


def unserved_input_options() -> dict[str, str]:
    """The same of inputs."""
    return _unserved("input_options")


def _unserved(kind: Literal["fields", "input_options"]) -> dict[str, str]:
    asked: dict[str, str] = {}
    served: set[str] = set()
    for role in _ROLES:
        for row, found in roles(role):
            names: tuple[str, ...] = getattr(found, kind)
            if found.served:
                served.update(names)
            else:
                whose = "" if row.is_served else f"{row.title} is "
                asked.update(dict.fromkeys(names, whose + found.missing))
    return {name: reason for name, reason in asked.items() if name not in served}


def input_option_schemes() -> dict[str, list[str]]:
    """Options of inputs that only some protocols read, with the schemes of those, each once in the
    order of the table."""
    found: dict[str, dict[str, None]] = {}
    for row in ROWS:
        for role in (row.publish, row.pull):
            if role is None or not role.served:
                continue
            schemes = dict.fromkeys(role.schemes or (ANY_PUBLISHER,))
            for option in role.input_options:
                found.setdefault(option, {}).update(schemes)
    return {option: list(schemes) for option, schemes in found.items()}


def pull_protocol(scheme: str) -> Protocol | None:
    """The row that pulls from URLs of this scheme; None if nobody does."""
    for row, role in roles("pull"):
        if role.served and scheme in role.schemes:
            return row
    return None


def push_protocol(scheme: str) -> Protocol | None:
    """The row that pushes to URLs of this scheme; None if nobody does."""
    for row, role in roles("push"):
        if role.served and scheme in role.schemes:
            return row
    return None


def why_not(role: RoleName, scheme: str) -> str:
    """Why nobody opens URLs of this scheme, in words that follow it; empty if somebody does."""
    for _, found in roles(role):
        if scheme in found.schemes:
            return found.missing
    return NOT_YET


def switches() -> dict[str, str]:
    """Keys of `protocols` of a stream with their titles, each once."""
    found: dict[str, str] = {}
    for row in ROWS:
        if row.switch:
            found.setdefault(row.switch, row.title)
    return found


def switch_of(proto: str) -> str:
    """The switch of what sessions call `proto`; empty if it cannot be played."""
    row = find(proto)
    return row.switch if row is not None and row.play is not None else ""


def missing_switches() -> dict[str, str]:
    """Switches that nothing is served behind, with the reason."""
    served = {row.switch for row, role in roles("play") if role.served}
    return {
        row.switch: role.missing
        for row, role in roles("play")
        if row.switch and row.switch not in served
    }


def session_kind(proto: str) -> SessionKind:
    """What one viewer by `proto` is."""
    row = find(proto)
    return row.session if row is not None else "connection"


def listeners() -> dict[str, tuple[Protocol, Listener]]:
    """All keys of `listeners`, with whose they are."""
    return {item.name: (row, item) for row in ROWS for item in row.listeners}


def served_listeners() -> dict[str, tuple[Protocol, Listener]]:
    """The listeners at which somebody answers."""
    return {name: found for name, found in listeners().items() if found[0].answers}


def usual_listeners() -> dict[str, tuple[Protocol, Listener]]:
    """What a server opens without privileges and without being told: by name."""
    return {
        name: (row, item)
        for name, (row, item) in served_listeners().items()
        if item.unprivileged is not None
    }
