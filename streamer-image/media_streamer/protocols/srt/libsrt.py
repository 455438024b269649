"""The part of libsrt's C interface that is used here (SRT API Functions, 1.4 and newer).

The library is the system's (Debian: libsrt1.5-openssl or libsrt1.5-gnutls); a machine without it
runs everything but SRT, and says so. Calls release the interpreter lock. All sockets are in live
mode and do not block.
"""

import functools
import logging
import socket
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cffi

from media_streamer.budgets import SRT_LEAST_DATAGRAM_BYTES, SRT_WINDOW_PACKETS
from media_streamer.protocols.srt.guard import Drops, guard
from media_streamer.wire.media import Reception

log = logging.getLogger(__name__)

NAMES = ("libsrt.so.1.5", "libsrt-gnutls.so.1.5", "libsrt.so.1.4", "libsrt-gnutls.so.1.4")
PAYLOAD_BYTES = 1316
"""Seven packets of a transport stream: what a live message carries."""
MAX_MESSAGE_BYTES = 1456
LISTEN_BACKLOG = 1
IN, OUT, ERR = 0x1, 0x4, 0x8
OWN_WINDOW_PACKETS = 8192
"""As much as libsrt's buffer holds. Left alone it prepares itself for 25,600, with 0.3 MiB more a
connection, and receives no more for it."""
ASYNC_SEND, ASYNC_RECEIVE, TIMED_OUT = 6001, 6002, 6003
REJECT_BASE = 1000
"""Codes from here on are the application's, by HTTP's numbers (srt/access_control.h)."""
NOT_TAKEN = (
    f"some of what came was not taken: handshakes that ask for datagrams below "
    f"{SRT_LEAST_DATAGRAM_BYTES} bytes or a window above {SRT_WINDOW_PACKETS} packets are not"
)
_LOG_CRITICAL = 2

_C = """
typedef int SRTSOCKET;
typedef struct { SRTSOCKET fd; int events; } SRT_EPOLL_EVENT;
typedef struct {
  int64_t msTimeStamp; int64_t pktSentTotal; int64_t pktRecvTotal; int pktSndLossTotal;
  int pktRcvLossTotal; int pktRetransTotal; int pktSentACKTotal; int pktRecvACKTotal;
  int pktSentNAKTotal; int pktRecvNAKTotal; int64_t usSndDurationTotal; int pktSndDropTotal;
  int pktRcvDropTotal; int pktRcvUndecryptTotal; uint64_t byteSentTotal; uint64_t byteRecvTotal;
  uint64_t byteRcvLossTotal; uint64_t byteRetransTotal; uint64_t byteSndDropTotal;
  uint64_t byteRcvDropTotal; uint64_t byteRcvUndecryptTotal; int64_t pktSent; int64_t pktRecv;
  int pktSndLoss; int pktRcvLoss; int pktRetrans; int pktRcvRetrans; int pktSentACK;
  int pktRecvACK; int pktSentNAK; int pktRecvNAK; double mbpsSendRate; double mbpsRecvRate;
  int64_t usSndDuration; int pktReorderDistance; double pktRcvAvgBelatedTime;
  int64_t pktRcvBelated; int pktSndDrop; int pktRcvDrop; int pktRcvUndecrypt; uint64_t byteSent;
  uint64_t byteRecv; uint64_t byteRcvLoss; uint64_t byteRetrans; uint64_t byteSndDrop;
  uint64_t byteRcvDrop; uint64_t byteRcvUndecrypt; double usPktSndPeriod; int pktFlowWindow;
  int pktCongestionWindow; int pktFlightSize; double msRTT; double mbpsBandwidth;
  char rest[512];
} SRT_TRACEBSTATS;
int srt_startup(void);
uint32_t srt_getversion(void);
SRTSOCKET srt_create_socket(void);
int srt_bind(SRTSOCKET u, const void *name, int namelen);
int srt_bind_acquire(SRTSOCKET u, int sys_udp_sock);
int srt_listen(SRTSOCKET u, int backlog);
SRTSOCKET srt_accept(SRTSOCKET u, void *addr, int *addrlen);
int srt_listen_callback(SRTSOCKET u, int (*hook)(void *, SRTSOCKET, int, const void *,
                        const char *), void *opaque);
int srt_getsockname(SRTSOCKET u, void *name, int *namelen);
int srt_connect(SRTSOCKET u, const void *name, int namelen);
int srt_close(SRTSOCKET u);
int srt_setsockflag(SRTSOCKET u, int opt, const void *value, int len);
int srt_getsockflag(SRTSOCKET u, int opt, void *value, int *len);
int srt_send(SRTSOCKET u, const char *buf, int len);
int srt_recv(SRTSOCKET u, char *buf, int len);
int srt_getlasterror(int *errno_loc);
const char *srt_getlasterror_str(void);
int srt_epoll_create(void);
int srt_epoll_add_usock(int eid, SRTSOCKET u, const int *events);
int srt_epoll_remove_usock(int eid, SRTSOCKET u);
int srt_epoll_uwait(int eid, SRT_EPOLL_EVENT *found, int count, int64_t milliseconds);
int32_t srt_epoll_set(int eid, int32_t flags);
int srt_epoll_release(int eid);
int srt_setrejectreason(SRTSOCKET u, int value);
int srt_getrejectreason(SRTSOCKET u);
const char *srt_rejectreason_str(int id);
int srt_bstats(SRTSOCKET u, SRT_TRACEBSTATS *perf, int clear);
void srt_setloglevel(int level);
"""
ffi: Any = cffi.FFI()
ffi.cdef(_C)


