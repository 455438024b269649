"""RTP: packets, RTCP, SDP and the payload formats of the codecs. Pure: no sockets, no clocks."""
