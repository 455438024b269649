"""Payload formats of RTP: how the samples of a codec go into packets and come out of them."""
