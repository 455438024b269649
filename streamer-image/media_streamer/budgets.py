"""What others may cost: one place for the bounds that a stranger meets, by connection, address and
process.

`docs/threat-model.md` lists them all with what they are for; a test holds the two equal. A bound
that belongs to a format (fields of a header, depth of a tree) stays with its parser.
"""

from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB

MEDIA_WORKER_MEMORY_BYTES = 512 * MIB
MEDIA_STREAM_MEMORY_BYTES = 64 * MIB
MEDIA_LOOP_SECONDS = 5
MEDIA_BLAME_SECONDS = 60

WORKER_CONNECTIONS = 20_000

RTMP_LEAST_CHUNK_BYTES = 128
RTMP_COMMAND_BYTES = 64 * KIB
RTMP_MESSAGE_BYTES = 16 * MIB
RTMP_UNFINISHED_BYTES = 128 * KIB
RTMP_PUBLISHER_UNFINISHED_BYTES = 20 * MIB
RTMP_ADDRESS_UNFINISHED_BYTES = 48 * MIB
RTMP_COST_PER_SECOND = 64
RTMP_COST_AT_ONCE = 128
RTMP_PUBLISHER_MESSAGES_PER_SECOND = 10_000
RTMP_PUBLISHER_MESSAGES_AT_ONCE = 4_000

WEBRTC_CONNECTIONS = 4096
WEBRTC_ADDRESS_UNCONNECTED = 64
WEBRTC_CONNECT_SECONDS = 20
WEBRTC_OFFER_BYTES = 64 * KIB
