"""DASH (ISO/IEC 23009-1): a manifest over the segments that HLS in fragmented MP4 plays, too."""
