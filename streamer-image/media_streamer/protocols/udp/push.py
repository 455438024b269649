"""`push udp://[INTERFACE@]HOST:PORT[/INTERFACE][?ttl=N]`: MPEG-TS by UDP.

A datagram has seven packets, the last one of what comes together fewer. Nobody answers, so a push
runs as soon as there is an address; what the network says (a host that refuses, no route) is an
error that is told, and the push goes on. The rate is that of the stream: what comes in bursts is
spread over some tens of milliseconds, and no burst of old pictures is sent at the start. With
`bitrate=` it is constant, padded with null packets (`constant.py`), each datagram at its moment
(`steady.py`). With `standby` only while no other sends (`standby.py`). `rtp://` is the same with a
header before each datagram: its `Seal`.
"""

import asyncio
import contextlib
import errno
import ipaddress
import logging
import socket
import struct
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import parse_qs, urlsplit

from media_streamer.egress.context import Egress
from media_streamer.egress.jobs import JobFailed, Work
from media_streamer.egress.paced import Cut, LastCut, PacedSender
from media_streamer.egress.push import Push
from media_streamer.egress.ts_service import relabeled
from media_streamer.outgoing.addresses import Reach, reach_of_process
from media_streamer.outgoing.dial import Place, addresses
from media_streamer.outgoing.segments import MAX_SEGMENTS, segments_of
from media_streamer.protocols.udp.constant import DATAGRAM_BYTES, PACKET_BYTES, ConstantRate
from media_streamer.protocols.udp.standby import Standby, interface_index
from media_streamer.protocols.udp.steady import STEADY

log = logging.getLogger(__name__)

MIN_BIT_RATE = 50_000
"""Below it there is no room for the tables and the clock."""
DEFAULT_TTL = 16
"""Of multicast: beyond this network, as FFmpeg; the kernel's own default of 1 stays in it."""
SPREAD_STEPS = 4
"""In which leaves what waits when something comes: a chunk of 40 ms is gone with the next."""
RUN_BYTES = 4 * DATAGRAM_BYTES
"""The least that leaves in a step: some 20 ms of 2 Mb/s."""
RUNS_AT_ONCE = MAX_SEGMENTS * DATAGRAM_BYTES // RUN_BYTES
_NO_SEGMENTS = frozenset({errno.EINVAL, errno.EIO, errno.EMSGSIZE, errno.EOPNOTSUPP})
READ_BYTES = 49 * PACKET_BYTES
"""Of the stream, for each datagram of seven packets that is made: it takes some 40 us."""
MAX_CAME = 3
"""Pieces of the stream that wait to be read."""
SEND_BUFFER_BYTES = 512 * 1024
CALM_WRITES = 100
"""So many in a row without a complaint of the network: what was wrong is over (some 4 s)."""
MAX_REFUSED = 1000
"""Datagrams in a row that could not be sent: then the way there is looked for anew."""


@dataclass(frozen=True, slots=True)
class UdpUrl:
    """Where to, and by which interface (name or address; empty: as the routes say)."""

    host: str
    port: int
    interface: str
    ttl: int

    @classmethod
    def of(cls, url: str) -> "UdpUrl":
        """Raises ValueError with words for people."""
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            raise ValueError("the port of the URL is no number") from None
        if not parts.hostname or not port:
            text = f"the URL lacks an address or a port: write {parts.scheme}://ADDRESS:PORT"
            raise ValueError(text)
        query = parse_qs(parts.query, keep_blank_values=True)
        text = query.pop("ttl", [str(DEFAULT_TTL)])[-1]
        if query:
            raise ValueError(f"the URL has parameters that are not known: {', '.join(query)}")
        if not text.isdecimal() or not 0 <= int(text) <= 255:
            raise ValueError("ttl is 0 to 255")
        interface = parts.username or parts.path.strip("/")
        return cls(parts.hostname, port, interface, int(text))


def is_group(place: Place) -> bool:
    """An address of multicast."""
    return ipaddress.ip_address(str(place[3][0]).partition("%")[0]).is_multicast


def open_socket(url: UdpUrl, place: object, family: int, *, loop_back: bool) -> socket.socket:
    """A connected socket. Raises OSError."""
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        with contextlib.suppress(OSError):  # the system's bound holds
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        address = ipaddress.ip_address(str(place[0]).partition("%")[0])  # type: ignore[index]
        if address.is_multicast:
            _set_multicast(sock, url, loop_back)
        sock.connect(place)  # type: ignore[arg-type]
    except BaseException:
        sock.close()
        raise
    return sock


def _set_multicast(sock: socket.socket, url: UdpUrl, loop_back: bool) -> None:
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, url.ttl)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, loop_back)
        if url.interface:
            index = socket.if_nametoindex(url.interface)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        return
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, url.ttl)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, loop_back)
    if url.interface:
        # struct ip_mreqn of ip(7): group, address of the interface, its index.
        request = struct.pack("4s4si", bytes(4), *interface_index(url.interface))
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, request)