class SrtError(OSError):
    """A call of libsrt failed; the text is for people."""


class SrtMissingError(SrtError):
    """The machine has no libsrt."""


@functools.cache
def library() -> Any:
    """The loaded library; raises SrtMissingError."""
    for name in NAMES:
        try:
            lib: Any = ffi.dlopen(name)
        except OSError:
            continue
        if lib.srt_startup() < 0:
            raise SrtMissingError("libsrt does not start")
        lib.srt_setloglevel(_LOG_CRITICAL)  # what matters is told by return values
        return lib
    raise SrtMissingError("libsrt is not installed: apt-get install libsrt1.5-openssl")


def version() -> str:
    """Of the library, such as 1.5.1; raises SrtMissingError."""
    number = library().srt_getversion()
    return f"{number >> 16 & 0xFF}.{number >> 8 & 0xFF}.{number & 0xFF}"


class Option:
    """Numbers of SRT_SOCKOPT that are used, with how their values are written."""

    SNDSYN, RCVSYN, LINGER, RCVLATENCY, PEERLATENCY = 1, 2, 7, 43, 44
    PASSPHRASE, PBKEYLEN, CONNTIMEO, MINVERSION, STREAMID = 26, 27, 36, 45, 46
    PAYLOADSIZE, ENFORCEDENCRYPTION, PEERIDLETIMEO, IPV6ONLY, TRANSTYPE = 49, 53, 55, 54, 50
    LATENCY, RCVTIMEO, FC = 23, 14, 4


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of one connection since it began. Times in ms, rates in bit/s."""

    packets_sent: int
    packets_received: int
    lost_by_sender: int
    lost_by_receiver: int
    retransmitted: int
    retransmitted_received: int
    dropped_by_sender: int
    dropped_by_receiver: int
    undecrypted: int
    bytes_sent: int
    bytes_received: int
    rtt: float
    bandwidth: int
    latency: int
    """Agreed for what comes in."""

    @property
    def reception(self) -> Reception:
        """Of what comes in."""
        return Reception(
            packets=self.packets_received,
            lost=self.lost_by_receiver,
            retransmitted=self.retransmitted_received,
            late=self.dropped_by_receiver,
            rtt=round(self.rtt),
            latency=self.latency,
        )


def socket_address(host: str, port: int) -> bytes:
    """`struct sockaddr_in` or `sockaddr_in6` of a numeric address (ip(7), ipv6(7))."""
    if ":" in host:
        packed = socket.inet_pton(socket.AF_INET6, host)
        family = struct.pack("=H", socket.AF_INET6)
        return family + struct.pack("!HI", port, 0) + packed + struct.pack("=I", 0)
    packed = socket.inet_aton(host or "0.0.0.0")
    return struct.pack("=H", socket.AF_INET) + struct.pack("!H", port) + packed + bytes(8)


def read_address(data: bytes) -> tuple[str, int]:
    """Address and port of a `struct sockaddr`; IPv4 ones that are mapped as such."""
    (family,) = struct.unpack_from("=H", data)
    (port,) = struct.unpack_from("!H", data, 2)
    if family == socket.AF_INET6:
        host = socket.inet_ntop(socket.AF_INET6, data[8:24]).removeprefix("::ffff:")
        return host, port
    return socket.inet_ntoa(data[4:8]), port


class SrtSocket:
    """A socket that does not block."""

    __slots__ = ("drops", "number")

    def __init__(self, number: int | None = None) -> None:
        """A new socket, or an accepted one. Raises SrtError."""
        if number is None:
            number = library().srt_create_socket()
            if number < 0:
                raise last_error("create")
            set_option(number, Option.FC, OWN_WINDOW_PACKETS)
        self.number = number
        self.drops: Drops | None = None
        """Of the UDP socket that it took over."""
        try:
            self.set_flag(Option.SNDSYN, False)
            self.set_flag(Option.RCVSYN, False)
        except SrtError:  # who called has gone meanwhile
            self.close()
            raise

    def set_flag(self, option: int, value: int | bool | str) -> None:
        """Set an option; raises SrtError."""
        set_option(self.number, option, value)

    def get_number(self, option: int) -> int:
        """An option that is a number; 0 if it cannot be had."""
        buffer, size = ffi.new("int *"), ffi.new("int *", 4)
        found = library().srt_getsockflag(self.number, option, buffer, size)
        return int(buffer[0]) if found >= 0 else 0

    @classmethod
    def blocking(cls, wait_ms: int) -> "SrtSocket":
        """A new one for a thread of its own: connects at leisure, and waits `wait_ms` for each
        message. Raises SrtError."""
        sock = cls()
        sock.set_flag(Option.RCVSYN, True)
        sock.set_flag(Option.RCVTIMEO, wait_ms)
        return sock

    def use(self, udp: socket.socket) -> None:
        """Take over a bound UDP socket. Raises SrtError.

        A thread of libsrt waits for what it receives: on a socket that does not block it would ask
        thousands of times a second.
        """
        guard(udp)
        udp.setblocking(True)
        drops = Drops(udp)
        if library().srt_bind_acquire(self.number, udp.fileno()) < 0:
            drops.close()
            raise last_error("bind")
        udp.detach()
        self.drops = drops

    def call_from(self, host: str, port: int = 0) -> int:
        """Send to addresses of the family of `host` from a port, 0 for any; which one it is.
        Raises OSError."""
        is_v6 = ":" in host
        udp = socket.socket(socket.AF_INET6 if is_v6 else socket.AF_INET, socket.SOCK_DGRAM)
        with udp:
            if is_v6:
                udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            udp.bind(("", port))
            found: int = udp.getsockname()[1]
            self.use(udp)
        return found

    def bind(self, host: str, port: int) -> int:
        """Send from a numeric address and a port, 0 for any; which one it is. Raises SrtError.

        Sockets with one address and port share a UDP socket, and with it the two threads that
        libsrt has for each.
        """
        address = socket_address(host, port)
        if library().srt_bind(self.number, address, len(address)) < 0:
            raise last_error("bind")
        found, size = ffi.new("char[]", 28), ffi.new("int *", 28)
        if library().srt_getsockname(self.number, found, size) < 0:
            raise last_error("name")
        return read_address(bytes(ffi.buffer(found, 28)))[1]

    def listen(self) -> None:
        """Let others call. Raises SrtError."""
        if library().srt_listen(self.number, LISTEN_BACKLOG) < 0:
            raise last_error("listen")

    def accept(self, wait_ms: int) -> "SrtSocket | None":
        """Who has called, as of `blocking`; None if nobody has. Raises SrtError."""
        lib = library()
        number = lib.srt_accept(self.number, ffi.NULL, ffi.NULL)
        if number < 0:
            if lib.srt_getlasterror(ffi.NULL) == ASYNC_RECEIVE:
                return None
            raise last_error("accept")
        sock = SrtSocket(number)
        sock.set_flag(Option.RCVSYN, True)
        sock.set_flag(Option.RCVTIMEO, wait_ms)
        return sock

    def connect(self, host: str, port: int) -> None:
        """Call a numeric address; a blocking socket waits. Raises SrtError with the reason."""
        address = socket_address(host, port)
        if library().srt_connect(self.number, address, len(address)) < 0:
            problem = last_error("connect")
            if library().srt_getrejectreason(self.number):
                raise SrtError(f"not connected: {self.reject_reason()}")
            raise problem

    def send_all(self, messages: Sequence[bytes]) -> int:
        """Send messages in order; how many there was room for. Raises SrtError."""
        lib, number = library(), self.number
        send = lib.srt_send
        for sent, message in enumerate(messages):
            if send(number, message, len(message)) < 0:
                if lib.srt_getlasterror(ffi.NULL) != ASYNC_SEND:
                    raise last_error("send")
                return sent
        return len(messages)

    def receive(self, buffer: Any) -> bytes | None:
        """The next message, None if there is none now. Raises SrtError."""
        lib = library()
        size = lib.srt_recv(self.number, buffer, len(buffer))
        if size > 0:
            return bytes(ffi.buffer(buffer, size))
        if size == 0 or lib.srt_getlasterror(ffi.NULL) not in (ASYNC_RECEIVE, TIMED_OUT):
            raise last_error("receive")
        return None

    def statistics(self) -> Statistics | None:
        """Figures, None once the socket is gone."""
        found = ffi.new("SRT_TRACEBSTATS *")
        if library().srt_bstats(self.number, found, 0) < 0:
            return None
        return Statistics(
            found.pktSentTotal, found.pktRecvTotal, found.pktSndLossTotal, found.pktRcvLossTotal,
            found.pktRetransTotal, found.pktRcvRetrans, found.pktSndDropTotal,
            found.pktRcvDropTotal, found.pktRcvUndecryptTotal,
            found.byteSentTotal, found.byteRecvTotal,
            round(found.msRTT, 3), round(found.mbpsBandwidth * 1_000_000),
            self.get_number(Option.RCVLATENCY),
        )  # fmt: skip

    def reject_reason(self) -> str:
        """Why the peer refused, in words."""
        code = library().srt_getrejectreason(self.number)
        if code >= REJECT_BASE:
            return f"refused with {code - REJECT_BASE}"
        reason = str(ffi.string(library().srt_rejectreason_str(code)).decode()).lower()
        return f"{reason}; {NOT_TAKEN}" if self.drops is not None and self.drops.new() else reason

    def close(self) -> None:
        library().srt_close(self.number)
        if self.drops is not None:
            self.drops.close()


def set_option(number: int, option: int, value: int | bool | str) -> None:
    """Set an option of a socket by its number; raises SrtError."""
    if isinstance(value, str):
        data: Any = value.encode("utf-8", "surrogateescape")
        size = len(data)
    elif option == Option.LINGER:  # struct linger (socket(7)): whether, and seconds
        data, size = ffi.new("int[2]", (1, value)), 8
    else:
        data, size = ffi.new("int *", value), 4
    if library().srt_setsockflag(number, option, data, size) < 0:
        raise last_error(f"option {option}")


def last_error(what: str) -> SrtError:
    """What the last call of this thread complains of."""
    text = ffi.string(library().srt_getlasterror_str()).decode("utf-8", "replace")
    return SrtError(f"{what}: {text}")


Hook = Callable[[int, tuple[str, int], str], int]
"""Of a listener: number of the new socket, its address, the stream id; 0 accepts, else the code of
a refusal by HTTP's numbers. Called in a thread of libsrt: it holds all traffic of the port up."""


def set_hook(listener: SrtSocket, hook: Hook) -> Any:
    """Ask `hook` about each connection; the returned handle has to be kept."""

    def call(_: Any, number: int, __: int, address: Any, stream_id: Any) -> int:
        try:
            peer = read_address(bytes(ffi.buffer(address, 28)))
            text = ffi.string(stream_id).decode("utf-8", "surrogateescape") if stream_id else ""
            code = hook(number, peer, text)
        except Exception:
            log.exception("srt: a connection could not be looked at")
            code = 500
        if code:
            library().srt_setrejectreason(number, REJECT_BASE + code)
            return -1
        return 0

    handle = ffi.callback("int(void *, SRTSOCKET, int, const void *, const char *)", call)
    if library().srt_listen_callback(listener.number, handle, ffi.NULL) < 0:
        raise last_error("hook")
    return handle
