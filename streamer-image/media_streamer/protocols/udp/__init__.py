"""MPEG-TS over UDP, to one receiver or to a group."""
