"""A transport stream at a constant rate: null packets fill what the stream leaves free. Pure.

The output has a clock of its own, which is its bytes: packet N stands at N times its duration. A
packet of the stream leaves as soon as that clock has reached the stream's (the PCR before it), and
each PCR is written anew as the moment at which its packet stands, so PCRs are exact whatever the
packets waited for (ISO/IEC 13818-1 2.4.2.2: 500 ns). How fast the clock goes on the wall is the
sender's business: `seconds` a datagram, corrected by what is in store, so that a source whose clock
is not ours neither fills nor drains it.

Where video has a rate of its own (`vb`), its packets leave no faster than that, and what is small
(sound, tables) goes between them in place of behind a key frame.

Invariants: continuity counters stay whole but where packets are dropped; the output's PCR never
goes back, and comes at least each `PCR_SECONDS`; what waits is bounded by the lead that decoders
have, beyond which the rate is too low and pictures are dropped up to the next key frame.
"""

from collections import deque

PACKET_BYTES = 188
PACKETS = 7
DATAGRAM_BYTES = PACKETS * PACKET_BYTES
"""Fits an Ethernet frame; what receivers of MPEG-TS expect."""
CLOCK = 27_000_000
STORE_SECONDS = 0.4
"""Kept between stream and output: the stream comes in pieces of up to 0.32 s (`egress/pace.py`)."""
LEAD_SECONDS = 0.3
"""Decoding times are this much behind the PCR (`media/mux/ts.py`): what a packet may wait."""
JUMP_SECONDS = 2.0
"""A clock that is out by more is another one."""
PCR_SECONDS = 0.04
MAX_CORRECTION = 100e-6
"""Of the rate: what quartz clocks are out by."""
_SMOOTHING = 0.02
_WRAP = (1 << 33) * 300
_NULL = bytes((0x47, 0x1F, 0xFF, 0x10)).ljust(PACKET_BYTES, b"\xff")
_NO_PID = -1


