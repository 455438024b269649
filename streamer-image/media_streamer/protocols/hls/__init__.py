"""HLS in MPEG-TS and fragmented MP4, and low-latency HLS (RFC 8216, rfc8216bis)."""
