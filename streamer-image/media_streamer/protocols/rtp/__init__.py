"""RTP without a session protocol: who sends is told by the URL or by a description (SDP)."""