class ConstantRate:
    """`bit_rate` in bit/s, of whole transport packets; `video_rate` of those of video, 0: any."""

    def __init__(self, bit_rate: int, video_rate: int = 0) -> None:
        self._rate = bit_rate
        self._queue: deque[tuple[int, bytes]] = deque()
        """Packets, and when they are due on the stream's clock."""
        self._video: deque[tuple[int, bytes]] = deque()
        """Those of video, where it has a rate of its own."""
        self._video_pids: set[int] = set()
        self._video_step = PACKET_BYTES * 8 * CLOCK // video_rate if video_rate else 0
        self._video_next = 0
        """When its next packet may leave, on the output's clock."""
        self._pcr: int | None = None
        """The newest of the stream, on a clock that does not wrap."""
        self._pcr_pid = _NO_PID
        self._base = self._sent = 0
        """The output's clock: `_base` plus `_sent` packets."""
        self._written_pcr = self._last_counter = 0
        self._anew = True
        self._skipping = False
        self._store = STORE_SECONDS
        self._usual: float | None = None
        """What is to be in store as something has come; None: not known yet."""
        self.dropped = 0
        """Frames that there was no room for."""

    @property
    def is_running(self) -> bool:
        """False before the stream's clock is known: then there is nothing to send."""
        return self._pcr is not None

    @property
    def seconds(self) -> float:
        """From one datagram to the next, on the wall."""
        nominal = DATAGRAM_BYTES * 8 / self._rate
        out = (self._store - (self._usual or self._store)) / STORE_SECONDS
        return nominal * (1 - max(-1.0, min(out, 1.0)) * MAX_CORRECTION)

    @property
    def waiting_bytes(self) -> int:
        return (len(self._queue) + len(self._video)) * PACKET_BYTES

    def write(self, data: bytes, *, is_end: bool = True) -> None:
        """Take whole packets of the stream; `is_end`: they are all that came, or the last of it."""
        queue = self._queue
        for at in range(0, len(data), PACKET_BYTES):
            packet = data[at : at + PACKET_BYTES]
            pid = (packet[1] & 0x1F) << 8 | packet[2]
            if pid == 0x1FFF:
                continue
            flags = packet[5] if packet[3] & 0x20 and packet[4] else 0
            if flags & 0x10:
                self._take_pcr(pid, packet)
            if self._skipping and pid == self._pcr_pid:
                if not flags & 0x40:
                    self.dropped += packet[1] >> 6 & 1
                    continue
                self._skipping = False
            if self._pcr is not None:
                is_video = self._video_step and self._is_video(pid, packet)
                (self._video if is_video else queue).append((self._pcr, packet))
        if self._pcr is not None and is_end:
            store = (self._pcr - self._now()) / CLOCK
            if self._usual is None:
                # The stream comes in pieces, and this is what there is with a whole one.
                self._usual = self._store = max(STORE_SECONDS, min(store, 2 * STORE_SECONDS))
            self._store += _SMOOTHING * (store - self._store)

    def _is_video(self, pid: int, packet: bytes) -> bool:
        """By the stream id where its PES packets begin (2.4.3.7)."""
        if pid not in self._video_pids and packet[1] & 0x40:
            begin = 5 + packet[4] if packet[3] & 0x20 else 4
            if packet[begin : begin + 3] == b"\0\0\1" and packet[begin + 3] & 0xF0 == 0xE0:
                self._video_pids.add(pid)
        return pid in self._video_pids

    def datagram(self) -> bytes:
        """The next packets; only while `is_running`."""
        out = []
        for _ in range(PACKETS):
            out.append(self._packet(self._now()))
            self._sent += 1
        return b"".join(out)

    def _now(self) -> int:
        return self._base + self._sent * PACKET_BYTES * 8 * CLOCK // self._rate

    def _take_pcr(self, pid: int, packet: bytes) -> None:
        field = int.from_bytes(packet[6:12], "big")
        found = (field >> 15) * 300 + (field & 0x1FF)
        if self._pcr is None:
            self._begin(found)
        else:
            step = (found - self._pcr + _WRAP // 2) % _WRAP - _WRAP // 2
            behind = self._pcr + step - self._now()
            if not -JUMP_SECONDS < behind / CLOCK < JUMP_SECONDS + STORE_SECONDS:
                self._begin(self._pcr + step)
            self._pcr += step
        self._pcr_pid = pid

    def _begin(self, pcr: int) -> None:
        """The stream's clock is known, or another one."""
        if self._pcr is None:
            self._pcr = pcr
        self._queue.clear()
        self._video.clear()
        self._base, self._sent = pcr - round(STORE_SECONDS * CLOCK), 0
        self._video_next = self._base
        self._store, self._usual = STORE_SECONDS, None
        self._anew = True

    def _packet(self, now: int) -> bytes:
        for waiting in (self._queue, self._video):
            if waiting and waiting[0][0] + LEAD_SECONDS * CLOCK < now:
                self._drop()
        queue = self._queue
        if (
            self._video
            and self._video_next <= now
            and (not queue or self._video[0][0] < queue[0][0] or queue[0][0] > now)
        ):
            queue = self._video
        since = now - self._written_pcr
        if not self._anew and since > PCR_SECONDS * CLOCK:
            return self._clock_packet(now)
        if not queue or queue[0][0] > now:
            return _NULL
        packet = queue.popleft()[1]
        if queue is self._video:
            slot = PACKET_BYTES * 8 * CLOCK // self._rate
            self._video_next = max(self._video_next, now - slot) + self._video_step
        if (packet[1] & 0x1F) << 8 | packet[2] == self._pcr_pid:
            self._last_counter = packet[3] & 0x0F
            if packet[3] & 0x20 and packet[4] and packet[5] & 0x10:
                return packet[:5] + self._clock_field(packet[5], now) + packet[12:]
        return packet

    def _drop(self) -> None:
        """More has come than the rate carries."""
        for _, packet in (*self._queue, *self._video):
            if (packet[1] & 0x1F) << 8 | packet[2] == self._pcr_pid:
                self.dropped += packet[1] >> 6 & 1
        self._queue.clear()
        self._video.clear()
        self._skipping = True

    def _clock_field(self, flags: int, now: int) -> bytes:
        """Flags and PCR of an adaptation field (2.4.3.5)."""
        if self._anew:
            self._anew = False
            flags |= 0x80
        self._written_pcr = now
        now %= _WRAP
        return bytes((flags,)) + (now // 300 << 15 | 0x7E00 | now % 300).to_bytes(6, "big")

    def _clock_packet(self, now: int) -> bytes:
        """Nothing but a PCR; without payload the counter stays where it is (2.4.3.3)."""
        pid = self._pcr_pid
        header = bytes((0x47, pid >> 8, pid & 0xFF, 0x20 | self._last_counter, 183))
        return (header + self._clock_field(0x10, now)).ljust(PACKET_BYTES, b"\xff")
