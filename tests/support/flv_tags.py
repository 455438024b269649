"""The tags of an FLV file."""

Tag = tuple[int, int, bytes]
"""(kind, ms, body)"""
_FILE_HEADER_BYTES, _TAG_HEADER_BYTES, _TRAILER_BYTES = 13, 11, 4


def read_tags(data: bytes) -> list[Tag]:
    """Its whole tags (Adobe FLV 10.1 E.4.1); what is cut off at the end is left out."""
    position, tags = _FILE_HEADER_BYTES, []
    while position + _TAG_HEADER_BYTES <= len(data):
        kind = data[position]
        size = int.from_bytes(data[position + 1 : position + 4])
        stamp = int.from_bytes(data[position + 4 : position + 7]) | data[position + 7] << 24
        start = position + _TAG_HEADER_BYTES
        if start + size > len(data):
            break
        tags.append((kind, stamp, data[start : start + size]))
        position = start + size + _TRAILER_BYTES
    return tags
