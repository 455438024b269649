"""WebRTC: playing by WHEP and publishing by WHIP."""