def _cut(data: bytes) -> Cut[bytes]:
    """Runs of full datagrams; the last one has what is left: the end of a picture does not wait for
    the next one, which would make it 40 ms older."""
    cut = [data[at : at + RUN_BYTES] for at in range(0, len(data), RUN_BYTES)]
    return [(len(run), run) for run in cut]


_last_cut = LastCut(_cut)


class _Calm:
    """The error of a push that goes on: told while it holds, and not for ever."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._told = ""
        """What was told here and holds: what others told is theirs to take back."""
        self._writes = 0

    def broken(self, error: str) -> None:
        self._work.error = self._told = error
        self._writes = 0

    def wrote(self) -> None:
        """Something was sent since."""
        if self._told:
            self._writes += 1
            if self._writes > CALM_WRITES:
                if self._work.error == self._told:
                    self._work.error = ""
                self._told = ""


class Seal(Protocol):
    """What goes before each datagram, in the order in which they leave."""

    head_bytes: int

    def seal(self, datagram: bytes) -> bytes:
        """The datagram with its head."""


class UdpSender(PacedSender[bytes]):
    """What a broadcast writes to. What waits is runs of datagrams: each by itself costs twice as
    much."""

    def __init__(self, sock: socket.socket, work: Work, seal: Seal | None = None) -> None:
        super().__init__()
        self._socket = sock
        self._seal = seal
        self._size = DATAGRAM_BYTES + (seal.head_bytes if seal else 0)
        self._work = work
        self._refused = 0
        self._in_runs = True
        self._share = 0
        self._calm = _Calm(work)
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    @property
    def step_bytes(self) -> int:
        return self._share

    def write(self, data: bytes) -> None:
        """Send whole packets."""
        self.queue(_last_cut.of(data))
        self._share = self.get_write_buffer_size() // SPREAD_STEPS
        self.pump()
        self._calm.wrote()

    def abort(self) -> None:
        """Send nothing more."""
        self.close()
        self._socket.close()

    def send(self, datagrams: list[bytes]) -> int:
        size = self._size
        for runs in _batches(datagrams):
            if self._seal is not None:
                runs = [_sealed(run, self._seal) for run in runs]
            if not self._in_runs or not self._send_runs(runs):
                for run in runs:
                    for begin in range(0, len(run), size):
                        self._send_one(run[begin : begin + size])
        if self._refused > MAX_REFUSED and not self.lost.done():
            self.lost.set_result(f"nothing can be sent: {self._work.error}")
            self.close()
        return len(datagrams)

    def _send_runs(self, runs: list[bytes]) -> bool:
        """False if each datagram has to be sent by itself."""
        try:
            self._socket.sendmsg(runs, segments_of(self._size))
        except OSError as error:
            # An old kernel, a small MTU; anything else may be what became of earlier ones.
            self._in_runs = error.errno not in _NO_SEGMENTS
            if self._in_runs:
                self._calm.broken(error.strerror or str(error))
            return False
        self._refused = 0
        return True

    def _send_one(self, datagram: bytes) -> None:
        try:
            self._socket.send(datagram)
            self._refused = 0
        except OSError as error:
            # Also what became of an earlier one: ICMP is told late.
            self._refused += 1
            self._work.count("errors_dropped_frames")
            self._calm.broken(error.strerror or str(error))


def _batches(runs: list[bytes]) -> Iterator[list[bytes]]:
    """What leaves in one call: of its datagrams only the last one may be a shorter one (udp(7),
    UDP_SEGMENT)."""
    batch: list[bytes] = []
    for run in runs:
        batch.append(run)
        if len(run) % DATAGRAM_BYTES or len(batch) == RUNS_AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def _sealed(run: bytes, seal: Seal) -> bytes:
    """A run whose datagrams have their heads."""
    whole = range(0, len(run), DATAGRAM_BYTES)
    return b"".join(seal.seal(run[at : at + DATAGRAM_BYTES]) for at in whole)


class ConstantSender:
    """The same at a constant rate; `send_one` and `prepare` belong to the steady thread."""

    def __init__(
        self,
        sock: socket.socket,
        work: Work,
        bit_rate: int,
        video_rate: int = 0,
        seal: Seal | None = None,
    ) -> None:
        self._socket = sock
        self._seal = seal
        self._work = work
        self._rate = ConstantRate(bit_rate, video_rate)
        self._came: deque[bytes] = deque()
        self._read_at = 0
        """How much was read of the first of them."""
        self._next: bytes | None = None
        """The datagram that is ready."""
        self._refused = self._told_refused = self._in_a_row = self._told_dropped = 0
        self._error = ""
        self._calm = _Calm(work)
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        STEADY.add(self)

    def write(self, data: bytes) -> None:
        """Take whole packets."""
        self._came.append(data)
        if refused := self._refused - self._told_refused:
            self._told_refused += refused
            self._work.count("errors_dropped_frames", refused)
            self._calm.broken(self._error)
        if dropped := self._rate.dropped - self._told_dropped:
            self._told_dropped += dropped
            self._work.count("errors_dropped_frames", dropped)
            self._calm.broken("the stream needs more than the bitrate of the push, or its vb")
        if self._in_a_row > MAX_REFUSED and not self.lost.done():
            self.lost.set_result(f"nothing can be sent: {self._error}")
        self._calm.wrote()

    def get_write_buffer_size(self) -> int:
        return 0  # what the rate does not carry is dropped at once

    def is_closing(self) -> bool:
        return self._socket.fileno() < 0

    def abort(self) -> None:
        """Send nothing more."""
        STEADY.remove(self)
        self._socket.close()

    def send_one(self) -> float | None:
        """See `steady.py`."""
        if self._next is None:
            self.prepare()
        datagram, self._next = self._next, None
        if datagram is None:
            return None
        try:
            self._socket.send(datagram)
            self._in_a_row = 0
        except OSError as error:
            self._refused += 1
            self._in_a_row += 1
            self._error = error.strerror or str(error)
        return self._rate.seconds

    def prepare(self) -> None:
        """See `steady.py`. Some packets of what has come are enough: they are sent in 0.4 s. Of a
        stream that comes faster than it is read here, the rate has no room anyway."""
        rate = self._rate
        self._read()
        while len(self._came) > MAX_CAME or (self._came and not rate.is_running):
            self._read()
        if self._next is None and rate.is_running:
            datagram = rate.datagram()
            self._next = self._seal.seal(datagram) if self._seal else datagram

    def _read(self) -> None:
        if not self._came:
            return
        first, at = self._came[0], self._read_at
        end = at + READ_BYTES
        self._rate.write(first[at:end], is_end=end >= len(first))
        if end < len(first):
            self._read_at = end
        else:
            self._read_at = 0
            self._came.popleft()


async def run(egress: Egress, work: Work) -> None:
    """See `egress/jobs.py`."""
    await push_datagrams(egress, work)


async def push_datagrams(egress: Egress, work: Work, seal: Seal | None = None) -> None:
    """The push; raises JobFailed."""
    push = Push(egress, work)
    try:
        url = UdpUrl.of(push.config.url)
    except ValueError as error:
        raise JobFailed(str(error), hopeless=True) from None
    bit_rate = push.config.bitrate or 0
    if 0 < bit_rate < MIN_BIT_RATE:
        raise JobFailed(f"bitrate is at least {MIN_BIT_RATE // 1000}K", hopeless=True)
    if bit_rate and 0 < (push.config.vb or 0) < MIN_BIT_RATE:
        raise JobFailed(f"vb is at least {MIN_BIT_RATE // 1000}K", hopeless=True)
    if not push.config.standby:
        await _send(push, work, url, seal)
        return
    with await _watch(push, url) as standby:
        try:
            while True:
                work.waits()
                work.standby = "waiting"
                await standby.free()
                work.standby = "active"
                log.info("stream %s: %s: nobody else sends", work.stream, work.job.title)
                await _send(push, work, url, seal, standby)
                log.info("stream %s: %s: stands by, another one sends", work.stream, work.job.title)
        finally:
            work.standby = ""


async def _watch(push: Push, url: UdpUrl) -> Standby:
    """Hears the group; raises JobFailed."""
    async with push.reaching():
        place = (await addresses(url.host, url.port, socket.SOCK_DGRAM, reach_of_process()))[0]
        if not is_group(place):
            raise JobFailed("standby is for groups of multicast", hopeless=True)
        return Standby(place, url.interface)


async def _send(
    push: Push, work: Work, url: UdpUrl, seal: Seal | None, standby: Standby | None = None
) -> None:
    """Send until somebody else does, or raise JobFailed."""
    config = push.config
    broadcast = await push.source("ts")
    async with push.reaching():
        sock = await _reach(url, reach_of_process(), loop_back=bool(config.multicast_loop))
    sender = (
        ConstantSender(sock, work, config.bitrate, config.vb or 0, seal)
        if config.bitrate
        else UdpSender(sock, work, seal)
    )
    taken: asyncio.Task[None] | None = None
    try:
        if standby is not None:
            standby.own = sock.getsockname()[:2]
            taken = asyncio.create_task(standby.taken(), name="another sender of a group")
            taken.add_done_callback(lambda _: _lose(sender.lost))
        delivery = relabeled(sender, push.service)
        await push.send(broadcast, delivery, sender.lost, replay=False)
    except JobFailed:
        if taken is None or not taken.done():
            raise
    finally:
        if taken is not None:
            taken.cancel()
        sender.abort()


def _lose(lost: asyncio.Future[str]) -> None:
    if not lost.done():
        lost.set_result("another one sends")


async def _reach(url: UdpUrl, reach: Reach, *, loop_back: bool) -> socket.socket:
    failure: OSError = OSError("the host has no address")
    for family, _, _, place in await addresses(url.host, url.port, socket.SOCK_DGRAM, reach):
        try:
            return open_socket(url, place, family, loop_back=loop_back)
        except OSError as error:
            failure = error
    raise failure
