"""SRT listeners of a stream and of the server."""

from ipaddress import ip_address
from typing import Annotated

from pydantic import AfterValidator, Field

from media_api.base import ApiModel
from media_api.units import Milliseconds, Seconds, SecondsOrFalse, Secret, Text

Passphrase = Annotated[
    Secret,
    Field(min_length=10, max_length=79, description="SRT passphrase, 10 to 79 characters."),
]


def split_place(spec: int | str) -> tuple[str, int]:
    """Address (empty: all) and port of a `ListenSpec`; raises ValueError."""
    address, _, text = str(spec).rpartition(":")
    port = int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else 0
    if not 0 < port < 65536:
        raise ValueError(f"{str(spec)[:60]!r} is no port: write 9998 or ADDRESS:9998")
    if address:
        try:
            address = str(ip_address(address.strip("[]")))
        except ValueError:
            raise ValueError(f"{address[:60]!r} is no address: write 10.0.0.5:9998") from None
    return address, port


def _check_place(spec: int | str) -> int | str:
    address, port = split_place(spec)
    return spec if address else port


# A port, or ADDRESS:PORT.
ListenSpec = Annotated[Annotated[int, Field(ge=1, le=65535)] | Text, AfterValidator(_check_place)]


class SrtConfig(ApiModel):
    """One SRT listener. Options have the meaning of the socket options of the same name."""

    port: ListenSpec | None = Field(default=None, description="UDP port or ADDRESS:PORT to bind.")
    passphrase: Passphrase | None = Field(
        default=None, description="Passphrase, 10 to 79 characters. Default: no encryption."
    )
    latency: Milliseconds | None = Field(
        default=None, description="Receiver buffer in milliseconds. Default 120."
    )
    timeout: SecondsOrFalse | None = Field(
        default=None, description="Seconds without data until the peer is dropped; false: never."
    )
    linger: Seconds | None = Field(
        default=None, description="Seconds in which the rest is sent at the end."
    )
    minversion: Text | None = Field(default=None, description="Lowest SRT version of a peer.")
    version: Text | None = Field(
        default=None, description="The same as minversion; the higher one holds."
    )
    enforcedencryption: bool | None = Field(
        default=None, description="Refuse peers whose encryption differs. Default true."
    )
    streamid: Annotated[Text, Field(max_length=512)] | None = Field(
        default=None, description="Stream id that a peer must give."
    )
